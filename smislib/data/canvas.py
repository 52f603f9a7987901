"""A small renderer for embedded data: shapes with signed distances, painted back to front on a supersampled canvas.

Lengths are shares of the frame's height (x to the right, y down), so a picture does not depend on its resolution.
Three shapes are enough for a figure: limbs (two bones with a radius along them), columns (a left and a right edge as
functions of y) and eggs. Scenes also need polygons, blocks (rectangles with round, soft edges) and rods. Each knows its
signed distance, its surface normal and coordinates for a pattern.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

LIGHT = np.array([-0.48, -0.56, 0.675], np.float32)  # unit vector towards the light: upper left, in front
SHADE = np.array([0.60, 0.57, 0.66], np.float32)  # what is turned away keeps these shares of its colour: a cool shadow
GLOW = np.array([1.08, 1.06, 1.03], np.float32)  # what faces the light
Edge = Sequence[float] | np.ndarray  # of numbers that can be indexed
PATTERNS = ("plain", "horizontal", "vertical", "dots", "checks")


def oklch(lightness: float, chroma: float, hue: float) -> np.ndarray:
    """sRGB (3,) in 0..1 of an OKLCH colour (hue in turns); chroma shrinks until the colour exists in sRGB.

    Source: Ottosson, "A perceptual color space for image processing" (2020).
    """
    while True:
        a, b = chroma * np.cos(2 * np.pi * hue), chroma * np.sin(2 * np.pi * hue)
        lms = np.array([0.3963377774 * a + 0.2158037573 * b, -0.1055613458 * a - 0.0638541728 * b,
                        -0.0894841775 * a - 1.2914855480 * b]) + lightness  # fmt: skip
        linear = np.array([[4.0767416621, -3.3077115913, 0.2309699292], [-1.2684380046, 2.6097574011, -0.3413193965],
                           [-0.0041960863, -0.7034186147, 1.7076147010]]) @ lms**3  # fmt: skip
        if chroma < 1e-3 or (linear.min() >= 0 and linear.max() <= 1):
            linear = linear.clip(0, 1)
            return np.where(linear < 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
        chroma *= 0.95


def curve(at: np.ndarray, keys: Edge, values: Edge) -> np.ndarray:
    """A smooth curve through (keys, values) with finite-difference tangents (cubic Hermite), constant outside."""
    keys, values = np.asarray(keys, np.float32), np.asarray(values, np.float32)
    at = np.clip(at, keys[0], keys[-1])
    steps = np.diff(keys)
    secant = np.diff(values) / steps
    inner = (secant[:-1] * steps[1:] + secant[1:] * steps[:-1]) / (steps[1:] + steps[:-1])
    slope = np.concatenate([secant[:1], inner, secant[-1:]])
    i = np.clip(np.searchsorted(keys, at, side="right") - 1, 0, len(keys) - 2)
    h = steps[i]
    t = (at - keys[i]) / h
    rise = values[i + 1] - values[i]
    return values[i] + t * (h * slope[i] + t * (3 * rise - h * (2 * slope[i] + slope[i + 1])
                                                + t * (h * (slope[i] + slope[i + 1]) - 2 * rise)))  # fmt: skip


def smooth(edge0: float, edge1: float, at: np.ndarray) -> np.ndarray:
    """Smoothstep: 0 below edge0, 1 above edge1 (or the reverse)."""
    t = np.minimum(np.maximum((at - edge0) / (edge1 - edge0), 0), 1)  # quicker than np.clip
    return t * t * (3 - 2 * t)


def pattern(kind: str, across: np.ndarray, along: np.ndarray, period: float, sharpness: np.ndarray | float) -> np.ndarray:
    """Share 0..1 of the second colour at pattern coordinates in frame units; edges are 1/sharpness wide."""

    def band(at):
        return np.clip((0.25 - np.abs(at / period % 1 - 0.5)) * period * sharpness + 0.5, 0, 1)

    if kind == "horizontal":
        return band(along) + 0 * across
    if kind == "vertical":
        return band(across) + 0 * along
    if kind == "checks":  # gingham: where two bands cross the second colour is full
        return 0.5 * (band(across) + band(along))
    if kind == "dots":  # every other row is shifted by half a period
        row = np.floor(along / period)
        dx = (across / period + 0.5 * (row % 2)) % 1 - 0.5
        dy = along / period - row - 0.5
        return np.clip((0.31 - np.hypot(dx, dy)) * period * sharpness + 0.5, 0, 1)
    return np.zeros(np.broadcast_shapes(np.shape(across), np.shape(along)), np.float32)


@dataclass
class Shape:
    """A shape on the part `box` of the canvas; the arrays have the box's size (h,w)."""

    box: tuple[slice, slice]
    x: np.ndarray  # (1,w)
    y: np.ndarray  # (h,1)
    distance: np.ndarray  # signed, in frame units, negative inside
    nx: np.ndarray  # surface normal, x and y
    ny: np.ndarray
    across: np.ndarray  # pattern coordinates in frame units
    along: np.ndarray
    t: np.ndarray | Any = None  # of limbs alone: 0 at the first joint, 1 at the second, 2 at the end

    def cut(self, outside: np.ndarray) -> None:
        """Keep what is also inside another shape, given by its signed distance (frame units)."""
        self.distance = np.maximum(self.distance, outside.astype(np.float32))


