"""What stands and goes in a street: cars, buses, people, trees, lamps and signs, painted into a `Scene` in metres.

`i` is the id to paint, `look` the factors. A detail that would be small is left out, at any resolution alike.
"""

import numpy as np

from .appearance import NATURAL_HAIR, SKIN, blend
from .canvas import Shape, smooth
from .perspective import SIDE, TOP, Scene, main, second, textured
from .texture import noise, window

TYRE = np.array([0.10, 0.10, 0.12], np.float32)
GLASS = np.array([0.20, 0.27, 0.34], np.float32)
BARK = np.array([0.36, 0.27, 0.20], np.float32)
RED, WHITE = np.array([0.86, 0.10, 0.10], np.float32), np.array([0.98, 0.97, 0.90], np.float32)
DETAIL = 0.03  # frame heights that a metre must have for details
LENGTH, HALF = 4.2, 0.9  # of a car, and half its width
BODIES = (  # (share of the length, height): rear edge, foot and top of the rear window, top and foot of the windscreen, front
    ((0.0, 0.86), (0.14, 0.96), (0.27, 1.42), (0.56, 1.42), (0.72, 0.94), (1.0, 0.80)),  # saloon
    ((0.0, 0.90), (0.02, 0.98), (0.12, 1.48), (0.54, 1.50), (0.74, 0.98), (1.0, 0.84)),  # hatchback
    ((0.0, 1.00), (0.01, 1.05), (0.08, 1.74), (0.58, 1.74), (0.76, 1.12), (1.0, 0.98)),  # van
)


def haze(colour: np.ndarray, Z: np.ndarray | float) -> np.ndarray:
    """The colour of a surface seen through Z metres of air."""
    share = 0.5 * (1 - np.exp(-np.asarray(Z, np.float32) / 110))
    return colour + share[..., None] * (np.float32(0.8) - colour)


def pane(shape: Shape) -> np.ndarray:
    """Window glass, brighter towards the upper edge of its shape."""
    low, high = (float(shape.y[k, 0]) if shape.y.size else 0.0 for k in (-1, 0))
    return GLASS * (0.75 + 1.1 * smooth(low, min(high, low - 1e-4), shape.y))[..., None]


def inset(points: list[tuple[float, float, float]], share: float) -> list[tuple[float, float, float]]:
    """Corners moved towards their mean by a share of the way."""
    corners = np.array(points)
    return [tuple(corner) for corner in corners + share * (corners.mean(0) - corners)]


