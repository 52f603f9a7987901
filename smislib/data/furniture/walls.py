"""What hangs on a wall or is set into it."""

import numpy as np

from ..canvas import smooth
from ..perspective import textured
from ..texture import TEXTURES, noise, window
from .ornaments import vase
from .pieces import BRASS, DARK, WHITE, Piece, Room, fill, groove, plain, row_of_books


def shelf(s: Room, X: float, above: float = 0.0) -> Piece:
    w, n, key, Z = s.u(0.8, 1.05), 1 + (above < 1.0 and s.rng.random() < 0.6), s.u(0, 50), s.back - 0.22
    ornament, full = vase(s, X + 0.3 * w, 1.55, Z + 0.1), s.u(0.4, 0.62)

    def paint() -> None:
        for k in range(n):
            y = 1.53 + 0.42 * k
            cast = s.upright(X - w / 2, X + w / 2, y - 0.14, y - 0.02, s.back)
            s.canvas.shadow(cast, 0.35, 0.1 * s.scale(s.back))
            s.box(X - w / 2, X + w / 2, y - 0.045, y, Z, s.back, s.look("shelf")[:3], s.label["shelf"])
            row_of_books(s, X - w / 2 + 0.04, X - w / 2 + 0.04 + w * full, y, Z + 0.04, 0.28, key + k)
        ornament.paint()

    return Piece(s.back, ("shelf", "books", *ornament.classes), paint)


def _framed(s: Room, X: float, w: float, Y0: float, Y1: float, rim: float, name: str, frame: np.ndarray) -> None:
    """A flat thing on the back wall: its shadow, its frame, its face."""
    Z, g = s.back, 0.05
    s.canvas.shadow(s.upright(X - w / 2 + g, X + w / 2 + g, Y0 - g, Y1 - g, Z), 0.4, 0.12 * s.scale(Z))
    s.paint(s.upright(X - w / 2, X + w / 2, Y0, Y1, Z), frame, s.label[name])
    fill(s, s.upright(X - w / 2 + rim, X + w / 2 - rim, Y0 + rim, Y1 - rim, Z), name, Z, period=0.24)


def painting(s: Room, X: float, above: float = 0.0) -> Piece:
    wide, high, frame = s.u(0.6, 1.0), s.u(0.5, 0.75), (WHITE, DARK, BRASS)[int(s.rng.random() * 3)]
    low, subject, u = max(above + 0.2, 1.35), s.rng.random(), s.u(-0.2, 0.2)

    def paint() -> None:
        _framed(s, X, wide, low, low + high, 0.05, "painting", frame)
        if subject < 0.35:  # a hill and a sun
            hill = s.egg(X + u * wide, low + 0.02, s.back, 0.5 * wide, 0.5 * high)
            x, y = s.facing(hill, s.back)
            hill.cut(np.maximum(np.maximum(low + 0.05 - y, np.abs(x - X) - wide / 2 + 0.05), y - low - high) * s.scale(s.back))
            plain(s, hill, "painting", part=1, shade=0.9)
            plain(s, s.egg(X - u * wide, low + 0.72 * high, s.back, 0.1, 0.1), "painting", part=1, shade=1.15)
        elif subject < 0.6:  # a portrait
            plain(s, s.block(X - 0.16, X + 0.16, low + 0.05, low + 0.42 * high, s.back, 0.1), "painting", part=1, shade=0.7)
            plain(s, s.egg(X, low + 0.58 * high, s.back, 0.11, 0.15), "painting", part=1, shade=1.1)

    return Piece(s.back + 0.01, ("painting",), paint)


def mirror(s: Room, X: float, above: float = 0.0) -> Piece:
    r, low, tall = s.u(0.3, 0.4), max(above + 0.25, 1.2), s.u(1.0, 1.35)

    def paint() -> None:
        Z, Y = s.back, low + r * tall
        s.canvas.shadow(s.egg(X + 0.05, Y - 0.05, Z, r, r * tall), 0.4, 0.1 * s.scale(Z))
        plain(s, s.egg(X, Y, Z, r, r * tall), "mirror", part=1)
        face = s.egg(X, Y, Z, 0.86 * r, 0.88 * r * tall)
        x, y = s.facing(face, Z)
        slant = x - X + 0.5 * (y - Y)
        gleam = 0.86 + 0.14 * smooth(-0.1, 0.15, slant) + 0.1 * window(slant, -0.05, 0.03, 60.0)
        s.paint(face, s.look("mirror")[:3] * gleam[..., None], s.label["mirror"])

    return Piece(s.back + 0.01, ("mirror",), paint)


