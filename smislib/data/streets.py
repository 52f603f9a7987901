"""The renderer of `streets`: a stand-in for Cityscapes, twice as wide as high, with instances of people, cars and buses.

Geometry is the street (its edges, houses, gardens, trees), who goes where and how tall, and from where the sun comes. A
class has one appearance for the whole picture, its second colour being that of every other house or tree; of people, cars and
buses each instance has its own, and the class's factors are those of instance 0, the nearest one.
"""

from collections.abc import Callable, Iterator
from functools import partial

import numpy as np

from .appearance import between, pick
from .canvas import Canvas, Shape, smooth
from .facades import Front
from .perspective import SIDE, Scene, main, second, textured
from .renderer import Looks, Renderer
from .street_appearance import (
    BUILDING,
    BUS,
    CAR,
    CLASSES,
    FENCE,
    PERSON,
    POLE,
    ROAD,
    SIDEWALK,
    SIGN,
    SKY,
    TERRAIN,
    VEGETATION,
    draw,
)
from .texture import FACTOR_NAMES, noise, texture_of, window
from .traffic import bus, car, haze, lamp, person, sign, tree

__all__ = ["CLASSES", "FACTOR_NAMES", "RENDERER", "factors", "render"]

Mover = tuple[float, int, Callable[..., None]]  # distance, class, paint(look=, i=)