def car(s: Scene, look: np.ndarray, i: int, X: float, Z: float, towards: bool, kind: int) -> None:
    """A car whose near end is at (X, Z), coming `towards` us or going."""
    body, roof, detailed = main(look), second(look), s.scale(Z) > DETAIL
    profile = [(1 - t, y) for t, y in reversed(BODIES[kind])] if towards else BODIES[kind]
    (z0, y0), (z1, y1), (z2, y2), (z3, y3), (z4, y4), (z5, y5) = ((Z + LENGTH * t, y) for t, y in profile)
    left, right = X - HALF, X + HALF
    under = s.tread(left - 0.2, right + 0.2, 0, z0 - 0.15, z5)
    s.canvas.shadow(under, 0.6, 0.35 * s.scale(Z))
    if abs(X) > HALF:
        flank, side = (left, 1) if X > 0 else (right, -1)
        s.paint(
            s.polygon([(flank, 0.3, z0), (flank, y0, z0), (flank, y1, z1), (flank, y4, z4), (flank, y5, z5), (flank, 0.3, z5)]),
            body * SIDE,
            i,
        )
        for t in (0.18, 0.81):
            (x, y), k = s.project(flank, 0.33, Z + LENGTH * t), s.scale(Z + LENGTH * t)
            foreshortened = abs(s.project(flank, 0, Z + LENGTH * t + 0.33)[0] - x)
            s.paint(s.canvas.egg((x, y), (max(foreshortened, 1e-3), 0.34 * k)), TYRE, i)
            if detailed:
                s.paint(s.canvas.egg((x, y), (max(0.5 * foreshortened, 1e-3), 0.17 * k)), TYRE * 5, i)
        top = flank + side * 0.2
        cabin = [(flank, y1, z1), (top, y2, z2), (top, y3, z3), (flank, y4, z4)]
        s.paint(s.polygon(cabin), body * SIDE, i)
        glass = s.polygon(inset(cabin, 0.16))
        s.paint(glass, pane(glass), i)
    s.paint(s.polygon([(left, y0, z0), (left, y1, z1), (right, y1, z1), (right, y0, z0)]), body * TOP, i)
    if s.height > y3:
        s.paint(s.tread(left + 0.2, right - 0.2, y3, z2, z3), roof * TOP, i)
    screen = [(left, y1, z1), (left + 0.2, y2, z2), (right - 0.2, y2, z2), (right, y1, z1)]
    s.paint(s.polygon(screen), roof, i)
    glass = s.polygon(inset(screen, 0.13))
    s.paint(glass, pane(glass), i)
    for x in (left + 0.06, right - 0.34):
        s.paint(s.block(x, x + 0.28, 0.0, 0.4, Z, 0.05), TYRE, i)
    s.paint(s.upright(left, right, 0.5, y0, Z), body, i)  # behind the round corners of the face
    face = s.block(left, right, 0.27, y0, Z, 0.16, 0.3)
    s.paint(face, body, i, 0.7)
    if detailed:
        s.paint(s.upright(left + 0.08, right - 0.08, 0.27, 0.40, Z), TYRE * 2.2, i)
        for x in (X - 0.68, X + 0.68):
            s.paint(s.egg(x, y0 - 0.16, Z, 0.17, 0.10), WHITE if towards else RED, i)
        s.paint(s.upright(X - 0.24, X + 0.24, 0.43, 0.54, Z), WHITE, i)
        if towards:
            s.paint(s.block(X - 0.42, X + 0.42, 0.58, 0.70, Z, 0.04), TYRE * 2, i)


def bus(s: Scene, look: np.ndarray, i: int, X: float, Z: float, towards: bool) -> None:
    """A bus whose near end is at (X, Z)."""
    body, stripe, half, top, far = main(look), second(look), 1.25, 3.1, Z + 10.5
    left, right = X - half, X + half
    under = s.tread(left - 0.2, right + 0.2, 0, Z - 0.2, far)
    s.canvas.shadow(under, 0.6, 0.35 * s.scale(Z))
    if abs(X) > half:
        flank = left if X > 0 else right
        side = s.polygon([(flank, 0.3, Z), (flank, top, Z), (flank, top, far), (flank, 0.3, far)])
        z, Y, sharp = s.side(side, flank)
        colour = np.broadcast_to(body, (*Y.shape, 3)) * SIDE
        band = window(Y, 0.75, 1.15, sharp)[..., None]
        colour = colour + band * (stripe * SIDE - colour)
        panes = window(Y, 1.45, 2.6, sharp) * window((z - Z) / 1.5 % 1, 0.07, 0.93, 1.5 * sharp)
        colour = colour + panes[..., None] * (GLASS * (0.5 + 0.35 * Y[..., None]) - colour)
        s.paint(side, colour, i)
        for z in (Z + 1.9, Z + 8.4):
            x, y = s.project(flank, 0.42, z)
            s.paint(s.canvas.egg((x, y), (abs(s.project(flank, 0, z + 0.45)[0] - x), 0.46 * s.scale(z))), TYRE, i)
    for x in (left + 0.12, right - 0.5):
        s.paint(s.block(x, x + 0.38, 0.0, 0.5, Z, 0.05), TYRE, i)
    s.paint(s.block(left, right, 0.3, top, Z, 0.2, 0.2), body, i, 0.6)
    s.paint(s.upright(left, right, 0.75, 1.15, Z), stripe, i)
    screen = s.block(left + 0.12, right - 0.12, 1.3, 2.5 if towards else 2.3, Z, 0.12)
    s.paint(screen, pane(screen), i)
    s.paint(s.block(left + 0.3, right - 0.3, 2.62, 2.92, Z, 0.05), GLASS * 0.6, i)
    for x in (X - 0.95, X + 0.95):
        s.paint(s.egg(x, 0.58, Z, 0.17, 0.11), WHITE if towards else RED, i)


