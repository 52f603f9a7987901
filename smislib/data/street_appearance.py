"""What a street's classes look like, each drawn for itself; of people, cars and buses each instance for itself."""

import numpy as np

from .appearance import between, blend, cloth, contrast, pick, tones
from .canvas import oklch
from .spec import Classes
from .texture import factors

SKY, BUILDING, VEGETATION, TERRAIN, ROAD, SIDEWALK, FENCE, POLE, SIGN, PERSON, CAR, BUS = range(12)
CLASSES = Classes(
    names=(
        *("sky", "building", "vegetation", "terrain", "road", "sidewalk"),
        *("fence", "pole", "traffic sign", "person", "car", "bus"),
    ),
    palette=(  # of Cityscapes, where it has the class
        (70, 130, 180),
        (70, 70, 70),
        (107, 142, 35),
        (152, 251, 152),
        (128, 64, 128),
        (244, 35, 232),
        (190, 153, 153),
        (153, 153, 153),
        (220, 220, 0),
        (220, 20, 60),
        (0, 0, 142),
        (0, 60, 100),
    ),
    things=(PERSON, CAR, BUS),
)

STONE = tones("e9dfcd", "d8c4a2", "d9a679", "c77b58", "a8523f", "8c9aa5", "b9b4ac", "6f7d86", "cfd6d8")
FOLIAGE = tones("3f6b35", "5a8a3c", "86a83f", "b9b043", "d99a33", "c9622c", "a8413a", "d98fa8")  # summer, autumn, blossom
GROUND = tones("5f9a48", "86ad4f", "b5a95c", "c2a878", "9a7a57", "e6ebee")  # meadow, straw, sand, earth, snow
ASPHALT = tones("3f4247", "55565a", "6b6a6a", "86827c", "5b6270", "7d6a62")
SIGNS = tones("2459b3", "c62a33", "e9b824", "2d8a57", "e8672b")
ENAMEL = tones(
    "f3f3f0", "b9bec4", "2a2d33", "5d666f", "cdbf9e", "b8252b", "1f4f9c", "e0a526", "2f7d5b", "d9602f", "74a9c9", "7a2f4f"
)


def draw(stream: list[int], label: int) -> np.ndarray:
    """The factors (K,) of one class, or of one instance, from the random `stream`: columns FACTOR_NAMES.

    The second colour is: of the sky, its horizon; of buildings and vegetation, every other one; of the road, its marks; of
    people, below the belt; of cars, the roof; of buses, their stripe; of signs, the rim and symbol. Skin and hair are geometry.
    """
    rng = np.random.default_rng([*stream, label])
    kind = "plain"
    if label == SKY:
        hour = pick(rng, 0.5, 0.22, 0.16, 0.12)  # day, overcast, sunset, dusk
        if hour == 0:
            first = oklch(between(rng, 0.58, 0.76), between(rng, 0.08, 0.13), between(rng, 0.66, 0.72))
            other = oklch(0.92, 0.03, 0.65)
        elif hour == 1:
            first = oklch(between(rng, 0.68, 0.82), between(rng, 0.0, 0.03), rng.random())
            other = first * 0.4 + 0.56
        elif hour == 2:
            first, other = oklch(0.68, 0.09, between(rng, 0.75, 0.95)), oklch(0.86, 0.11, between(rng, 0.08, 0.17))
        else:
            first, other = oklch(0.42, 0.10, between(rng, 0.72, 0.82)), oklch(0.72, 0.09, between(rng, 0.9, 1.08))
        kind = "clouds" if rng.random() < 0.5 else "plain"
    elif label == BUILDING:
        first, other = (blend(STONE, rng.random()) * between(rng, 0.9, 1.05) for _ in range(2))
        if rng.random() < 0.5:
            first = oklch(between(rng, 0.66, 0.86), between(rng, 0.06, 0.13), rng.random())
        kind = ("plain", "bricks", "horizontal")[pick(rng, 0.55, 0.3, 0.15)]
    elif label == VEGETATION:
        first, other = (blend(FOLIAGE, rng.random()) * between(rng, 0.9, 1.1) for _ in range(2))
    elif label == TERRAIN:
        first = blend(GROUND, rng.random())
        other = first * between(rng, 0.82, 0.92) if rng.random() < 0.6 else oklch(0.85, 0.12, rng.random())
        kind = ("plain", "speckles", "horizontal")[pick(rng, 0.4, 0.35, 0.25)]
    elif label == ROAD:
        first = blend(ASPHALT, rng.random())
        other = tones("efeeea")[0] if rng.random() < 0.65 else tones("e8bd4a")[0]
    elif label == SIDEWALK:
        first = oklch(between(rng, 0.62, 0.84), between(rng, 0.0, 0.06), rng.random())
        other = first * between(rng, 0.72, 0.88)
        kind = ("plain", "checks", "bricks", "horizontal")[pick(rng, 0.3, 0.3, 0.25, 0.15)]
    elif label == FENCE:
        first = cloth(rng) if rng.random() < 0.5 else blend(STONE, rng.random())
        other = first * between(rng, 0.5, 0.75)
        kind = ("vertical", "horizontal", "bricks", "plain")[pick(rng, 0.4, 0.2, 0.2, 0.2)]
    elif label == POLE:
        first = oklch(between(rng, 0.3, 0.75), between(rng, 0.0, 0.07), rng.random())
        other = oklch(0.95, between(rng, 0.0, 0.1), between(rng, 0.1, 0.25))  # its lamp
    elif label == SIGN:
        first = SIGNS[pick(rng, *np.ones(len(SIGNS)))]
        other = tones("f4f4f2")[0] if rng.random() < 0.7 else tones("26282c")[0]
    elif label == PERSON:
        first, other = cloth(rng), cloth(rng) * between(rng, 0.55, 0.95)
        kind = ("plain", "horizontal", "checks")[pick(rng, 0.75, 0.15, 0.1)]
    elif label == CAR:
        first = ENAMEL[pick(rng, *np.ones(len(ENAMEL)))] * between(rng, 0.92, 1.04)
        other = first if rng.random() < 0.75 else tones("f3f3f0", "2a2d33")[pick(rng, 1, 1)]
    else:
        first = oklch(between(rng, 0.5, 0.84), between(rng, 0.09, 0.17), rng.random())
        other = tones("f3f3f0")[0] if rng.random() < 0.5 else contrast(rng, first)
        kind = "horizontal"
    return factors(first, other, kind)
