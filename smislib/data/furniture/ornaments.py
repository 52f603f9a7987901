"""Lights, rugs, plants and small things."""

import numpy as np

from ..canvas import smooth
from ..perspective import textured
from ..texture import window
from .pieces import Piece, Room, footprint, plain


def _shade(s: Room, name: str, X: float, Y0: float, Y1: float, r0: float, r1: float, Z: float) -> None:
    shade = s.polygon([(X - r0, Y0, Z), (X + r0, Y0, Z), (X + r1, Y1, Z), (X - r1, Y1, Z)])
    x, y = s.facing(shade, Z)
    glow = 0.92 + 0.2 * smooth(r0, 0, np.abs(x - X)) * smooth(Y1 + 0.1, Y0, y)
    s.paint(shade, s.look(name)[:3] * glow[..., None], s.label[name])


def table_lamp(s: Room, X: float, Y: float, Z: float, high: float) -> Piece:
    """A table lamp on a surface at height Y."""
    r = s.u(0.13, 0.18)

    def paint() -> None:
        plain(s, s.egg(X, Y + 0.03, Z, 0.09, 0.035), "lamp", part=1, light=0.8)
        plain(s, s.rod((X, Y, Z), (X, Y + high * 0.6, Z), 0.03, 0.018), "lamp", part=1, light=0.8)
        _shade(s, "lamp", X, Y + high * 0.5, Y + high, r, 0.6 * r, Z)

    return Piece(Z, ("lamp",), paint)


def lamp(s: Room, X: float) -> Piece:
    high, r, Z = s.u(1.45, 1.65), s.u(0.2, 0.27), s.back - 0.4

    def paint() -> None:
        footprint(s, X - 0.14, X + 0.14, Z - 0.1, Z + 0.14, 0.4)
        plain(s, s.egg(X, 0.03, Z, 0.16, 0.04), "lamp", part=1, light=0.8)
        plain(s, s.rod((X, 0, Z), (X, high - 0.2, Z), 0.022), "lamp", part=1, light=0.8)
        _shade(s, "lamp", X, high - 0.34, high, r, 0.62 * r, Z)

    return Piece(Z, ("lamp",), paint)


def pendant_lamp(s: Room, X: float) -> Piece:
    Z, low, r, kind = s.back - s.u(1.3, 1.8), s.u(1.75, 1.95), s.u(0.2, 0.3), s.rng.random()

    def paint() -> None:
        plain(s, s.rod((X, low + 0.2, Z), (X, s.tall, Z), 0.014), "pendant lamp", part=1, shade=0.8)
        if kind < 0.5:
            _shade(s, "pendant lamp", X, low, low + 0.26, r, 0.35 * r, Z)
        else:
            plain(s, s.egg(X, low + 0.16, Z, 0.85 * r, 0.8 * r), "pendant lamp", light=0.9)

    return Piece(Z, ("pendant lamp",), paint)


def rug(s: Room, X: float) -> Piece:
    w, Z0, Z1, round_ = s.u(1.7, 2.5), s.back - s.u(2.2, 2.6), s.back - s.u(0.75, 1.0), s.rng.random() < 0.3

    def paint() -> None:
        look, c = s.look("rug"), s.label["rug"]
        for g, colour in ((0.0, look[3:6] * np.float32(0.95)), (0.1, None)):
            if round_:
                x, far = s.project(X, 0, Z1 - 0.7 * g)
                near, k = s.project(X, 0, Z0 + 0.7 * g)[1], s.scale((Z0 + Z1) / 2)
                shape = s.canvas.egg((x, (far + near) / 2), ((w / 2 - g) * k, (near - far) / 2))
            else:
                shape = s.tread(X - w / 2 + g, X + w / 2 - g, 0, Z0 + g, Z1 - g)
            x, z, sharp = s.level(shape)
            s.paint(shape, textured(look, x, z + 0 * x, 0.34, sharp) if colour is None else colour, c)

    return Piece(s.back, ("rug",), paint)


