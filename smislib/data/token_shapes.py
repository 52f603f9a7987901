"""The 24 things of `tokens`, drawn upright on a stage whose ground is at y = 0: x in -1..1 to the right, y in 0..2 upwards.

Each takes the stage, two colours and `u(low, high)`, which draws a number: its proportions differ from picture to picture.
"""

from collections.abc import Callable

import numpy as np

from .canvas import Canvas, Shape

Draw = Callable[[float, float], float]
DARK = np.array([0.17, 0.16, 0.20])
LIGHT = np.array([0.97, 0.95, 0.90])


class Stage:
    """Shapes in the coordinates of a thing, painted as one label. `flip` is 1, or -1 for its mirror image."""

    def __init__(self, canvas: Canvas, label: int, centre: float, ground: float, scale: float, flip: int):
        self.canvas, self.label = canvas, label
        self.centre, self.ground, self.scale, self.flip = centre, ground, scale, flip

    def at(self, x: float, y: float) -> tuple[float, float]:
        """A point in the frame."""
        return self.centre + self.flip * x * self.scale, self.ground - y * self.scale

    def egg(self, x: float, y: float, rx: float, ry: float, colour: np.ndarray, taper: float = 0.0, tilt: float = 0.0) -> None:
        radii = rx * self.scale, ry * self.scale
        self._paint(self.canvas.egg(self.at(x, y), radii, self.flip * tilt, taper), colour)

    def block(self, left: float, bottom: float, right: float, top: float, colour: np.ndarray, radius: float = 0.06) -> None:
        (a, lower), (b, upper) = self.at(left, bottom), self.at(right, top)
        self._paint(self.canvas.block(min(a, b), upper, max(a, b), lower, radius * self.scale), colour)

    def rod(self, start: tuple, end: tuple, radius: float, colour: np.ndarray, end_radius: float | None = None) -> None:
        last = None if end_radius is None else end_radius * self.scale
        self._paint(self.canvas.rod(self.at(*start), self.at(*end), radius * self.scale, last), colour)

    def polygon(self, points: list[tuple[float, float]], colour: np.ndarray) -> None:
        self._paint(self.canvas.polygon([self.at(*point) for point in points]), colour)

    def turned(self, heights: list[float], radii: list[float], colour: np.ndarray, x: float = 0.0) -> None:
        """What a lathe makes: `radii` at `heights`, which fall."""
        keys = [self.at(0, y)[1] for y in heights]
        middle = self.at(x, 0)[0]
        left, right = ([middle + side * r * self.scale for r in radii] for side in (-1, 1))
        self._paint(self.canvas.column(keys, left, right), colour)

    def _paint(self, shape: Shape, colour: np.ndarray) -> None:
        self.canvas.paint(shape, colour, self.label)


def fir(s: Stage, a: np.ndarray, b: np.ndarray, u: Draw) -> None:
    wide, n = u(0.55, 0.8), 3
    s.block(-0.1, 0, 0.1, 0.4, b)
    for i in range(n):
        low, half = 0.3 + 0.48 * i, wide * (1 - 0.26 * i)
        s.polygon([(-half, low), (half, low), (0, low + u(0.72, 0.82))], a * (0.86 + 0.07 * i))


def broadleaf(s: Stage, a: np.ndarray, b: np.ndarray, u: Draw) -> None:
    s.rod((0, 0), (0, 1.0), 0.13, b, 0.08)
    for x, y, r in ((-0.36, 1.2, 0.42), (0.36, 1.2, 0.42), (0, u(1.42, 1.56), 0.5)):
        s.egg(x, y, r, r * u(0.85, 1.0), a)


def house(s: Stage, a: np.ndarray, b: np.ndarray, u: Draw) -> None:
    half, wall = u(0.62, 0.85), u(0.75, 1.0)
    s.block(0.25, wall, 0.45, wall + 0.8, b * 0.7, 0.02)
    s.block(-half, 0, half, wall, a, 0.02)
    s.polygon([(-half - 0.14, wall), (half + 0.14, wall), (0, wall + u(0.6, 0.8))], b)
    s.block(-0.16, 0, 0.16, 0.52, b * 0.6, 0.04)
    for x in (-0.42, 0.42):
        s.block(x - 0.13, 0.38, x + 0.13, 0.64, LIGHT, 0.02)


