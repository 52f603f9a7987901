"""A small renderer for embedded data: shapes with signed distances, painted back to front on a supersampled canvas.

Lengths are shares of the frame (x to the right, y down, 0..1; x a little less, see STRETCH), so a picture does not
depend on its resolution.
Three shapes are enough for a figure: limbs (two bones with a radius along them), columns (a left and a right edge as
functions of y) and eggs. Each knows its signed distance, its surface normal and coordinates for a pattern.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

LIGHT = np.array([-0.48, -0.56, 0.675], np.float32)  # unit vector towards the light: upper left, in front
SHADE = np.array([0.60, 0.57, 0.66], np.float32)  # what is turned away keeps these shares of its colour: a cool shadow
GLOW = np.array([1.08, 1.06, 1.03], np.float32)  # what faces the light
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


def curve(at: np.ndarray, keys: Sequence[float], values: Sequence[float]) -> np.ndarray:
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
    t = np.clip((at - edge0) / (edge1 - edge0), 0, 1)
    return t * t * (3 - 2 * t)


def pattern(kind: str, across: np.ndarray, along: np.ndarray, period: float, sharpness: float) -> np.ndarray:
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
    t: np.ndarray | None = None  # limbs: 0 at the first joint, 1 at the second, 2 at the end

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

    def limb(self, radii: Sequence[float], keys: Sequence[float], start: float = -1, end: float = 3) -> Shape:
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


STRETCH = 1.25  # of the picture, sideways: sturdy figures, whose limbs are more than a pixel wide at 64x64


class Canvas:
    """Colours and labels at `samples` x `samples` points per pixel, painted back to front."""

    def __init__(self, size: int):
        self.size = size
        self.samples = max(2, -(-192 // size))
        self.n = size * self.samples
        grid = (np.arange(self.n, dtype=np.float32) + 0.5) / self.n
        self.x, self.y = 0.5 + (grid[None, :] - 0.5) / STRETCH, grid[:, None]
        self.rgb = np.ones((self.n, self.n, 3), np.float32)
        self.label = np.zeros((self.n, self.n), np.uint8)

    def _box(self, left: float, top: float, right: float, bottom: float, margin: float = 0.03):
        def span(a, b):
            lo, hi = int((a - margin) * self.n), int((b + margin) * self.n) + 2
            return slice(max(lo, 0), min(max(hi, 1), self.n))

        box = span(top, bottom), span(*(0.5 + (side - 0.5) * STRETCH for side in (left, right)))
        return box, self.x[:, box[1]], self.y[box[0]]

    def bones(self, joints: np.ndarray, reach: float) -> Bones:
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

    def column(self, keys: Sequence[float], left: Sequence[float], right: Sequence[float], sag: float = 0.0) -> Shape:
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

    def egg(self, centre, radii, tilt: float = 0.0, taper: float = 0.0) -> Shape:
        """An ellipse, rotated by `tilt` radians, whose width shrinks by the share `taper` towards its lower end."""
        (cx, cy), (rx, ry) = (map(float, pair) for pair in (centre, radii))
        reach = max(rx, ry)
        box, x, y = self._box(cx - reach, cy - reach, cx + reach, cy + reach)
        c, s = math.cos(tilt), math.sin(tilt)
        across, along = (x - cx) * c + (y - cy) * s, (y - cy) * c - (x - cx) * s
        v = along / ry
        width = rx * (1 - taper * smooth(-0.2, 1.1, v))
        u = across / width
        r = np.sqrt(u * u + v * v) + 1e-6
        distance = (r - 1) * r / np.sqrt((u / width) ** 2 + (v / ry) ** 2 + 1e-9)
        return Shape(box, x, y, distance.astype(np.float32), u * c - v * s, u * s + v * c, across, along)

    def paint(self, shape: Shape, colour: np.ndarray, label: int, light: float = 1.0, fade=None) -> None:
        """Paint `colour` ((3,) or (h,w,3), 0..1) over what is there, as a soft cylinder lit from LIGHT.

        `fade` (y0, y1) lets the paint run out between two heights where it lies on paint of its own label.
        """
        nz = np.sqrt(np.maximum(1 - shape.nx * shape.nx - shape.ny * shape.ny, 0))
        facing = 0.25 + 0.88 * (shape.nx * LIGHT[0] + shape.ny * LIGHT[1] + nz * LIGHT[2])
        lit = 1 + light * (SHADE + (GLOW - SHADE) * smooth(0, 1, facing)[..., None] - 1)
        alpha = np.clip(0.5 - shape.distance * self.n, 0, 1)
        if fade:
            alpha = np.where(self.label[shape.box] == label, alpha * smooth(fade[1], fade[0], shape.y), alpha)
        region = self.rgb[shape.box]
        region += alpha[..., None] * (np.asarray(colour, np.float32) * lit - region)
        self.label[shape.box][shape.distance < 0] = label

    def contact(self, shape: Shape, strength: float | np.ndarray, reach: float = 0.012) -> None:
        """The soft shadow that `shape`, about to be painted, throws down and right on the figure (not on label 0)."""
        shift = round(0.008 * self.n), round(0.006 * self.n)
        away = np.maximum(np.roll(shape.distance, shift, (0, 1)), 0) / np.float32(reach)
        fall = strength * np.exp(-away * away) * (self.label[shape.box] > 0)
        self.rgb[shape.box] *= 1 - fall[..., None] * (1.6 - SHADE)

    def _samples(self, values: np.ndarray) -> list[np.ndarray]:
        """The s*s samples of every pixel, as s*s arrays of the picture's size."""
        s = self.samples
        return [values[i::s, j::s] for i in range(s) for j in range(s)]

    def image(self) -> np.ndarray:
        """uint8 (size,size,3): the mean of each pixel's samples."""
        mean = sum(self._samples(self.rgb)) / self.samples**2
        return (mean.clip(0, 1) * 255 + 0.5).astype(np.uint8)

    def label_map(self, n_classes: int) -> np.ndarray:
        """uint8 (size,size): the class of most of each pixel's samples (of equals, the one with the lower number)."""
        samples = self._samples(self.label)
        votes = [sum((sample == c).view(np.uint8) for sample in samples) for c in range(n_classes)]
        return np.argmax(votes, 0).astype(np.uint8)