def person(
    s: Scene, look: np.ndarray, i: int, X: float, Z: float, h: float, stride: float, girth: float, skin: float, hair: float
) -> None:
    """Someone `h` metres tall; `stride` -1..1 is the phase of the walk, `skin` and `hair` 0..1 choose their tones."""
    tone, lock, trousers = blend(SKIN, skin), blend(NATURAL_HAIR, hair), second(look)
    (x, y), k = s.project(X, 0, Z), s.scale(Z) * h
    s.canvas.shadow(s.canvas.egg((x + 0.05 * k, y), (0.22 * k, 0.035 * k)), 0.6, 0.05 * k)
    wide = 0.1 * h * girth
    for leg in (-1, 1):
        foot = (X + leg * (0.045 + 0.10 * stride) * h, 0.035 * h, Z)
        s.paint(s.egg(foot[0] + 0.01 * h, 0.02 * h, Z, 0.04 * h, 0.022 * h), TYRE * 1.6, i)
        limb = s.rod((X + leg * 0.045 * h, 0.49 * h, Z), foot, 0.055 * h * girth, 0.034 * h)
        s.paint(limb, trousers * (0.92 + 0.08 * leg), i, 0.8)
    if hair > 0.62 and skin + hair > 1.0:  # a skirt
        hem, waist = 0.28 * h, 0.56 * h
        skirt = [(X - 0.9 * wide, waist, Z), (X + 0.9 * wide, waist, Z), (X + 1.3 * wide, hem, Z), (X - 1.3 * wide, hem, Z)]
        s.paint(s.polygon(skirt), trousers, i)
    torso = s.block(X - wide, X + wide, 0.45 * h, 0.835 * h, Z, 0.07 * h, 0.9)
    across, Y = s.facing(torso, Z)
    cloth = textured(look, across - X, Y, 0.13 * h, s.sharpness(Z))
    s.paint(torso, cloth, i, 0.9)
    for arm in (-1, 1):
        shoulder, hand = (X + arm * 0.92 * wide, 0.79 * h, Z), (X + arm * (1.25 * wide + 0.05 * h * stride), 0.47 * h, Z)
        s.paint(s.egg(hand[0], hand[1], Z, 0.027 * h, 0.03 * h), tone, i, 0.8)
        s.paint(s.rod(shoulder, hand, 0.036 * h, 0.026 * h), main(look) * (0.90 + 0.06 * arm), i, 0.8)
    s.paint(s.rod((X, 0.82 * h, Z), (X, 0.88 * h, Z), 0.026 * h), tone * 0.92, i, 0.8)
    if hair > 0.62:  # long
        s.paint(s.block(X - 0.062 * h, X + 0.062 * h, 0.81 * h, 0.96 * h, Z, 0.05 * h, 0.8), lock * 0.9, i, 0.8)
    s.paint(s.egg(X, 0.945 * h, Z, 0.058 * h, 0.062 * h), lock, i, 0.9)
    if stride > -0.35:  # seen from the front
        s.paint(s.egg(X, 0.92 * h, Z, 0.049 * h, 0.058 * h, 0.0, 0.2), tone, i, 0.9)