def mug(s: Stage, a: np.ndarray, b: np.ndarray, u: Draw) -> None:
    half, tall = u(0.48, 0.62), u(1.0, 1.35)
    s.egg(half + 0.12, tall * 0.52, 0.34, tall * 0.32, a * 0.9)
    s.egg(half + 0.12, tall * 0.52, 0.2, tall * 0.2, b * 0.5 + 0.45)
    s.block(-half, 0, half, tall, a, 0.14)
    s.block(-half, tall * 0.42, half, tall * 0.62, b, 0.01)
    s.egg(0, tall, half, 0.13, DARK * 1.5)


def bottle(s: Stage, a: np.ndarray, b: np.ndarray, u: Draw) -> None:
    r, neck = u(0.34, 0.46), u(0.12, 0.16)
    s.block(-neck - 0.02, 1.78, neck + 0.02, 1.98, b, 0.04)
    s.turned([1.82, 1.45, 1.1, 0.0], [neck, neck, r, r], a)
    s.block(-r, 0.34, r, 0.84, LIGHT, 0.01)
    s.block(-r * 0.5, 0.48, r * 0.5, 0.70, b, 0.04)


def fish(s: Stage, a: np.ndarray, b: np.ndarray, u: Draw) -> None:
    y, tall = u(0.8, 1.0), u(0.34, 0.5)
    s.polygon([(0.45, y), (1.0, y + 0.42), (1.0, y - 0.42)], b)
    s.polygon([(-0.2, y + 0.2), (0.3, y + 0.2), (0.2, y + tall + 0.3)], b)
    s.egg(-0.1, y, 0.75, tall, a)
    s.egg(-0.02, y - 0.05, 0.2, 0.1, b, tilt=-0.5)
    s.egg(-0.52, y + 0.1, 0.09, 0.09, LIGHT)
    s.egg(-0.54, y + 0.1, 0.05, 0.05, DARK)


def bird(s: Stage, a: np.ndarray, b: np.ndarray, u: Draw) -> None:
    for x in (-0.08, 0.12):
        s.rod((x, 0.4), (x, 0.02), 0.035, DARK)
    s.polygon([(0.3, 0.85), (0.98, u(0.75, 1.15)), (0.35, 0.6)], b)
    s.egg(0, 0.72, 0.5, 0.42, a, tilt=-0.3)
    s.polygon([(-0.68, 1.36), (-0.98, 1.24), (-0.66, 1.14)], np.array([0.93, 0.62, 0.2]))
    s.egg(-0.42, 1.24, 0.31, 0.3, a)
    s.egg(0.12, 0.75, 0.34, 0.2, b, tilt=u(-0.6, -0.2))
    s.egg(-0.5, 1.3, 0.055, 0.055, DARK)


def mushroom(s: Stage, a: np.ndarray, b: np.ndarray, u: Draw) -> None:
    half, stem = u(0.65, 0.85), u(0.18, 0.26)
    s.turned([0.95, 0.5, 0.0], [stem, stem * 0.9, stem * 1.35], LIGHT * 0.96)
    s.turned([u(1.5, 1.7), 1.35, 0.85], [0.08, half * 0.75, half], a)
    for x, y, r in ((-0.35, 1.1, 0.11), (0.05, 1.3, 0.13), (0.4, 1.05, 0.1)):
        s.egg(x * half / 0.75, y, r, r, b)


def lamp(s: Stage, a: np.ndarray, b: np.ndarray, u: Draw) -> None:
    half, top = u(0.5, 0.68), u(0.22, 0.36)
    s.egg(0, 0.08, 0.42, 0.1, b)
    s.rod((0, 0.1), (0, 1.1), 0.06, b)
    s.polygon([(-half, 1.0), (half, 1.0), (top, 1.8), (-top, 1.8)], a)


def umbrella(s: Stage, a: np.ndarray, b: np.ndarray, u: Draw) -> None:
    half, low = u(0.78, 0.95), 0.98
    s.rod((0, 1.9), (0, 0.2), 0.045, DARK)
    s.rod((0, 0.16), (0.22, 0.14), 0.05, DARK)
    s.turned([1.75, 1.5, 1.2, low], [0.05, half * 0.62, half * 0.92, half], a)
    for i in (-1, 0, 1):
        s.polygon([(0.6 * half * i - 0.1, low), (0.6 * half * i + 0.1, low), (0, 1.75)], b)


def cactus(s: Stage, a: np.ndarray, b: np.ndarray, u: Draw) -> None:
    left, right = u(0.65, 0.9), u(0.85, 1.15)
    for side, y in ((-1, left), (1, right)):
        s.rod((0, y), (0.5 * side, y), 0.12, a * 0.9)
        s.rod((0.5 * side, y), (0.5 * side, y + 0.42), 0.12, a * 0.9)
    s.rod((0, 0.4), (0, u(1.55, 1.75)), 0.22, a)
    s.polygon([(-0.42, 0.5), (0.42, 0.5), (0.32, 0), (-0.32, 0)], b)


