"""What a room's classes look like: materials whose colours are of any hue and whose textures are several, drawn for each
class by itself, so that one label map has many unlike images.
"""

import numpy as np

from .appearance import NEUTRALS, between, blend, cloth, contrast, pick, tones
from .canvas import oklch
from .custom import spread_palette
from .spec import Classes
from .texture import factors

FAMILIES = {  # class -> what it is made of, see `draw`
    "ceiling": "plaster", "wall": "wallpaper", "floor": "flooring", "tiles": "tiles", "window": "view", "curtain": "cloth",
    "blind": "slats", "door": "wood", "painting": "art", "mirror": "glass", "clock": "enamel", "shelf": "wood",
    "bookcase": "wood", "books": "art", "cabinet": "wood", "wardrobe": "wood", "chest of drawers": "wood",
    "nightstand": "wood", "bed": "wood", "pillow": "linen", "blanket": "cloth", "sofa": "cloth", "armchair": "cloth",
    "cushion": "cloth", "chair": "wood", "stool": "wood", "pouf": "cloth", "table": "wood", "coffee table": "wood",
    "desk": "wood", "lamp": "shade", "pendant lamp": "shade", "rug": "cloth", "plant": "leaf", "pot": "ceramic",
    "vase": "ceramic", "fireplace": "stone", "television": "screen", "computer": "screen", "piano": "wood",
    "bathtub": "ceramic", "washbasin": "ceramic", "toilet": "ceramic", "stove": "enamel", "refrigerator": "enamel",
    "counter": "wood", "basket": "wicker", "ball": "enamel",
}  # fmt: skip
CLASSES = Classes(names=tuple(FAMILIES), palette=spread_palette(len(FAMILIES)))

TIMBER = tones("e9cfa2", "d3a66c", "b37d48", "8f5a33", "63402a", "3f2d25", "c9b8a3")  # birch .. walnut, grey oak
LEAVES = tones("2f6b3c", "5b9440", "94b84a", "3f7f6f", "7d8f4a", "8a3f4f")
STONES = tones("e8e2d6", "b9aa98", "9b5a45", "7c7f85", "4a4a4f", "d8c3a5")


def _any_hue(rng: np.random.Generator, low: float, high: float, chroma: float) -> np.ndarray:
    return oklch(between(rng, low, high), between(rng, 0.02, chroma), rng.random())


def draw(stream: list[int], label: int) -> np.ndarray:
    """The factors (K,) of one class from the random `stream`: columns FACTOR_NAMES, colours sRGB in 0..1.

    The second colour is the texture's; where a piece has two parts (a rug's border, a vase's band, a counter's top, the foot
    of a lamp, the lower half of a window's view, every other book) it is that of the lesser one.
    """
    rng = np.random.default_rng([*stream, label])
    family, kind, other = FAMILIES[CLASSES.names[label]], "plain", None
    if family == "plaster":
        first = _any_hue(rng, 0.86, 0.97, 0.05)
    elif family == "wallpaper":
        deep = rng.random() < 0.3
        first = _any_hue(rng, 0.42, 0.6, 0.12) if deep else _any_hue(rng, 0.74, 0.93, 0.10)
        other = first * (between(rng, 1.12, 1.25) if deep else between(rng, 0.72, 0.86)) + 0.1 * _any_hue(rng, 0.3, 0.9, 0.15)
        kind = ("plain", "vertical", "dots", "checks", "bricks", "horizontal")[pick(rng, 0.4, 0.2, 0.14, 0.08, 0.1, 0.08)]
    elif family == "flooring":
        kind = ("planks", "checks", "plain", "speckles")[pick(rng, 0.5, 0.22, 0.16, 0.12)]
        first = blend(TIMBER, rng.random()) if kind == "planks" else _any_hue(rng, 0.5, 0.86, 0.09)
        other = first * between(rng, 0.6, 0.84)
    elif family == "tiles":
        first, kind = _any_hue(rng, 0.55, 0.95, 0.12), ("bricks", "checks", "horizontal")[pick(rng, 0.5, 0.35, 0.15)]
        other = first * 0.35 + 0.6
    elif family == "view":
        first = oklch(between(rng, 0.62, 0.9), between(rng, 0.03, 0.12), between(rng, 0.55, 1.2))
        other = blend(LEAVES, rng.random()) if rng.random() < 0.6 else _any_hue(rng, 0.5, 0.85, 0.1)
        kind = "clouds" if rng.random() < 0.4 else "plain"
    elif family in ("cloth", "linen"):
        first = cloth(rng) if family == "cloth" or rng.random() < 0.4 else _any_hue(rng, 0.86, 0.97, 0.05)
        kind = ("plain", "horizontal", "vertical", "dots", "checks")[pick(rng, 0.44, 0.15, 0.15, 0.13, 0.13)]
        other = 0.6 * contrast(rng, first) + 0.4 * first
    elif family == "wood":
        painted = rng.random() < 0.4
        first = cloth(rng) if painted else blend(TIMBER, rng.random())
        other = blend(TIMBER, rng.random()) if painted else first * between(rng, 0.62, 0.8)
        kind = "plain" if painted or rng.random() < 0.5 else "planks"
    elif family == "slats":
        first, kind = cloth(rng) * 0.4 + 0.56 if rng.random() < 0.5 else blend(TIMBER, rng.random()), "horizontal"
        other = first * 0.72
    elif family == "art":
        first = _any_hue(rng, 0.35, 0.92, 0.16)
        kind = ("plain", "horizontal", "dots", "checks", "clouds")[pick(rng, 1, 1, 1, 1, 2)]
        other = contrast(rng, first)
    elif family == "glass":
        first, other = _any_hue(rng, 0.78, 0.94, 0.05), blend(TIMBER, rng.random()) if rng.random() < 0.6 else cloth(rng)
    elif family == "shade":
        first = _any_hue(rng, 0.78, 0.96, 0.13) if rng.random() < 0.7 else cloth(rng)
        other = NEUTRALS[3] if rng.random() < 0.5 else blend(TIMBER, rng.random())
    elif family == "leaf":
        first, other = blend(LEAVES, rng.random()), blend(LEAVES, rng.random())
    elif family == "stone":
        first, other = blend(STONES, rng.random()), blend(TIMBER if rng.random() < 0.5 else STONES, rng.random())
        kind = "bricks" if rng.random() < 0.5 else "plain"
    elif family == "screen":
        first = _any_hue(rng, 0.15, 0.35, 0.04) if rng.random() < 0.4 else _any_hue(rng, 0.4, 0.85, 0.15)
        other, kind = first * 0.4 + 0.5 * _any_hue(rng, 0.3, 0.9, 0.15), "clouds"
    elif family == "wicker":
        first, kind = blend(TIMBER, rng.random()) if rng.random() < 0.6 else cloth(rng), "checks"
        other = first * 0.72
    else:  # ceramic, enamel
        first = oklch(between(rng, 0.9, 0.97), between(rng, 0, 0.02), rng.random()) if rng.random() < 0.35 else cloth(rng)
        other = contrast(rng, first)
    return factors(first, first if other is None else other, kind)