def plant(s: Room, X: float) -> Piece:
    Z, high, n, broad = s.back - 0.45, s.u(0.95, 1.35), 9 + int(5 * s.rng.random()), s.rng.random() < 0.5
    leaves = [(s.u(-1, 1), s.u(0.5, 1.0), s.u(0.85, 1.12), s.rng.random()) for _ in range(n)]

    def paint() -> None:
        footprint(s, X - 0.18, X + 0.18, Z - 0.15, Z + 0.18)
        _pot(s, X, 0.0, Z, 0.2, 0.34)
        for lean, tall, shade, hue in sorted(leaves, key=lambda leaf: -abs(leaf[0])):
            part = int(hue < 0.35)
            tip = (X + lean * 0.42 * (1.3 - 0.4 * tall), 0.3 + (high - 0.3) * tall, Z)
            plain(s, s.rod((X + 0.06 * lean, 0.3, Z), tip, 0.02, 0.012), "plant", part=part, shade=0.8 * shade)
            if broad:
                plain(s, s.egg(tip[0], tip[1] - 0.05, Z, 0.10, 0.17, 0.75 * lean), "plant", part=part, shade=shade, light=0.9)
            else:
                blade = s.rod((X + 0.4 * lean * 0.42, 0.3 + 0.5 * (tip[1] - 0.3), Z), tip, 0.05, 0.008)
                plain(s, blade, "plant", part=part, shade=shade, light=0.8)

    return Piece(Z, ("plant", "pot"), paint)


def _pot(s: Room, X: float, Y: float, Z: float, r: float, high: float) -> None:
    pot = s.polygon([(X - 0.72 * r, Y, Z), (X + 0.72 * r, Y, Z), (X + r, Y + high, Z), (X - r, Y + high, Z)])
    x, _ = s.facing(pot, Z)
    s.paint(pot, s.look("pot")[:3] * (1.04 - 0.34 * smooth(-0.4 * r, r, x - X))[..., None], s.label["pot"])
    plain(s, s.block(X - 1.08 * r, X + 1.08 * r, Y + 0.8 * high, Y + high, Z, 0.02, 0.8), "pot", part=1, light=0.8)


def vase(s: Room, X: float, Y: float, Z: float) -> Piece:
    """A vase on a surface at height Y."""
    r, high = s.u(0.08, 0.12), s.u(0.24, 0.36)

    def paint() -> None:
        plain(s, s.rod((X, Y + 0.5 * high, Z), (X, Y + high, Z), 0.045, 0.06), "vase", light=0.9)
        plain(s, s.egg(X, Y + 0.38 * high, Z, r, 0.38 * high, 0.0, 0.25), "vase", light=1.0)
        plain(s, s.upright(X - 0.9 * r, X + 0.9 * r, Y + 0.36 * high, Y + 0.5 * high, Z), "vase", part=1)

    return Piece(Z, ("vase",), paint)


def basket(s: Room, X: float, Z: float) -> Piece:
    r, high = s.u(0.2, 0.28), s.u(0.28, 0.42)

    def paint() -> None:
        footprint(s, X - r, X + r, Z - 0.1, Z + 0.25)
        body = s.polygon([(X - 0.8 * r, 0, Z), (X + 0.8 * r, 0, Z), (X + r, high, Z), (X - r, high, Z)])
        x, y = s.facing(body, Z)
        turn = 1.03 - 0.3 * smooth(-0.3 * r, r, x - X)
        s.paint(body, textured(s.look("basket"), x, y, 0.09, s.sharpness(Z)) * turn[..., None], s.label["basket"])
        plain(s, s.egg(X, high, Z, r, 0.05), "basket", part=1, shade=0.6)

    return Piece(Z, ("basket",), paint)


def ball(s: Room, X: float, Z: float) -> Piece:
    r, tilt = s.u(0.13, 0.19), s.u(-0.5, 0.5)

    def paint() -> None:
        s.canvas.shadow(s.egg(X + 0.03, 0.01, Z, 1.1 * r, 0.3 * r), 0.6, 0.1 * s.scale(Z))
        sphere = s.egg(X, r, Z, r, r, tilt)
        band = window(sphere.along / (r * s.scale(Z)), -0.3, 0.3, s.sharpness(Z) * r)[..., None]
        look = s.look("ball")
        s.paint(sphere, look[:3] + band * (look[3:6] - look[:3]), s.label["ball"], 1.0)

    return Piece(Z, ("ball",), paint)