def balloon(s: Stage, a: np.ndarray, b: np.ndarray, u: Draw) -> None:
    half = u(0.58, 0.72)
    for x in (-0.2, 0.2):
        s.rod((x * 1.6, 0.95), (x, 0.35), 0.02, DARK)
    s.egg(0, 1.3, half, 0.68, a, taper=0.35)
    s.egg(0, 1.3, half * 0.36, 0.67, b, taper=0.35)
    s.block(-0.24, 0.08, 0.24, 0.38, np.array([0.62, 0.45, 0.28]), 0.04)


def boat(s: Stage, a: np.ndarray, b: np.ndarray, u: Draw) -> None:
    s.rod((0, 0.3), (0, 1.9), 0.045, DARK)
    s.polygon([(0.08, 0.55), (0.08, 1.82), (u(0.65, 0.9), 0.55)], b)
    s.polygon([(-0.08, 0.55), (-0.08, u(1.35, 1.6)), (-0.55, 0.55)], LIGHT)
    s.polygon([(-0.95, 0.42), (0.95, 0.42), (0.62, 0.0), (-0.62, 0.0)], a)


def chair(s: Stage, a: np.ndarray, b: np.ndarray, u: Draw) -> None:
    seat, back = u(0.72, 0.85), u(1.6, 1.9)
    for x in (-0.42, 0.42):
        s.rod((x, seat), (x * 1.12, 0.03), 0.055, b)
    s.block(0.34, seat, 0.5, back, b, 0.05)
    s.block(0.3, back - 0.5, 0.52, back, a, 0.06)
    s.block(-0.55, seat - 0.06, 0.55, seat + 0.14, a, 0.07)


def car(s: Stage, a: np.ndarray, b: np.ndarray, u: Draw) -> None:
    roof = u(0.98, 1.15)
    s.polygon([(-0.6, 0.7), (-0.36, roof), (0.36, roof), (0.68, 0.7)], a * 0.92)
    s.polygon([(-0.46, 0.72), (-0.3, roof - 0.08), (-0.03, roof - 0.08), (-0.03, 0.72)], b * 0.35 + 0.6)
    s.polygon([(0.05, 0.72), (0.05, roof - 0.08), (0.3, roof - 0.08), (0.5, 0.72)], b * 0.35 + 0.6)
    s.block(-0.98, 0.22, 0.98, 0.74, a, 0.16)
    for x in (-0.55, 0.55):
        s.egg(x, 0.22, 0.22, 0.22, DARK)
        s.egg(x, 0.22, 0.1, 0.1, LIGHT * 0.85)


def flower(s: Stage, a: np.ndarray, b: np.ndarray, u: Draw) -> None:
    green, n, y = np.array([0.30, 0.55, 0.28]), 6, 1.35
    s.rod((0, 0), (0, y), 0.05, green)
    s.egg(0.28, u(0.4, 0.6), 0.28, 0.1, green, tilt=-0.5)
    start, reach = u(0, 1), u(0.36, 0.44)
    for i in range(n):
        angle = 2 * np.pi * (i + start) / n
        s.egg(reach * np.cos(angle), y + reach * np.sin(angle), 0.25, 0.25, a)
    s.egg(0, y, 0.24, 0.24, b)


def snowman(s: Stage, a: np.ndarray, b: np.ndarray, u: Draw) -> None:
    white, low = np.array([0.96, 0.97, 1.0]), u(0.48, 0.58)
    s.egg(0, low, 0.58, low, white)
    s.egg(0, low * 2 + 0.18, 0.38, 0.36, white)
    s.block(-0.36, low * 2 - 0.1, 0.36, low * 2 + 0.06, a, 0.06)
    head = low * 2 + 0.44
    s.block(-0.3, head, 0.3, head + 0.08, b, 0.03)
    s.block(-0.2, head + 0.04, 0.2, head + 0.4, b, 0.03)
    s.polygon([(-0.02, head - 0.14), (-0.02, head - 0.24), (-0.34, head - 0.2)], np.array([0.95, 0.5, 0.15]))


def rocket(s: Stage, a: np.ndarray, b: np.ndarray, u: Draw) -> None:
    r = u(0.3, 0.4)
    s.polygon([(-0.12, 0.3), (0.12, 0.3), (0, 0.0)], np.array([0.98, 0.68, 0.2]))
    for side in (-1, 1):
        s.polygon([(side * r * 0.7, 0.75), (side * 0.72, 0.22), (side * r * 0.7, 0.3)], b)
    s.turned([1.98, 1.6, 1.0, 0.28], [0.02, r * 0.75, r, r * 0.75], a)
    s.egg(0, 1.2, 0.16, 0.16, LIGHT)
    s.egg(0, 1.2, 0.1, 0.1, b * 0.6)


