"""Textures of scenes: where the second colour of a class shows, as functions of coordinates on its surface.

Every edge is as wide as one sample (1 / sharpness), so that a texture that is too fine to see fades to its mean.
"""

import numpy as np

from .canvas import PATTERNS, pattern, smooth

TEXTURES = (*PATTERNS, "planks", "bricks", "speckles", "clouds")
FACTOR_NAMES = ("red", "green", "blue", "second red", "second green", "second blue", *TEXTURES)
_TABLE = np.random.default_rng(0).random((64, 64)).astype(np.float32)
_FINE = 8  # steps of the noise along each cell of the table


def _smooth_table() -> np.ndarray:
    t = smooth(0, 1, np.arange(_FINE, dtype=np.float32) / _FINE)
    rows = (_TABLE[:, None] + t[None, :, None] * (np.roll(_TABLE, -1, 0) - _TABLE)[:, None]).reshape(-1, 64)
    return (rows[..., None] + t * (np.roll(rows, -1, 1) - rows)[..., None]).reshape(64 * _FINE, 64 * _FINE)


_NOISE = _smooth_table()


def scatter(i: np.ndarray, j: np.ndarray | float = 0) -> np.ndarray:
    """A fixed random number in 0..1 for each cell (i, j); they repeat after 64."""
    return _TABLE[np.asarray(np.floor(i), np.intp) & 63, np.asarray(np.floor(j), np.intp) & 63]


def noise(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Smooth noise in 0..1 whose grains are one unit wide; it repeats after 64."""
    # in float32 a little less than 0, modulo 64, is 64 itself: hence the second modulo, on integers
    i, j = ((np.asarray(at) % 64 * _FINE).astype(np.int32) & (64 * _FINE - 1) for at in (u, v))
    return _NOISE[i, j]


def window(at: np.ndarray, low: float, high: float, sharpness: np.ndarray | float) -> np.ndarray:
    """1 between `low` and `high`, 0 elsewhere."""
    return np.minimum(np.maximum(np.minimum(at - low, high - at) * sharpness + 0.5, 0), 1)


def texture(kind: str, across: np.ndarray, along: np.ndarray, period: float, sharpness: np.ndarray | float) -> np.ndarray:
    """Share 0..1 of the second colour at surface coordinates; `sharpness` is in samples per unit of them."""
    if kind in PATTERNS:
        return pattern(kind, across, along, period, sharpness)
    if kind == "planks":  # boards along `along`, each of its own tone, with joints
        board = np.floor(across / period)
        place = along / (7 * period) + 7 * scatter(board, 3)
        face = window(across / period % 1, 0.06, 1.06, period * sharpness)
        face = np.minimum(face, window(place % 1, 0.01, 1.01, 7 * period * sharpness))
        return np.maximum(0.65 * scatter(board, place), 1 - face)
    if kind == "bricks":  # courses along `across`, with mortar
        course = np.floor(along / period)
        place = across / (2.2 * period) + 0.5 * (course % 2)
        face = window(along / period % 1, 0.14, 1.14, period * sharpness)
        face = np.minimum(face, window(place % 1, 0.07, 1.07, 2.2 * period * sharpness))
        return np.maximum(0.3 * scatter(course, place), 1 - face)
    if kind == "speckles":
        return smooth(0.62, 0.72, noise(4 * across / period, 4 * along / period))
    u, v = across / period, along / period  # clouds
    return smooth(0.42, 0.8, 0.62 * noise(u, v) + 0.38 * noise(2.3 * u + 7, 2.3 * v))


def factors(main: np.ndarray, second: np.ndarray, kind: str) -> np.ndarray:
    """The factors float32 (K,) with the columns FACTOR_NAMES of two sRGB colours in 0..1 and a texture's name."""
    return np.concatenate([main, second, np.eye(len(TEXTURES))[TEXTURES.index(kind)]]).clip(0, 1).astype(np.float32)


def texture_of(look: np.ndarray) -> str:
    """The texture's name of factors (K,)."""
    return TEXTURES[int(look[6:].argmax())]
