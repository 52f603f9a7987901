"""Beds and seats."""

import numpy as np

from ..perspective import TOP, textured
from ..texture import noise
from .pieces import DARK, Piece, Room, crate, fill, footprint, legs, plain


def bed(s: Room, X: float) -> Piece:
    w, high, made, n = s.u(1.35, 1.75), s.u(0.85, 1.1), s.rng.random() < 0.85, 1 + (s.rng.random() < 0.7)
    Z0, Z1, top, fold = s.back - 1.9, s.back - 0.05, s.u(0.42, 0.52), s.u(0.5, 0.8)

    def paint() -> None:
        L, R = X - w / 2, X + w / 2
        footprint(s, L, R, Z0, Z1)
        head = s.block(L - 0.05, R + 0.05, 0.1, high, Z1, 0.12, 0.25)
        fill(s, head, "bed", Z1, period=0.16, light=0.8)
        s.box(L, R, 0.1, top - 0.1, Z0, Z1, s.look("bed")[:3], s.label["bed"])
        s.box(L + 0.02, R - 0.02, top - 0.2, top, Z0 + 0.03, Z1, s.look("bed")[3:6] * 0.15 + 0.8, s.label["bed"])
        for k in range(n):
            x, half = X + (k - (n - 1) / 2) * w * 0.46, w * (0.2 if n > 1 else 0.27)
            pillow = s.block(x - half, x + half, top - 0.02, top + 0.3, Z1 - 0.25, 0.1, 0.9)
            fill(s, pillow, "pillow", Z1 - 0.25, period=0.13, light=1.0)
        if made:
            cover(s, L - 0.03, R + 0.03, top + 0.02, Z0 - 0.02, Z1 - fold)

    return Piece(Z0, ("bed", "pillow", *(["blanket"] if made else [])), paint)


def cover(s: Room, L: float, R: float, top: float, Z0: float, Z1: float) -> None:
    """A blanket over a bed: its top, its fall at the foot, and a turned-down edge."""
    upper = s.tread(L, R, top, Z0, Z1)
    x, z, sharp = s.level(upper, top)
    look, c = s.look("blanket"), s.label["blanket"]
    folds = 1.03 + 0.10 * (noise(x * 2.5 + 7, z * 2.5) - 0.5)
    s.paint(upper, textured(look, x, z + 0 * x, 0.24, sharp) * folds[..., None], c)
    fall = s.upright(L, R, 0.14, top, Z0)
    x, y = s.facing(fall, Z0)
    waves = 0.86 + 0.07 * np.sin(19 * x + 3 * noise(x * 3, y * 2))
    s.paint(fall, textured(look, x, y + 0 * x, 0.24, s.sharpness(Z0)) * waves[..., None], c)
    edge = s.tread(L, R, top, Z1 - 0.16, Z1)
    s.paint(edge, look[3:6] * np.float32(1.05), c)


def _seat(s: Room, name: str, X: float, w: float, Z: float, cushions: int) -> Piece:
    depth, high, arm, seat = 0.85, s.u(0.76, 0.9), s.u(0.13, 0.2), s.u(0.38, 0.44)
    feet, tilt = s.u(0.05, 0.14), s.u(-0.2, 0.2)

    def paint() -> None:
        L, R, rear = X - w / 2, X + w / 2, Z + depth
        footprint(s, L, R, Z, rear, 0.6)
        for x in (L + 0.1, R - 0.1):
            s.paint(s.rod((x, 0, Z + 0.05), (x, feet + 0.05, Z + 0.05), 0.03), DARK * 2, s.label[name], 0.8)
        fill(s, s.block(L + 0.04, R - 0.04, 0.3, high, rear - 0.15, 0.12, 0.35), name, rear - 0.15, light=1.0, shade=0.94)
        s.box(L + arm, R - arm, feet, seat - 0.1, Z + 0.06, rear - 0.2, s.look(name)[:3] * 0.9, s.label[name])
        parts = max(1, round((w - 2 * arm) / 0.75))
        for k in range(parts):  # the upholstery of the seat
            x0, x1 = (L + arm + (w - 2 * arm) * (k + t) / parts for t in (0.01, 0.99))
            top = s.tread(x0, x1, seat, Z + 0.05, rear - 0.25)
            x, z, sharp = s.level(top, seat)
            s.paint(top, textured(s.look(name), x, z + 0 * x, 0.26, sharp) * TOP, s.label[name])
            fill(s, s.block(x0, x1, seat - 0.17, seat + 0.01, Z + 0.04, 0.06, 0.6), name, Z + 0.04, light=1.0)
        for k in range(cushions):
            x = X + (k - (cushions - 1) / 2) * (w - 2 * arm) * 0.62
            pad = s.canvas.block(*_corners(s, x, seat + 0.19, 0.2, rear - 0.4), 0.08 * s.scale(rear - 0.4), 0.9)
            fill(s, pad, "cushion", rear - 0.4, period=0.12 + 0.02 * tilt, light=1.0)
        for x in (L + arm / 2, R - arm / 2):
            crate(s, name, x, arm, feet, seat + 0.16, Z, rear - 0.1, 0.26)
            fill(s, s.block(x - arm / 2, x + arm / 2, feet, seat + 0.2, Z, 0.07, 0.7), name, Z, light=1.0)

    return Piece(Z, (name, *(["cushion"] if cushions else [])), paint)