@dataclass
class Bones:
    """Two bones seen from every point of a box: the nearest point on them is `t` along, `dx`, `dy` away."""

    box: tuple[slice, slice]
    x: np.ndarray
    y: np.ndarray
    dx: np.ndarray
    dy: np.ndarray
    t: np.ndarray
    side: np.ndarray  # signed distance across the bone
    lengths: tuple[float, float]

    def limb(self, radii: Edge, keys: Edge, start: float = -1, end: float = 3) -> Shape:
        """The bones with flesh: `radii` at `keys` along them (0, 1, 2 are the joints), cut off at `start` and `end`."""
        steps = curve(np.linspace(0, 2, 257), keys, radii).astype(np.float32)
        radius = steps[(self.t * 128 + 0.5).astype(np.intp)]
        distance = np.sqrt(self.dx * self.dx + self.dy * self.dy) - radius
        first, second = self.lengths
        along = np.minimum(self.t, 1) * first + np.maximum(self.t - 1, 0) * second
        nx, ny = self.dx / radius, self.dy / radius
        shape = Shape(self.box, self.x, self.y, distance, nx, ny, self.side, along, self.t)
        if start > 0:
            shape.cut((start - self.t) * (first if start < 1 else second))
        if end < 2:
            shape.cut((self.t - end) * (first if end < 1 else second))
        return shape