class _Street(Scene):
    """One street."""

    def __init__(self, canvas: Canvas, looks: Looks, rng: np.random.Generator):
        u = partial(between, rng)
        super().__init__(canvas, looks, rng, x=u(0.82, 1.18), y=u(0.40, 0.47), focal=u(0.98, 1.15), height=u(1.55, 2.1))
        self.sun = 1 if rng.random() < 0.5 else -1  # the side whose houses are lit
        self.edge = {-1: u(4.2, 6.2), 1: u(4.2, 6.2)}  # metres from the middle to each kerb
        self.verge = {side: u(1.2, 2.4) if rng.random() < 0.45 else 0.0 for side in (-1, 1)}
        self.walk = {side: u(2.2, 3.6) for side in (-1, 1)}
        self.line = {side: self.edge[side] + self.verge[side] + self.walk[side] for side in (-1, 1)}  # of the fronts
        self.end = u(60, 110)

    def draw(self) -> None:
        self._sky()
        self._ground()
        self._closing()
        lots = [lot for side in (-1, 1) for lot in self._lots(side)]
        for start, stop, side, built, odd in sorted(lots, key=lambda lot: -lot[1]):
            (self._house if built else self._garden)(start, stop, side, odd)
        for _, paint in sorted(self._things(), key=lambda thing: -thing[0]):
            paint()

    def _look(self, label: int) -> np.ndarray:
        return self.looks.factors[label]

    def _sky(self) -> None:
        look, canvas, (sx, sy) = self._look(SKY), self.canvas, (self.u(0, 60), self.u(0, 60))
        top, horizon = main(look), second(look)
        down = smooth(-0.1, 1.0, canvas.y / self.y)[..., None]
        colour = np.broadcast_to(top + down * (horizon - top), canvas.rgb.shape)
        if texture_of(look) == "clouds":
            rows = int((self.y + 0.02) * canvas.n)
            x, height = canvas.x, np.maximum(self.y - canvas.y[:rows], 0) + 0.22  # of a flat layer of clouds
            u, v = (x - self.x) / height * 0.6 + sx, 0.9 / height + sy
            share = smooth(0.45, 0.8, 0.62 * noise(u, v) + 0.38 * noise(2.3 * u, 2.6 * v))
            share = 0.85 * share * smooth(0.0, 0.12, height - 0.22)
            colour = colour.copy()
            colour[:rows] += share[..., None] * (horizon * 0.35 + 0.63 - colour[:rows])
        canvas.rgb[:] = colour

    def _ground(self) -> None:
        far, wide = 1.2 * self.end, 400.0

        def band(left: float, right: float) -> Shape:
            return self.tread(left, right, 0, 1.2, far)

        meadow = band(-wide, wide)
        X, Z, sharp = self.level(meadow)
        self.paint(meadow, haze(textured(self._look(TERRAIN), X, Z, 0.9, sharp), Z), TERRAIN)
        for side in (-1, 1):
            kerb = side * (self.edge[side] + self.verge[side])
            pavement = band(kerb, side * self.line[side])
            X, Z, sharp = self.level(pavement)
            worn = 1 - 0.22 * smooth(0.9, 0.0, np.abs(X - side * self.line[side]))  # in the shade of the fronts
            colour = haze(textured(self._look(SIDEWALK), X, Z, 0.5, sharp), Z)
            self.paint(pavement, colour * worn[..., None], SIDEWALK)
            stones = band(side * (self.edge[side] - 0.02), side * (self.edge[side] + 0.22))
            self.paint(stones, haze(main(self._look(SIDEWALK)) * 1.08, self.level(stones)[1]), SIDEWALK)
        self._road(band(-self.edge[-1], self.edge[1]))

    def _road(self, road: Shape) -> None:
        look = self._look(ROAD)
        X, Z, sharp = self.level(road)
        X = X - (self.edge[1] - self.edge[-1]) / 2
        half = (self.edge[1] + self.edge[-1]) / 2
        across = sharp * Z / self.height
        wear = 0.91 + 0.06 * np.cos(4 * np.pi * X / half) + 0.10 * noise(X * 1.3, Z * 0.6) + 0.08 * noise(X * 7, Z * 5)
        colour = haze(main(look) * wear[..., None], Z)
        dashes = window(X, -0.09, 0.09, across) * window((Z / 6 + self.u(0, 1)) % 1, 0.0, 0.5, 6 * sharp)
        lines = window(np.abs(X), half - 0.45, half - 0.3, across)
        marks = np.maximum(dashes, lines if self.rng.random() < 0.6 else 0 * lines)
        crossing, at = self.rng.random() < 0.35, self.u(7, 15)
        if crossing:
            stripes = window((X / 1.0) % 1, 0.25, 0.75, across) * window(Z, at, at + 3.2, sharp) * (np.abs(X) < half - 0.5)
            marks = np.maximum(np.where((at - 1.2 < Z) & (at + 4.4 > Z), 0, marks), stripes)
        self.paint(road, colour + 0.85 * marks[..., None] * (haze(second(look), Z) - colour), ROAD)

    def _lots(self, side: int) -> Iterator[tuple[float, float, int, bool, int]]:
        """(start, stop, side, built, odd) of the pieces of land along one side, from the eye to the end of the street."""
        Z, odd = self.u(-6, 2), 0
        while self.end > Z:
            length = self.u(9, 22)
            yield max(Z, 1.0), min(Z + length, self.end), side, self.rng.random() < 0.6, odd
            Z, odd = Z + length, 1 - odd

    def _house(self, start: float, stop: float, side: int, odd: int) -> None:
        look, X, front = self._look(BUILDING), side * self.line[side], Front.draw(self, 7, 19)
        gable = self.upright(X, X + side * 16, 0, front.top, start)
        along, Y = self.facing(gable, start)
        colour = front.colours(look, along + 50, Y, self.sharpness(start), odd, blind=True)
        self.paint(gable, haze(colour * np.float32(0.9), start), BUILDING)
        wall = self._along(X, front.top, start, stop)
        Z, Y, sharp = self.side(wall, X)
        self.paint(wall, haze(front.colours(look, Z - start, Y, sharp, odd) * self._sunlight(side, 1.05), Z), BUILDING)

    def _along(self, X: float, top: float, start: float, stop: float) -> Shape:
        """An upright wall at X, parallel to the street."""
        return self.polygon([(X, 0, start), (X, top, start), (X, top, stop), (X, 0, stop)])

    def _sunlight(self, side: int, lit: float) -> np.ndarray:
        return SIDE if side == self.sun else np.full(3, lit, np.float32)

    def _garden(self, start: float, stop: float, side: int, odd: int) -> None:
        X, u = side * self.line[side], self.u
        hedge, height, back = u(1.2, 3.0), u(0.8, 1.5), X + side * u(7, 10)
        for Z in (stop, (start + stop) / 2):
            if Z > 5:
                tree(self, (back, Z), hedge * 1.6, hedge, VEGETATION, odd, bush=True)
        n = 1 + pick(self.rng, 0.4, 0.6)
        for i in range(n):
            Z, away, tall = stop - (stop - start) * (i + u(0.2, 0.8)) / n, u(2, 5), u(5, 9)
            if Z > 6:
                tree(self, (X + side * away, Z), tall, u(1.6, 2.6), VEGETATION, odd + i)
        if self.rng.random() < 0.75:
            fence = self._along(X, height, start, stop)
            Z, Y, sharp = self.side(fence, X)
            top = 1 + 0.12 * window(Y, height - 0.12, height, sharp)
            colour = textured(self._look(FENCE), Z, Y, 0.36, sharp) * self._sunlight(side, 1.0) * top[..., None]
            self.paint(fence, haze(colour, Z), FENCE)

    def _closing(self) -> None:
        """What is seen at the end of the street: houses or trees, across its whole width."""
        built, Z, X, odd = self.rng.random() < 0.5, self.end, -24.0, 0
        while X < 24:
            width, front = self.u(10, 20), Front.draw(self, 7, 16)
            if built:
                wall = self.upright(X, X + width, 0, front.top, Z)
                colour = front.colours(self._look(BUILDING), *self.facing(wall, Z), self.sharpness(Z), odd)
                self.paint(wall, haze(colour * np.float32(0.92), Z), BUILDING)
            else:
                tree(self, (X + width / 2, Z), 0.7 * front.top, width * 0.45, VEGETATION, odd, bush=True)
            X, odd = X + width, 1 - odd

    def _things(self) -> Iterator[tuple[float, Callable[[], None]]]:
        """(distance, paint) of all that stands or goes in the street. Instances are numbered from the nearest one on."""
        rng, u = self.rng, self.u
        for side in (-1, 1):
            kerb, Z = side * (self.edge[side] + (0.5 * self.verge[side] or 0.5)), u(5, 12)
            trees, odd = rng.random() < 0.55, 0
            while 0.8 * self.end > Z:
                if trees:
                    yield Z, partial(tree, self, (kerb, Z), u(4.5, 7.5), u(1.1, 1.9), VEGETATION, odd)
                else:
                    yield Z, partial(lamp, self, (kerb, Z), u(4.5, 6.5), side, POLE)
                Z, odd = Z + u(9, 16), 1 - odd
            if rng.random() < 0.75:
                Z = u(5, 14)
                yield Z, partial(sign, self, (kerb, Z), u(2.1, 2.7), pick(rng, 1, 1, 1), POLE, SIGN)
        counts: dict[int, int] = {}
        for Z, label, paint in sorted([*self._vehicles(), *self._people()], key=lambda mover: mover[0]):
            k = counts[label] = counts.get(label, -1) + 1
            yield Z, partial(paint, look=self.looks.instance(label, k), i=self.canvas.instance(label))

    def _vehicles(self) -> Iterator[Mover]:
        rng, u = self.rng, self.u

        def a_car(X: float, Z: float) -> Mover:
            return Z, CAR, partial(car, self, X=X, Z=Z, towards=X < 0, kind=pick(rng, 1, 1, 1))

        for side in (-1, 1):  # towards us on the left, away from us on the right
            X, Z = side * self.edge[side] * 0.36, u(8, 16)
            while Z < 55:
                if Z > 16 and rng.random() < 0.16:
                    yield Z, BUS, partial(bus, self, X=X * 1.15, Z=Z, towards=side < 0)
                    Z += u(24, 36)
                elif Z <= 16 or rng.random() < 0.62:
                    yield a_car(X, Z)
                Z += u(9, 20)
            parked, Z = rng.random() < 0.7 and self.edge[side] > 4.6, u(4.5, 9)
            while parked and Z < 45:
                if rng.random() < 0.7:
                    yield a_car(side * (self.edge[side] - 1.15), Z)
                Z += u(5.5, 9)

    def _people(self) -> Iterator[Mover]:
        rng, u = self.rng, self.u
        for _ in range(3 + pick(rng, 1, 1, 1, 1)):
            side = 1 if rng.random() < 0.5 else -1
            X = side * (self.edge[side] + self.verge[side] + u(0.4, 0.9) * self.walk[side])
            Z = 1.1 * abs(X) * self.focal + 14 * rng.random() ** 1.8  # in the frame
            if rng.random() < 0.28:
                X, Z = u(-0.5, 0.5) * self.edge[side], u(4.8, 7.5)  # crossing, in front of all that drives
            height = u(1.55, 1.88) if rng.random() < 0.85 else u(1.0, 1.35)
            body = {"h": height, "stride": u(-1, 1), "girth": u(0.9, 1.15), "skin": rng.random(), "hair": rng.random()}
            yield Z, PERSON, partial(person, self, X=X, Z=Z, **body)


def _paint(rng: np.random.Generator, looks: Looks, canvas: Canvas) -> None:
    _Street(canvas, looks, rng).draw()


RENDERER = Renderer(
    name="streets", version=1, classes=CLASSES, factor_names=FACTOR_NAMES, draw=draw, paint=_paint, aspect=2, fineness=128
)
render, factors = RENDERER.render, RENDERER.factors