def cone(s: Stage, a: np.ndarray, b: np.ndarray, u: Draw) -> None:
    s.polygon([(-0.4, 0.95), (0.4, 0.95), (0, 0)], np.array([0.84, 0.63, 0.36]))
    s.egg(0, 1.12, 0.48, 0.36, a)
    s.egg(u(-0.06, 0.06), 1.52, 0.38, 0.32, b)
    s.egg(0.05, 1.86, 0.1, 0.1, np.array([0.8, 0.12, 0.2]))


def lighthouse(s: Stage, a: np.ndarray, b: np.ndarray, u: Draw) -> None:
    low, high = u(0.42, 0.52), u(0.22, 0.28)
    for i in range(4):
        y0, y1 = 0.36 * i, 0.36 * (i + 1)
        r0, r1 = (low + (high - low) * y / 1.44 for y in (y0, y1))
        s.polygon([(-r0, y0), (r0, y0), (r1, y1), (-r1, y1)], LIGHT if i % 2 else a)
    s.block(-high * 0.8, 1.44, high * 0.8, 1.7, np.array([0.99, 0.88, 0.45]), 0.03)
    s.polygon([(-high - 0.08, 1.7), (high + 0.08, 1.7), (0, 2.0)], b)


def teapot(s: Stage, a: np.ndarray, b: np.ndarray, u: Draw) -> None:
    y, r = u(0.55, 0.65), u(0.52, 0.6)
    s.egg(0.62, y + 0.06, 0.34, 0.34, a * 0.9)
    s.egg(0.62, y + 0.06, 0.2, 0.2, b * 0.5 + 0.45)
    s.rod((-0.4, y - 0.05), (-0.9, y + 0.42), 0.15, a * 0.95, 0.07)
    s.egg(0, y, r, 0.54, a)
    s.egg(0, y + 0.5, 0.32, 0.1, b)
    s.egg(0, y + 0.66, 0.09, 0.09, b)


def hourglass(s: Stage, a: np.ndarray, b: np.ndarray, u: Draw) -> None:
    r, level = u(0.4, 0.52), u(0.25, 0.75)
    s.turned([1.7, 1.3, 0.92, 0.55, 0.14], [r, r * 0.85, 0.07, r * 0.85, r], np.array([0.86, 0.93, 0.95]))
    s.polygon([(-r * level, 0.92 + 0.5 * level), (r * level, 0.92 + 0.5 * level), (0, 0.9)], b)
    s.polygon([(-r * 0.85, 0.15), (r * 0.85, 0.15), (0, 0.75 - 0.4 * level)], b)
    for y in (0.0, 1.7):
        s.block(-0.62, y, 0.62, y + 0.16, a, 0.05)


def candle(s: Stage, a: np.ndarray, b: np.ndarray, u: Draw) -> None:
    tall, r = u(0.9, 1.25), u(0.2, 0.3)
    s.egg(0.0, 0.12, 0.62, 0.13, b)
    s.block(-r, 0.12, r, tall, a, 0.04)
    s.rod((0, tall), (0, tall + 0.12), 0.025, DARK)
    s.egg(0, tall + 0.36, 0.15, 0.28, np.array([1.0, 0.74, 0.2]))
    s.egg(0, tall + 0.27, 0.07, 0.13, np.array([1.0, 0.96, 0.75]))


def bell(s: Stage, a: np.ndarray, b: np.ndarray, u: Draw) -> None:
    r = u(0.62, 0.78)
    s.egg(0, 0.16, 0.16, 0.16, b * 0.7)
    s.egg(0, 1.72, 0.17, 0.17, b)
    s.turned([1.65, 1.4, 0.8, 0.45, 0.25], [0.16, 0.36, 0.46, r * 0.85, r], a)
    s.block(-r * 0.98, 0.2, r * 0.98, 0.34, b, 0.06)


THINGS: dict[str, Callable[[Stage, np.ndarray, np.ndarray, Draw], None]] = {
    thing.__name__: thing
    for thing in (
        fir, broadleaf, house, mug, bottle, fish, bird, mushroom, lamp, umbrella, cactus, balloon,
        boat, chair, car, flower, snowman, rocket, cone, lighthouse, teapot, hourglass, candle, bell,
    )
}  # fmt: skip
