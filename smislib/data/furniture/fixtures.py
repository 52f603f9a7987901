"""Hearth, screen and piano; kitchen and bath."""

import numpy as np

from ..texture import window
from .ornaments import vase
from .pieces import DARK, WHITE, Piece, Room, crate, fill, footprint, groove, plain

FLAMES = (
    (-0.1, 0.30, (0.85, 0.32, 0.08)),
    (0.12, 0.34, (0.92, 0.42, 0.10)),
    (0.0, 0.26, (0.99, 0.80, 0.30)),
)  # X, height, colour


def fireplace(s: Room, X: float) -> Piece:
    w, high, Z, burns = s.u(1.25, 1.5), s.u(1.02, 1.12), s.back - 0.32, s.rng.random() < 0.7

    def paint() -> None:
        footprint(s, X - w / 2, X + w / 2, Z, s.back)
        crate(s, "fireplace", X, w, 0, high - 0.08, Z, s.back, 0.11)
        c = s.label["fireplace"]
        s.paint(s.block(X - 0.34, X + 0.34, 0.06, 0.72, Z, 0.2, 0.1), DARK * 0.8, c)
        if burns:
            for dx, tall, tone in FLAMES:
                s.paint(s.egg(X + dx, 0.06 + tall / 2, Z, 0.10, tall / 2, 0.0, -0.5), np.array(tone, np.float32), c)
        s.paint(s.rod((X - 0.22, 0.1, Z), (X + 0.22, 0.1, Z), 0.05), np.array([0.3, 0.2, 0.14], np.float32), c, 0.8)
        s.box(X - w / 2 - 0.07, X + w / 2 + 0.07, high - 0.09, high, Z - 0.08, s.back, s.look("fireplace")[3:6], c)

    return Piece(Z, ("fireplace",), paint)


def television(s: Room, X: float) -> Piece:
    w, Z = s.u(1.2, 1.5), s.back - 0.42
    wide = s.u(1.0, 1.25)

    def paint() -> None:
        footprint(s, X - w / 2, X + w / 2, Z, s.back)
        crate(s, "cabinet", X, w, 0.06, 0.5, Z, s.back)
        for k in (-1, 1):
            groove(s, "cabinet", *sorted((X + k * 0.02, X + k * (w / 2 - 0.03))), 0.1, 0.46, Z)
        at, c = Z + 0.2, s.label["television"]
        s.paint(s.upright(X - 0.2, X + 0.2, 0.5, 0.56, at), DARK, c)
        s.paint(s.block(X - wide / 2, X + wide / 2, 0.56, 0.58 + 0.58 * wide, at, 0.03, 0.05), DARK, c)
        fill(s, s.upright(X - wide / 2 + 0.035, X + wide / 2 - 0.035, 0.6, 0.545 + 0.58 * wide, at), "television", at, period=0.3)

    return Piece(Z, ("television", "cabinet"), paint)


def piano(s: Room, X: float) -> Piece:
    w, Z = s.u(1.25, 1.45), s.back - 0.4

    def paint() -> None:
        footprint(s, X - w / 2, X + w / 2, Z - 0.25, s.back)
        crate(s, "piano", X, w, 0.05, 1.2, Z, s.back)
        groove(s, "piano", X - 0.42 * w, X + 0.42 * w, 0.8, 1.12, Z)
        groove(s, "piano", X - 0.42 * w, X + 0.42 * w, 0.12, 0.52, Z)
        c = s.label["piano"]
        s.box(X - w / 2, X + w / 2, 0.58, 0.66, Z - 0.26, Z, s.look("piano")[:3], c)
        keys = s.tread(X - 0.45 * w, X + 0.45 * w, 0.665, Z - 0.24, Z - 0.02)
        x, z, _ = s.level(keys, 0.665)
        black = window((x / 0.09) % 1, 0.3, 0.7, 0.09 * s.sharpness(Z)) * (z > Z - 0.15)
        s.paint(keys, WHITE - 0.8 * black[..., None], c)
        for x in (X - 0.47 * w, X + 0.47 * w):
            plain(s, s.rod((x, 0, Z - 0.2), (x, 0.6, Z - 0.2), 0.035), "piano", shade=0.85, light=0.8)

    return Piece(Z - 0.26, ("piano",), paint)


def counter(s: Room, X: float) -> Piece:
    w, Z, doors = s.u(1.5, 1.8), s.back - 0.6, 3
    ornament = vase(s, X + s.u(-0.6, 0.6), 0.92, Z + 0.3)
    cooker = s.rng.random() < 0.5

    def paint() -> None:
        footprint(s, X - w / 2, X + w / 2, Z, s.back)
        crate(s, "counter", X, w, 0.0, 0.87, Z, s.back)
        for k in range(doors):
            x0, x1 = (X - w / 2 + w * (k + t) / doors for t in (0.04, 0.96))
            groove(s, "counter", x0, x1, 0.1, 0.82, Z)
            s.paint(s.rod((x1 - 0.06, 0.6, Z), (x1 - 0.06, 0.74, Z), 0.014), DARK * 3, s.label["counter"])
        s.box(X - w / 2 - 0.03, X + w / 2 + 0.03, 0.87, 0.92, Z - 0.03, s.back, s.look("counter")[3:6], s.label["counter"])
        if cooker:
            _stove(s, X + w / 2 - 0.34, 0.58, Z - 0.02)
        ornament.paint()

    return Piece(Z, ("counter", *ornament.classes, *(["stove"] if cooker else [])), paint)