def tree(s: Scene, at: tuple[float, float], tall: float, radius: float, label: int, odd: int, bush: bool = False) -> None:
    """A tree, or a bush, at (X, Z). Its leaves have the main colour of `label`, or the second where `odd`."""
    (X, Z), look = at, s.looks.factors[label]
    leaves = haze(second(look) if odd % 2 else main(look), Z)
    k, blobs = s.scale(Z), []
    for _ in range(7):
        turn, out = 2 * np.pi * s.rng.random(), 0.78 * np.sqrt(s.rng.random())
        blobs.append((out * np.cos(turn), out * np.sin(turn), s.u(0.42, 0.66), s.u(0.86, 1.12)))
    if abs(s.project(X, 0, Z)[0] - s.canvas.aspect / 2) > s.canvas.aspect / 2 + 2 * radius * k:
        return  # beside the frame
    blobs = blobs[: 1 + int(45 * radius * k)]
    if not bush:
        s.canvas.shadow(s.egg(X + 0.3 * radius, 0, Z, 1.2 * radius, 0.22 * radius), 0.45, 0.3 * radius * k)
        s.paint(s.rod((X, -0.02, Z), (X, tall - radius, Z), 0.13, 0.09), haze(BARK, Z), label, 0.8)
    middle, high = (0.35 * tall, 0.65 * tall) if bush else (tall - radius, 1.05 * radius)
    if bush:
        s.paint(s.upright(X - 1.2 * radius, X + 1.2 * radius, 0, middle, Z), leaves * 0.72, label)
    for dx, dy, size, shade in sorted(blobs, key=lambda blob: blob[1] - blob[2]):
        across = 1.35 if bush else 1.0
        blob = s.egg(X + across * dx * radius, middle + dy * high, Z, across * size * radius, size * high * 0.95)
        grain = noise(blob.across / (0.15 * radius * k) + 9 * shade, blob.along / (0.15 * radius * k) + 9 * shade)
        blob.distance += (grain - 0.5) * (0.22 * radius * k)  # leaves at the edge
        s.paint(blob, leaves * (shade * (0.78 + 0.06 * dy + 0.4 * grain))[..., None], label, 0.8)


def lamp(s: Scene, at: tuple[float, float], tall: float, side: int, label: int) -> None:
    """A street lamp at (X, Z) whose arm reaches over the road."""
    (X, Z), look = at, s.looks.factors[label]
    tone, end = haze(main(look), Z), X - side * 1.3
    s.paint(s.rod((X, 0, Z), (X, 0.9, Z), 0.11, 0.09), tone, label, 0.9)
    s.paint(s.rod((X, 0, Z), (X, tall, Z), 0.075, 0.06), tone, label, 0.9)
    s.paint(s.rod((X, tall, Z), (end, tall + 0.25, Z), 0.05), tone, label, 0.9)
    s.paint(s.egg(end - side * 0.15, tall + 0.22, Z, 0.34, 0.12), tone, label, 0.9)
    s.paint(s.egg(end - side * 0.15, tall + 0.15, Z, 0.24, 0.09), haze(second(look), Z), label)


def sign(s: Scene, at: tuple[float, float], tall: float, kind: int, pole: int, label: int) -> None:
    """A traffic sign at (X, Z): a disc, a triangle or a board, on a post of class `pole`."""
    (X, Z), look, r = at, s.looks.factors[label], 0.42
    s.paint(s.rod((X, 0, Z), (X, tall, Z), 0.045), haze(main(s.looks.factors[pole]), Z), pole, 0.9)
    inner, outer = haze(main(look), Z), haze(second(look), Z)
    if kind == 0:
        for radius, colour in ((r, outer), (0.85 * r, inner)):
            s.paint(s.egg(X, tall, Z, radius, radius), colour, label)
        s.paint(s.upright(X - 0.55 * r, X + 0.55 * r, tall - 0.14 * r, tall + 0.14 * r, Z), outer, label)
    elif kind == 1:
        for size, colour in ((1.15, inner), (0.62, outer)):
            low = tall - 0.55 * size * r
            s.paint(s.polygon([(X - size * r, low, Z), (X + size * r, low, Z), (X, tall + size * r, Z)]), colour, label)
    else:
        for size, colour in ((1.0, outer), (0.86, inner)):
            s.paint(s.block(X - size * r, X + size * r, tall - size * r, tall + size * r, Z, 0.1 * r), colour, label)
        s.paint(s.rod((X, tall - 0.5 * r, Z), (X, tall + 0.4 * r, Z), 0.16 * r), outer, label)
        s.paint(s.rod((X - 0.45 * r, tall + 0.3 * r, Z), (X + 0.45 * r, tall + 0.3 * r, Z), 0.14 * r), outer, label)