def _corners(s: Room, X: float, Y: float, r: float, Z: float) -> tuple[float, float, float, float]:
    (left, top), (right, bottom) = s.project(X - r, Y + r, Z), s.project(X + r, Y - r, Z)
    return left, top, right, bottom


def sofa(s: Room, X: float) -> Piece:
    return _seat(s, "sofa", X, s.u(1.7, 2.1), s.back - 0.95, 2 if s.rng.random() < 0.7 else 0)


def armchair(s: Room, X: float, Z: float | None = None) -> Piece:
    return _seat(s, "armchair", X, s.u(0.8, 0.92), (Z or s.back - 0.95), 1 if s.rng.random() < 0.3 else 0)


def chair(s: Room, X: float, Z: float, away: bool) -> Piece:
    """A chair seen from the front, or from behind when it looks `away`."""
    high, bars = s.u(0.85, 0.98), s.rng.random() < 0.5

    def back(at: float) -> None:
        for x in (X - 0.19, X + 0.19):
            plain(s, s.rod((x, 0.42, at), (x, high, at), 0.024), "chair", shade=0.9, light=0.8)
        if bars:
            for y in (0.62, 0.76, high - 0.04):
                plain(s, s.rod((X - 0.19, y, at), (X + 0.19, y, at), 0.032), "chair", light=0.8)
        else:
            fill(s, s.block(X - 0.21, X + 0.21, 0.56, high, at, 0.08, 0.3), "chair", at, period=0.12, light=0.7)

    def paint() -> None:
        footprint(s, X - 0.2, X + 0.2, Z, Z + 0.4, 0.35)
        if not away:
            back(Z + 0.4)
        legs(s, "chair", X, 0.38, 0.42, Z, Z + 0.4, 0.024)
        s.box(X - 0.21, X + 0.21, 0.41, 0.46, Z, Z + 0.41, s.look("chair")[:3], s.label["chair"])
        if away:
            back(Z)

    return Piece(Z, ("chair",), paint)


def stool(s: Room, X: float, Z: float) -> Piece:
    high, r = s.u(0.42, 0.6), s.u(0.16, 0.2)

    def paint() -> None:
        footprint(s, X - r, X + r, Z, Z + 2 * r, 0.4)
        for dx, dz in ((-0.8, 1.6), (0.8, 1.6), (-1, 0.2), (1, 0.2)):
            plain(s, s.rod((X + dx * r, 0, Z + dz * r), (X + 0.6 * dx * r, high, Z + r), 0.022), "stool", part=1, light=0.8)
        plain(s, s.egg(X, high - 0.02, Z + r, r * 1.05, 0.075), "stool", shade=0.75)
        plain(s, s.egg(X, high + 0.015, Z + r, r * 1.05, 0.065), "stool", shade=1.06)

    return Piece(Z, ("stool",), paint)


def pouf(s: Room, X: float, Z: float) -> Piece:
    r, high = s.u(0.24, 0.32), s.u(0.34, 0.42)

    def paint() -> None:
        footprint(s, X - r, X + r, Z, Z + 2 * r, 0.55)
        fill(s, s.block(X - r, X + r, 0.0, high, Z + r, 0.16, 0.95), "pouf", Z + r, period=0.16, light=1.0)
        plain(s, s.egg(X, high - 0.07, Z + r, 0.8 * r, 0.06), "pouf", shade=1.1)

    return Piece(Z, ("pouf",), paint)