class Canvas:
    """Colours and ids at `samples` x `samples` points per pixel, painted back to front.

    An id below `n_classes` is a class; further ones are instances, see `instance`. `stretch` widens what is drawn about
    the middle of the frame. There are at least two samples per pixel and `fineness` along the height.
    """

    def __init__(self, height: int, width: int, n_classes: int, *, fineness: int = 192, stretch: float = 1.0):
        self.samples = max(2, -(-fineness // height))
        self.n = height * self.samples  # samples along the height: the unit of length
        self.aspect, self.stretch = width / height, stretch
        x, y = ((np.arange(size * self.samples, dtype=np.float32) + 0.5) / self.n for size in (width, height))
        self.x, self.y = self.aspect / 2 + (x[None, :] - self.aspect / 2) / stretch, y[:, None]
        self.rgb = np.ones((y.size, x.size, 3), np.float32)
        self.ids = np.zeros((y.size, x.size), np.uint8)
        self.n_classes, self.owners = n_classes, list(range(n_classes))  # and the class of each id

    def instance(self, label: int) -> int:
        """A new id, of one more instance of class `label`."""
        self.owners.append(label)
        return len(self.owners) - 1

    def _box(self, left: float, top: float, right: float, bottom: float, margin: float = 0.03):
        def span(a, b, size):
            lo, hi = int((a - margin) * self.n), int((b + margin) * self.n) + 2
            return slice(min(max(lo, 0), size), min(max(hi, 1), size))

        middle, (rows, columns) = self.aspect / 2, self.ids.shape
        across = (middle + (side - middle) * self.stretch for side in (left, right))
        box = span(top, bottom, rows), span(*across, columns)
        return box, self.x[:, box[1]], self.y[box[0]]

    def bones(self, joints: ArrayLike, reach: float) -> Bones:
        """Two bones through `joints` (3,2), on a box for limbs of radius up to `reach`."""
        joints = np.asarray(joints, np.float32)
        box, x, y = self._box(*(joints.min(0) - reach), *(joints.max(0) + reach))
        lengths, halves = [], []
        for i, (a, b) in enumerate(pairwise(joints)):
            bone = b - a
            length = np.float32(np.hypot(*bone))
            px, py = x - a[0], y - a[1]
            t = np.clip(px * (bone[0] / length**2) + py * (bone[1] / length**2), 0, 1)
            dx, dy = px - t * bone[0], py - t * bone[1]
            halves.append((dx, dy, t + np.float32(i), dx * (bone[1] / length) - dy * (bone[0] / length)))
            lengths.append(float(length))
        (dx, dy, *_), (ex, ey, *_) = halves
        nearer = dx * dx + dy * dy < ex * ex + ey * ey
        dx, dy, t, side = (np.where(nearer, p, q) for p, q in zip(*halves, strict=True))
        return Bones(box, x, y, dx, dy, t, side, tuple(lengths))

    def column(self, keys: Edge, left: Edge, right: Edge, sag: float = 0.0) -> Shape:
        """Between the smooth edges `left` and `right`, given at heights `keys`; its hem hangs by `sag` mid-way."""
        box, x, y = self._box(min(left), keys[0], max(right), keys[-1] + max(sag, 0))
        lo, hi = curve(y, keys, left), curve(y, keys, right)
        middle, half = (lo + hi) / 2, np.maximum((hi - lo) / 2, 1e-4)
        u = (x - middle) / half
        slope = np.gradient(half[:, 0], 1 / self.n)[:, None]
        drift = np.gradient(middle[:, 0], 1 / self.n)[:, None]
        side = (np.abs(u) - 1) * half / np.sqrt(1 + (slope + np.sign(u) * drift) ** 2)
        hang = sag * (1 - np.clip(u, -1, 1) ** 2)
        distance = np.maximum(side, np.maximum(keys[0] - y, y - keys[-1] - hang))
        nx = np.clip(u, -1, 1) * 0.95
        return Shape(box, x, y, distance, nx, -0.35 * slope * np.abs(nx), x - middle, y - 0.5 * hang)

    def egg(self, centre, radii, tilt: float = 0.0, taper: float = 0.0, margin: float = 0.03) -> Shape:
        """An ellipse, rotated by `tilt` radians, whose width shrinks by the share `taper` towards its lower end."""
        (cx, cy), (rx, ry) = (map(float, pair) for pair in (centre, radii))
        reach = max(rx, ry)
        box, x, y = self._box(cx - reach, cy - reach, cx + reach, cy + reach, margin)
        c, s = math.cos(tilt), math.sin(tilt)
        across, along = (x - cx) * c + (y - cy) * s, (y - cy) * c - (x - cx) * s
        v = along / ry
        width = rx * (1 - taper * smooth(-0.2, 1.1, v)) if taper else rx
        u = across / width
        r = np.sqrt(u * u + v * v) + 1e-6
        distance = (r - 1) * r / np.sqrt((u / width) ** 2 + (v / ry) ** 2 + 1e-9)
        return Shape(box, x, y, distance.astype(np.float32), u * c - v * s, u * s + v * c, across, along)

    def polygon(self, points: Sequence[tuple[float, float]], margin: float = 0.006) -> Shape:
        """A flat convex polygon with corners (x,y) in either order; its pattern coordinates are those of the frame."""
        xs, ys = zip(*points, strict=True)
        box, x, y = self._box(min(xs), min(ys), max(xs), max(ys), margin)
        edges = [(*a, b[0] - a[0], b[1] - a[1]) for a, b in zip(points, [*points[1:], points[0]], strict=True)]
        turn = math.copysign(1, sum(ax * dy - ay * dx for ax, ay, dx, dy in edges))
        distance = np.full((y.size, x.size), -np.inf, np.float32)
        for ax, ay, dx, dy in edges:
            k = turn / max(math.hypot(dx, dy), 1e-9)
            np.maximum(distance, (x - ax) * (k * dy) - (y - ay) * (k * dx), out=distance)
        flat = np.zeros((1, 1), np.float32)
        return Shape(box, x, y, distance, flat, flat, x, y)

    def block(self, left: float, top: float, right: float, bottom: float, radius: float, bulge: float = 0.5) -> Shape:
        """A rectangle with round corners that turns away from the eye over the share `bulge` of its half-widths."""
        box, x, y = self._box(left, top, right, bottom, 0.006)
        cx, cy, rx, ry = (left + right) / 2, (top + bottom) / 2, (right - left) / 2, (bottom - top) / 2
        radius = min(radius, rx, ry)
        dx, dy = np.abs(x - cx) - (rx - radius), np.abs(y - cy) - (ry - radius)
        distance = np.hypot(np.maximum(dx, 0), np.maximum(dy, 0)) + np.minimum(np.maximum(dx, dy), 0) - np.float32(radius)
        u, v = (x - cx) / rx, (y - cy) / ry
        nx, ny = (0.68 * np.sign(w) * smooth(1 - bulge, 1.05, np.abs(w)) for w in (u, v))
        return Shape(box, x, y, distance, nx, ny, x - cx + 0 * y, y - cy + 0 * x)

    def rod(self, start, end, radius: float, end_radius: float | None = None) -> Shape:
        """A straight rod with round ends between two points (x,y); its radius may change along it."""
        a, b = np.asarray(start, np.float32), np.asarray(end, np.float32)
        end_radius = radius if end_radius is None else end_radius
        reach = max(radius, end_radius)
        box, x, y = self._box(*(np.minimum(a, b) - reach), *(np.maximum(a, b) + reach), 0.006)
        (ex, ey), px, py = b - a, x - a[0], y - a[1]
        t = np.clip((px * ex + py * ey) / max(float(ex * ex + ey * ey), 1e-12), 0, 1)
        dx, dy = px - t * ex, py - t * ey
        r = np.float32(radius) + t * np.float32(end_radius - radius)
        length = max(float(np.hypot(ex, ey)), 1e-6)
        distance = np.sqrt(dx * dx + dy * dy) - r
        return Shape(box, x, y, distance, dx / r, dy / r, (px * ey - py * ex) / length, t * length)

    def paint(self, shape: Shape, colour: np.ndarray, label: int, light: float = 1.0, fade=None) -> None:
        """Paint `colour` ((3,) or (h,w,3), 0..1) over what is there, as a soft cylinder lit from LIGHT; light 0: as it is.

        `label` is a class or an instance's id. `fade` (y0, y1) lets the paint run out between two heights where it lies on
        paint of its own label.
        """
        lit = np.float32(1)
        if light:
            nz = np.sqrt(np.maximum(1 - shape.nx * shape.nx - shape.ny * shape.ny, 0))
            facing = 0.25 + 0.88 * (shape.nx * LIGHT[0] + shape.ny * LIGHT[1] + nz * LIGHT[2])
            lit = 1 + light * (SHADE + (GLOW - SHADE) * smooth(0, 1, facing)[..., None] - 1)
        alpha = np.minimum(np.maximum(0.5 - shape.distance * self.n, 0), 1)
        if fade:
            alpha = np.where(self.ids[shape.box] == label, alpha * smooth(fade[1], fade[0], shape.y), alpha)
        region = self.rgb[shape.box]
        region += alpha[..., None] * (np.asarray(colour, np.float32) * lit - region)
        self.ids[shape.box][shape.distance < 0] = label

    def contact(self, shape: Shape, strength: float | np.ndarray, reach: float = 0.012) -> None:
        """The soft shadow that `shape`, about to be painted, throws down and right on what is there (not on class 0)."""
        shift = round(0.008 * self.n), round(0.006 * self.n)
        away = np.maximum(np.roll(shape.distance, shift, (0, 1)), 0) / np.float32(reach)
        fall = strength * np.exp(-away * away) * (self.ids[shape.box] > 0)
        self.rgb[shape.box] *= 1 - fall[..., None] * (1.6 - SHADE)

    def shadow(self, shape: Shape, strength: float, blur: float) -> None:
        """Darken what lies under `shape` (not class 0), with edges `blur` wide."""
        fall = strength * smooth(blur / 2, -blur / 2, shape.distance) * (self.ids[shape.box] > 0)
        self.rgb[shape.box] *= 1 - fall[..., None] * (1.6 - SHADE)

    def _samples(self, values: np.ndarray) -> list[np.ndarray]:
        """The s*s samples of every pixel, as s*s arrays of the picture's size."""
        s = self.samples
        return [values[i::s, j::s] for i in range(s) for j in range(s)]

    def image(self) -> np.ndarray:
        """uint8 (H,W,3): the mean of each pixel's samples."""
        mean = sum(self._samples(self.rgb)) / self.samples**2
        return (mean.clip(0, 1) * 255 + 0.5).astype(np.uint8)  # ty: ignore[missing-union-attribute]

    def maps(self) -> tuple[np.ndarray, np.ndarray]:
        """uint8 (H,W) `label_map` and uint16 (H,W) `instance_map` of the id that most of each pixel's samples have (of
        equals, the lowest).

        An instance is numbered as Cityscapes does: 1000 * class + its place among those of its class; the rest is its class.
        """
        present, samples, C = np.unique(self.ids), self._samples(self.ids), self.n_classes
        ids = present[np.argmax([sum((sample == i).view(np.uint8) for sample in samples) for i in present], 0)]
        numbers = [c if i < C else 1000 * c + self.owners[C:i].count(c) for i, c in enumerate(self.owners)]
        return np.array(self.owners, np.uint8)[ids], np.array(numbers, np.uint16)[ids]
