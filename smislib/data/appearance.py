"""What a mannequin's parts look like: the true factors, drawn independently for every class but for the shared skin."""

import numpy as np

from .canvas import PATTERNS, oklch
from .spec import Classes

BACKGROUND, HAIR, FACE, ARMS, UPPER, LOWER, LEGS, SHOES = range(8)
SKIN_CLASSES = (FACE, ARMS, LEGS)
CLASSES = Classes(
    names=("background", "hair", "face", "arms", "upper clothes", "lower clothes", "legs", "shoes"),
    palette=(
        (236, 236, 232),
        (92, 64, 51),
        (255, 200, 165),
        (244, 140, 104),
        (78, 121, 167),
        (118, 183, 178),
        (214, 84, 90),
        (64, 64, 72),
    ),
)
FACTOR_NAMES = ("red", "green", "blue", "second red", "second green", "second blue", *PATTERNS)


def tones(*hexes: str) -> np.ndarray:
    """sRGB (n,3) in 0..1."""
    return np.array([[int(h[i : i + 2], 16) for i in (0, 2, 4)] for h in hexes]) / 255


SKIN = tones("fadbc8", "f3c8ac", "e0ac8a", "c48a65", "9c6646", "744a34", "543529")  # pale to dark
NATURAL_HAIR = tones("1c191b", "362620", "5c3c2a", "804e30", "964226", "bc622e", "ca9c60", "e8ce9c", "aaa6a4")
NEUTRALS = tones("f4f3ef", "e8dcc8", "96989c", "3e4048", "243254", "58769e", "b0926e")  # white, cream .. denim, camel


def between(rng: np.random.Generator, low: float, high: float) -> float:
    """A uniform number, of `rng.random()` alone: the part of numpy's generators whose stream is the most stable."""
    return low + (high - low) * rng.random()


def pick(rng: np.random.Generator, *weights: float) -> int:
    """An index drawn in proportion to `weights`."""
    return int(np.searchsorted(np.cumsum(weights) / sum(weights), rng.random(), side="right"))


def blend(row: np.ndarray, at: float) -> np.ndarray:
    """`at` in 0..1 along a row of tones."""
    i, t = divmod(at * (len(row) - 1), 1)
    return row[int(i)] * (1 - t) + row[min(int(i) + 1, len(row) - 1)] * t


def cloth(rng: np.random.Generator) -> np.ndarray:
    """A colour of any hue, or a neutral one."""
    if rng.random() < 0.25:
        return NEUTRALS[pick(rng, *np.ones(len(NEUTRALS)))]
    return oklch(between(rng, 0.48, 0.86), between(rng, 0.07, 0.165), rng.random())


def contrast(rng: np.random.Generator, main: np.ndarray) -> np.ndarray:
    """A second colour that reads against `main`: dark on a bright one, bright on a dark one, of any hue."""
    luma = main @ (0.30, 0.59, 0.11)
    lightness = between(rng, 0.3, 0.5) if luma > 0.6 else between(rng, 0.88, 0.96)
    return oklch(lightness, between(rng, 0.0, 0.12), rng.random())


def draw(stream: list[int], label: int) -> np.ndarray:
    """The factors (K,) of one class from the random `stream`: columns FACTOR_NAMES, colours sRGB in 0..1.

    Face, arms and legs draw the same skin from the same stream; its second colour is the mouth's. The second colour of
    the background is that of its lower edge, of the shoes their soles'; where there is none it equals the first.
    """
    rng = np.random.default_rng([*stream, FACE if label in SKIN_CLASSES else label])
    kind = 0
    if label == BACKGROUND:
        lightness, chroma, hue = between(rng, 0.81, 0.95), between(rng, 0.012, 0.06), rng.random()
        main, second = oklch(lightness, chroma, hue), oklch(lightness - 0.07, chroma * 1.15, hue)
    elif label in SKIN_CLASSES:
        main = blend(SKIN, rng.random()) * (1, between(rng, 0.97, 1.03), between(rng, 0.95, 1.05))
        second = main * 0.5 + np.array([0.72, 0.24, 0.27]) * (0.22 + 0.28 * main[0])
    elif label == HAIR:
        dyed, tone = rng.random() < 0.22, rng.random()
        main = oklch(between(rng, 0.5, 0.78), between(rng, 0.1, 0.16), tone) if dyed else blend(NATURAL_HAIR, tone)
        second = main
    elif label == SHOES:
        main = cloth(rng)
        second = NEUTRALS[0] if rng.random() < 0.6 else NEUTRALS[3]
    else:
        main = cloth(rng)
        kind = pick(rng, 0.7, 0.1, 0.1, 0.05, 0.05)  # mostly plain: a code of eight numbers is to hold it all
        second = (main + contrast(rng, main)) / 2 if kind else main
    return np.concatenate([main, second, np.eye(len(PATTERNS))[kind]]).clip(0, 1).astype(np.float32)
