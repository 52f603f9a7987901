"""What all furniture is made of: parts of a scene painted in a class's material.

A function of this package draws a piece's measures (metres) from the scene's stream and returns how to paint it. It takes
the scene, the X of the piece's middle and, where they may vary, its distance Z (of the front) or the height `above` which the
wall is free.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from ..appearance import between
from ..canvas import Canvas, Shape
from ..perspective import Scene, textured
from ..renderer import Looks
from ..texture import scatter, window

WHITE, DARK, BRASS = (np.array(tone, np.float32) for tone in ((0.95, 0.95, 0.93), (0.14, 0.14, 0.16), (0.72, 0.58, 0.32)))


class Room(Scene):
    """A room between walls: `left`, `right` and `back` are where they stand, `tall` is its height, in metres."""

    def __init__(self, canvas: Canvas, looks: Looks, rng: np.random.Generator, labels: dict[str, int]):
        u, self.label = partial(between, rng), labels
        wide, self.tall, self.back = u(3.3, 3.9), u(2.5, 2.75), u(3.9, 4.5)
        focal = u(0.84, 0.95) * self.back / wide
        super().__init__(canvas, looks, rng, x=u(0.45, 0.55), y=u(0.38, 0.44), focal=focal, height=u(1.4, 1.6))
        self.middle = (0.5 - self.x) * self.back / focal  # of the back wall: in the middle of the frame
        self.left, self.right = self.middle - wide / 2, self.middle + wide / 2

    def look(self, name: str) -> np.ndarray:
        """The factors (K,) of a class."""
        return self.looks.factors[self.label[name]]


@dataclass(frozen=True)
class Piece:
    """What to paint, the classes it shows, and the distance that puts it in its place."""

    Z: float
    classes: tuple[str, ...]
    paint: Callable[[], None]


def fill(s: Room, shape: Shape, name: str, Z: float, *, period: float = 0.26, light: float = 0.0, shade=1.0) -> None:
    """Paint an upright shape with the colours and the texture of class `name`."""
    X, Y = s.facing(shape, Z)
    s.paint(shape, textured(s.look(name), X, Y, period, s.sharpness(Z)) * np.float32(shade), s.label[name], light)


def plain(s: Room, shape: Shape, name: str, *, part: int = 0, shade: float = 1.0, light: float = 0.0) -> None:
    """Paint a shape in the main (part 0) or second (part 1) colour of class `name`."""
    s.paint(shape, s.look(name)[3 * part : 3 * part + 3] * np.float32(shade), s.label[name], light)


def footprint(s: Room, X0: float, X1: float, Z0: float, Z1: float, strength: float = 0.5) -> None:
    """The shadow under and around what stands on the floor."""
    g = 0.07
    under = s.tread(X0 - g, X1 + g, 0, Z0 - g, Z1)
    s.canvas.shadow(under, strength, 0.22 * s.scale(Z0))


def crate(s: Room, name: str, X: float, w: float, Y0: float, Y1: float, Z0: float, Z1: float, period: float = 0.16) -> None:
    """A box of the class's material, w wide."""
    s.box(X - w / 2, X + w / 2, Y0, Y1, Z0, Z1, s.look(name)[:3], s.label[name])
    fill(s, s.upright(X - w / 2, X + w / 2, Y0, Y1, Z0), name, Z0, period=period)


def groove(s: Room, name: str, X0: float, X1: float, Y0: float, Y1: float, Z: float) -> None:
    """A panel or a drawer on a front: a darker line around a lighter field."""
    plain(s, s.upright(X0, X1, Y0, Y1, Z), name, shade=0.62)
    g = 0.022
    fill(s, s.upright(X0 + g, X1 - g, Y0 + g, Y1 - g, Z), name, Z, period=0.16, shade=1.04)


def legs(s: Room, name: str, X: float, w: float, top: float, Z0: float, Z1: float, radius: float = 0.03) -> None:
    """Four legs, the far ones first."""
    for Z in (Z1, Z0):
        for x in (X - w / 2, X + w / 2):
            plain(s, s.rod((x, 0, Z), (x, top, Z), radius * 0.75, radius), name, shade=0.85, light=0.8)


def row_of_books(s: Room, X0: float, X1: float, Y: float, Z: float, high: float, key: float) -> None:
    """A row of books standing between X0 and X1 on height Y."""
    row = s.upright(X0, X1, Y, Y + high, Z)
    x, y = s.facing(row, Z)
    place = (x - X0) / 0.075
    tall = 0.72 + 0.28 * scatter(place, key)
    look, pick = s.look("books"), scatter(place, key + 11)[..., None]
    colour = np.where(pick < 0.45, look[:3], np.where(pick < 0.8, look[3:6], look[:3] * 0.5 + look[3:6] * 0.5))
    gap = window(place % 1, 0.08, 0.92, 0.075 * s.sharpness(Z))[..., None]
    row.cut((y - Y - tall * high) * s.scale(Z))
    s.paint(row, colour * (0.62 + 0.4 * gap) * (0.85 + 0.2 * scatter(place, key + 5)[..., None]), s.label["books"])
