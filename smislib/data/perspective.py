"""One-point perspective: scenes in metres (X to the right, Y up from the floor, Z away from the eye) on a canvas."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .appearance import between
from .canvas import Canvas, Shape
from .renderer import Looks
from .texture import texture, texture_of

SIDE = np.array([0.74, 0.72, 0.80], np.float32)  # shares of its colour that a face in the shade keeps
TOP = np.float32(1.08)  # and one that faces the sky or the lamp


@dataclass
class Scene:
    """A canvas seen from an eye `height` metres up: (x, y) is the vanishing point, `focal` the focal length, both in frame
    heights. Its geometry is drawn from `rng`, in an order that no appearance changes.
    """

    canvas: Canvas
    looks: Looks
    rng: np.random.Generator
    x: float
    y: float
    focal: float
    height: float

    def u(self, low: float, high: float) -> float:
        """A uniform number of the geometry."""
        return between(self.rng, low, high)

    def project(self, X: float, Y: float, Z: float) -> tuple[float, float]:
        """The point of the frame where a point in metres appears."""
        return self.x + self.focal * X / Z, self.y + self.focal * (self.height - Y) / Z

    def scale(self, Z: float) -> float:
        """Frame heights per metre at distance Z."""
        return self.focal / Z

    def sharpness(self, Z: float) -> float:
        """Samples per metre at distance Z."""
        return self.canvas.n * self.focal / Z

    def polygon(self, points: Sequence[tuple[float, float, float]]) -> Shape:
        """A flat convex polygon with corners (X,Y,Z), all in front of the eye."""
        return self.canvas.polygon([self.project(*point) for point in points])

    def upright(self, X0: float, X1: float, Y0: float, Y1: float, Z: float) -> Shape:
        """A rectangle that faces the eye."""
        return self.polygon([(X0, Y0, Z), (X1, Y0, Z), (X1, Y1, Z), (X0, Y1, Z)])

    def tread(self, X0: float, X1: float, Y: float, Z0: float, Z1: float) -> Shape:
        """A level rectangle at height Y."""
        return self.polygon([(X0, Y, Z0), (X0, Y, Z1), (X1, Y, Z1), (X1, Y, Z0)])

    def block(self, X0: float, X1: float, Y0: float, Y1: float, Z: float, radius: float, bulge: float = 0.5) -> Shape:
        """An upright rectangle with round corners of `radius` metres and soft edges, see Canvas.block."""
        (left, top), (right, bottom) = self.project(X0, Y1, Z), self.project(X1, Y0, Z)
        return self.canvas.block(left, top, right, bottom, radius * self.scale(Z), bulge)

    def egg(self, X: float, Y: float, Z: float, rx: float, ry: float, tilt: float = 0.0, taper: float = 0.0) -> Shape:
        """An egg around (X,Y,Z) with radii in metres, see Canvas.egg."""
        k = self.scale(Z)
        return self.canvas.egg(self.project(X, Y, Z), (rx * k, ry * k), tilt, taper, 0.006)

    def rod(self, start: Sequence[float], end: Sequence[float], radius: float, end_radius: float | None = None) -> Shape:
        """A straight rod between two points (X,Y,Z), see Canvas.rod."""
        k, m = self.scale(start[2]), self.scale(end[2])
        return self.canvas.rod(self.project(*start), self.project(*end), radius * k, (end_radius or radius) * m)

    def box(self, X0: float, X1: float, Y0: float, Y1: float, Z0: float, Z1: float, colour: np.ndarray, label: int) -> Shape:
        """Paint a box of one colour, lit from above; returns its front."""
        if X0 > 0 or X1 < 0:
            X = X0 if X0 > 0 else X1
            self.paint(self.polygon([(X, Y0, Z0), (X, Y1, Z0), (X, Y1, Z1), (X, Y0, Z1)]), colour * SIDE, label)
        if self.height > Y1:
            self.paint(self.tread(X0, X1, Y1, Z0, Z1), colour * TOP, label)
        front = self.upright(X0, X1, Y0, Y1, Z0)
        self.paint(front, colour, label)
        return front

    def level(self, shape: Shape, Y: float = 0.0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """X, Z of the level plane at height Y, the ground, at every point of a shape, and samples per metre along Z."""
        drop = self.height - Y  # negative for a ceiling
        Z = self.focal * abs(drop) / np.maximum((shape.y - self.y) * np.sign(drop), 1e-3)  # (h,1)
        return (shape.x - self.x) * Z / self.focal, Z, self.canvas.n * self.focal * abs(drop) / (Z * Z)

    def side(self, shape: Shape, X: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Z, Y of the upright plane at X (parallel to the view) at every point of a shape, and samples per metre along Z."""
        Z = self.focal * abs(X) / np.maximum(np.abs(shape.x - self.x), 1e-3)  # (1,w)
        return Z, self.height - (shape.y - self.y) * Z / self.focal, self.canvas.n * self.focal * abs(X) / (Z * Z)

    def facing(self, shape: Shape, Z: float) -> tuple[np.ndarray, np.ndarray]:
        """X, Y of the upright plane at distance Z that faces the eye, at every point of a shape."""
        k = self.scale(Z)
        return (shape.x - self.x) / k, self.height - (shape.y - self.y) / k

    def paint(self, shape: Shape, colour: np.ndarray, label: int, light: float = 0.0) -> None:
        """As Canvas.paint, flat unless told otherwise."""
        if shape.distance.size:  # in the frame
            self.canvas.paint(shape, colour, label, light)


def main(look: np.ndarray) -> np.ndarray:
    """The main colour of factors (K,)."""
    return look[:3]


def second(look: np.ndarray) -> np.ndarray:
    """The second colour of factors (K,)."""
    return look[3:6]


def textured(look: np.ndarray, across: np.ndarray, along: np.ndarray, period: float, sharpness) -> np.ndarray:
    """The colour, (3,) or (h,w,3), that factors (K,) give a surface at its coordinates in metres."""
    kind = texture_of(look)
    if kind == "plain":
        return main(look)
    share = texture(kind, across, along, period, sharpness)[..., None]
    return main(look) + share * (second(look) - main(look))
