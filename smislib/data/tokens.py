"""The renderer of `tokens`, the stand-in for ImageNet: one thing of 24 in each picture, upright on a ground, lit from above.

The class of a picture is that of its thing. Colours, proportions, place, size and side differ inside a class, the scene
behind is drawn apart from it; what is up shows in the thing, the ground, the light and the shadow.
"""

import numpy as np

from .appearance import FACTOR_NAMES, between, cloth, contrast
from .canvas import PATTERNS, Canvas, oklch, smooth
from .renderer import Looks, Renderer
from .spec import Classes
from .token_shapes import THINGS, Stage

SCENE = 0  # the class of what is not the thing
NAMES = tuple(THINGS)
CLASSES = Classes(
    names=("scene", *NAMES),
    palette=((236, 236, 232), *(tuple(int(255 * v) for v in oklch(0.72, 0.14, c / len(NAMES))) for c in range(len(NAMES)))),
)


def draw(stream: list[int], label: int) -> np.ndarray:
    """The factors (K,) of one class, columns `appearance.FACTOR_NAMES`: two colours of a thing, or of ground and sky."""
    rng = np.random.default_rng([*stream, label])
    if label == SCENE:
        hue, light = rng.random(), between(rng, 0.62, 0.9)
        main = oklch(light - between(rng, 0.08, 0.22), between(rng, 0.02, 0.09), hue + between(rng, -0.3, 0.3))
        second = oklch(light, between(rng, 0.02, 0.08), hue)
    else:
        main = cloth(rng)
        second = contrast(rng, main)
    return np.concatenate([main, second, np.eye(len(PATTERNS))[0]]).clip(0, 1).astype(np.float32)


def paint(rng: np.random.Generator, looks: Looks, canvas: Canvas) -> None:
    """The scene, the thing's shadow on the ground, the thing."""
    label = 1 + int(rng.random() * len(NAMES))
    scale, ground = between(rng, 0.31, 0.4), between(rng, 0.82, 0.9)
    centre, flip = between(rng, 0.42, 0.58), 1 if rng.random() < 0.5 else -1
    horizon = ground - between(rng, 0.06, 0.2)
    below, above = looks.factors[SCENE, :3], looks.factors[SCENE, 3:6]
    fall = smooth(0.0, horizon, canvas.y)[..., None]
    sky = above * (0.92 + 0.1 * fall) + 0.06 * fall
    floor = below * (1.06 - 0.22 * smooth(horizon, 1.0, canvas.y)[..., None])
    canvas.rgb[:] = np.where(canvas.y[..., None] < horizon, sky, floor).clip(0, 1)
    under = canvas.egg((centre + 0.03, ground), (0.85 * scale, 0.11 * scale))
    canvas.rgb[under.box] *= (1 - 0.34 * smooth(0.02, -0.05, under.distance))[..., None]
    main, second = looks.factors[label, :3], looks.factors[label, 3:6]
    stage = Stage(canvas, label, centre, ground, scale, flip)
    THINGS[NAMES[label - 1]](stage, main, second, lambda low, high: between(rng, low, high))


RENDERER = Renderer("tokens", 1, CLASSES, FACTOR_NAMES, draw, paint, fineness=128)