def _stove(s: Room, X: float, w: float, Z: float) -> None:
    crate(s, "stove", X, w, 0.0, 0.93, Z, s.back)
    c = s.label["stove"]
    s.paint(s.block(X - 0.36 * w, X + 0.36 * w, 0.2, 0.62, Z, 0.03, 0.1), DARK, c)
    s.paint(s.rod((X - 0.36 * w, 0.68, Z), (X + 0.36 * w, 0.68, Z), 0.016), DARK * 4, c)
    for k in range(4):
        plain(s, s.egg(X + (k - 1.5) * 0.2 * w, 0.81, Z, 0.03, 0.03), "stove", part=1)
    for dx in (-0.22, 0.22):
        for dz in (0.16, 0.42):
            s.paint(s.egg(X + dx * w, 0.935, Z + dz, 0.085, 0.02), DARK, c)


def stove(s: Room, X: float) -> Piece:
    w = s.u(0.58, 0.68)

    def paint() -> None:
        footprint(s, X - w / 2, X + w / 2, s.back - 0.6, s.back)
        _stove(s, X, w, s.back - 0.6)

    return Piece(s.back - 0.6, ("stove",), paint)


def refrigerator(s: Room, X: float) -> Piece:
    w, high, Z, split = s.u(0.65, 0.8), s.u(1.65, 1.9), s.back - 0.65, s.u(0.6, 0.72)

    def paint() -> None:
        footprint(s, X - w / 2, X + w / 2, Z, s.back)
        s.box(X - w / 2, X + w / 2, 0.04, high, Z, s.back, s.look("refrigerator")[:3], s.label["refrigerator"])
        for y0, y1 in ((0.05, split * high), (split * high + 0.02, high)):
            plain(s, s.block(X - w / 2, X + w / 2, y0, y1, Z, 0.05, 0.12), "refrigerator", light=0.8)
            plain(s, s.rod((X - 0.38 * w, y0 + 0.12, Z), (X - 0.38 * w, y1 - 0.12, Z), 0.018), "refrigerator", part=1)

    return Piece(Z, ("refrigerator",), paint)


def bathtub(s: Room, X: float) -> Piece:
    w, Z = s.u(1.5, 1.75), s.back - 0.8

    def paint() -> None:
        footprint(s, X - w / 2, X + w / 2, Z, s.back)
        L, R = X - w / 2, X + w / 2
        plain(s, s.tread(L, R, 0.56, Z, s.back - 0.05), "bathtub", shade=1.08)
        water = s.tread(L + 0.14, R - 0.14, 0.56, Z + 0.12, s.back - 0.2)
        s.paint(water, s.look("bathtub")[:3] * 0.55 + np.array([0.12, 0.3, 0.36], np.float32), s.label["bathtub"])
        plain(s, s.block(L, R, 0.02, 0.53, Z, 0.16, 0.35), "bathtub", light=1.0)
        plain(s, s.block(L - 0.03, R + 0.03, 0.5, 0.57, Z, 0.035, 0.8), "bathtub", part=1, light=0.8)
        s.paint(s.rod((R - 0.3, 0.56, s.back - 0.1), (R - 0.3, 0.82, s.back - 0.1), 0.02), WHITE * 0.75, s.label["bathtub"], 0.9)

    return Piece(Z, ("bathtub",), paint)


def washbasin(s: Room, X: float) -> Piece:
    r, Z = s.u(0.28, 0.36), s.back - 0.4

    def paint() -> None:
        footprint(s, X - 0.12, X + 0.12, Z + 0.05, s.back, 0.4)
        plain(s, s.rod((X, 0, Z + 0.15), (X, 0.7, Z + 0.15), 0.11, 0.09), "washbasin", light=0.9)
        plain(s, s.block(X - r, X + r, 0.64, 0.86, Z, 0.11, 0.7), "washbasin", light=1.0)
        plain(s, s.egg(X, 0.86, Z + 0.16, r, 0.055), "washbasin", part=1, shade=0.85)
        s.paint(s.rod((X, 0.86, Z + 0.3), (X, 1.02, Z + 0.3), 0.022), WHITE * 0.75, s.label["washbasin"], 0.9)
        s.paint(s.rod((X, 1.02, Z + 0.3), (X, 0.99, Z + 0.16), 0.02), WHITE * 0.75, s.label["washbasin"], 0.9)

    return Piece(Z, ("washbasin",), paint)


def toilet(s: Room, X: float) -> Piece:
    Z = s.back - 0.65

    def paint() -> None:
        footprint(s, X - 0.18, X + 0.18, Z + 0.05, s.back)
        plain(s, s.block(X - 0.2, X + 0.2, 0.42, 0.78, s.back - 0.18, 0.05, 0.4), "toilet", light=1.0)
        plain(s, s.block(X - 0.21, X + 0.21, 0.76, 0.81, s.back - 0.2, 0.02, 0.5), "toilet", part=1)
        plain(s, s.block(X - 0.13, X + 0.13, 0.0, 0.3, Z + 0.15, 0.06, 0.8), "toilet", shade=0.9, light=1.0)
        plain(s, s.egg(X, 0.30, Z + 0.1, 0.2, 0.15), "toilet", light=1.0)
        plain(s, s.egg(X, 0.40, Z + 0.1, 0.21, 0.07), "toilet", part=1)
        plain(s, s.egg(X, 0.40, Z + 0.1, 0.14, 0.04), "toilet", shade=0.6)

    return Piece(Z, ("toilet",), paint)