def clock(s: Room, X: float, above: float = 0.0) -> Piece:
    r, Y, hour, minute = s.u(0.19, 0.27), max(above + 0.5, s.u(1.75, 1.95)), s.u(0, 6.28), s.u(0, 6.28)

    def paint() -> None:
        Z = s.back
        s.canvas.shadow(s.egg(X + 0.04, Y - 0.04, Z, r, r), 0.4, 0.1 * s.scale(Z))
        plain(s, s.egg(X, Y, Z, r, r), "clock", part=1)
        plain(s, s.egg(X, Y, Z, 0.82 * r, 0.82 * r), "clock")
        for turn, long in ((hour, 0.45), (minute, 0.68)):
            hand = (X + long * r * np.sin(turn), Y + long * r * np.cos(turn), Z)
            plain(s, s.rod((X, Y, Z), hand, 0.018), "clock", part=1, shade=0.8)

    return Piece(s.back + 0.01, ("clock",), paint)


def casement(s: Room, X: float, above: float = 0.0) -> Piece:
    w, low, high = s.u(0.85, 1.15), max(above + 0.12, s.u(0.85, 1.0)), s.u(2.15, 2.35)
    dress = ("curtain", "blind", None)[int(s.rng.random() * 2.6)]
    drop, cross = s.u(0.3, 0.7), s.rng.random() < 0.6

    def paint() -> None:
        Z, c, look = s.back, s.label["window"], s.look("window")
        s.paint(s.upright(X - w / 2 - 0.07, X + w / 2 + 0.07, low - 0.07, high + 0.07, Z), WHITE, c)
        glass = s.upright(X - w / 2, X + w / 2, low, high, Z)
        x, y = s.facing(glass, Z)
        v = (y - low) / (high - low)
        sky = look[:3] * (1.08 - 0.25 * v[..., None]) + 0 * x[..., None]
        if TEXTURES[int(look[6:].argmax())] == "clouds":
            share = smooth(0.5, 0.8, noise(x * 3 + 5, y * 5))[..., None] * 0.7
            sky = sky + share * (0.97 - sky)
        hills = smooth(0.02, -0.02, v - 0.3 - 0.22 * (noise(x * 2.2 + 9, 0 * x + X) - 0.5))[..., None]
        leaf = look[3:6] * (0.8 + 0.4 * noise(x * 14, y * 14))[..., None]
        s.paint(glass, sky + hills * (leaf - sky), c)
        s.paint(s.upright(X - 0.025, X + 0.025, low, high, Z), WHITE * 0.95, c)
        if cross:
            s.paint(s.upright(X - w / 2, X + w / 2, (low + high) / 2 - 0.02, (low + high) / 2 + 0.02, Z), WHITE * 0.95, c)
        s.box(X - w / 2 - 0.12, X + w / 2 + 0.12, low - 0.12, low - 0.06, Z - 0.1, Z, WHITE * 0.97, c)
        if dress == "blind":
            slats = s.upright(X - w / 2 - 0.03, X + w / 2 + 0.03, high - drop * (high - low), high + 0.05, Z - 0.03)
            fill(s, slats, "blind", Z - 0.03, period=0.12)
        elif dress == "curtain":
            _curtains(s, X, w, max(above - 0.3, 0.05) if above < 0.6 else low - 0.2, high + 0.14)

    return Piece(s.back + 0.01, ("window", *([dress] if dress else [])), paint)


def _curtains(s: Room, X: float, w: float, low: float, high: float) -> None:
    Z, c = s.back - 0.06, s.label["curtain"]
    for side in (-1, 1):
        inner, outer = X + side * 0.30 * w, X + side * (w / 2 + 0.2)
        cloth = s.upright(min(inner, outer), max(inner, outer), low, high, Z)
        x, y = s.facing(cloth, Z)
        folds = 0.9 + 0.14 * np.sin(42 * x + 1.5 * side) * (0.7 + 0.3 * smooth(high, low, y))
        s.paint(cloth, textured(s.look("curtain"), x, y, 0.26, s.sharpness(Z)) * folds[..., None], c)
    plain(s, s.rod((X - w / 2 - 0.28, high, Z), (X + w / 2 + 0.28, high, Z), 0.025), "curtain", part=1, shade=0.6)


def door(s: Room, X: float) -> Piece:
    w, side, panels = s.u(0.8, 0.92), 1 if s.rng.random() < 0.5 else -1, s.rng.random() < 0.7

    def paint() -> None:
        Z, c = s.back, s.label["door"]
        s.paint(s.upright(X - w / 2 - 0.09, X + w / 2 + 0.09, 0, 2.12, Z), WHITE * 0.94, c)
        fill(s, s.upright(X - w / 2, X + w / 2, 0, 2.03, Z), "door", Z, period=0.15)
        if panels:
            for y0, y1 in ((0.15, 0.85), (1.0, 1.9)):
                for t in (-1, 1):
                    groove(s, "door", *sorted((X + t * 0.05, X + t * (w / 2 - 0.1))), y0, y1, Z)
        s.paint(s.egg(X + side * (w / 2 - 0.08), 0.98, Z, 0.035, 0.035), BRASS, c, 0.9)

    return Piece(s.back + 0.01, ("door",), paint)
