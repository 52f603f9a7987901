"""What the stored values of the real data sets mean: value, published name, class it becomes here.

CIHP:       Gong et al., Instance-level Human Parsing via Part Grouping Network; to the 8 classes of SMIS, appendix B
Cityscapes: the ids of cityscapesScripts, license plate last: 35 classes, as in SPADE and SMIS
ADE20K:     SceneParsing release, objectInfo150; "unknown" last: 151 classes, as in SPADE and SMIS
COCO-Stuff: labels.txt, one less in stuffthingmaps; "unknown" last: 183 classes, as in SPADE

and what the labels mean that segmenters predict: trainIds (Cityscapes), 0..149 (ADE20K), ATR (people).
"""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Remap:
    """A named table. `rows`: (stored value, its published name, class)."""

    name: str
    rows: tuple[tuple[int, str, int], ...]

    @property
    def values(self) -> str:
        """The stored values as text: 0..33, 255."""
        stored, runs = sorted(row[0] for row in self.rows), []
        for value in stored:
            if runs and value == runs[-1][1] + 1:
                runs[-1][1] = value
            else:
                runs.append([value, value])
        return ", ".join(f"{a}..{b}" if a < b else f"{a}" for a, b in runs)

    def lookup(self) -> np.ndarray:
        """(256,) int16: the class of every stored value, -1 where the release has none."""
        table = np.full(256, -1, np.int16)
        for value, _, c in self.rows:
            table[value] = c
        return table


def _split(text: str) -> tuple[str, ...]:
    return tuple(" ".join(name.split()) for name in text.split(","))


SMIS_PARTS = ("hair", "face", "skin", "top-clothes", "bottom-clothes", "socks", "shoes", "background")
HAIR, FACE, SKIN, TOP, BOTTOM, SOCKS, SHOES, BACKGROUND = range(8)
SMIS_COLOURS = (
    (84, 60, 48), (232, 190, 172), (205, 133, 99), (66, 110, 180), (58, 72, 102), (196, 178, 92), (40, 40, 44), (226, 226, 226),
)  # fmt: skip

# The paper names the eight classes and says that skin holds hands and legs; hat, glove, glasses, dress, coat and scarf
# are put where they are worn.
CIHP = Remap(
    "CIHP 20 -> SMIS 8",
    (
        (0, "background", BACKGROUND), (1, "hat", HAIR), (2, "hair", HAIR), (3, "glove", SKIN), (4, "sunglasses", FACE),
        (5, "upper clothes", TOP), (6, "dress", TOP), (7, "coat", TOP), (8, "socks", SOCKS), (9, "pants", BOTTOM),
        (10, "torso skin", SKIN), (11, "scarf", TOP), (12, "skirt", BOTTOM), (13, "face", FACE), (14, "left arm", SKIN),
        (15, "right arm", SKIN), (16, "left leg", SKIN), (17, "right leg", SKIN), (18, "left shoe", SHOES),
        (19, "right shoe", SHOES),
    ),
)  # fmt: skip

_CITYSCAPES = (
    ("unlabeled", "000000"), ("ego vehicle", "000000"), ("rectification border", "000000"), ("out of roi", "000000"),
    ("static", "000000"), ("dynamic", "6f4a00"), ("ground", "510051"), ("road", "804080"), ("sidewalk", "f423e8"),
    ("parking", "faaaa0"), ("rail track", "e6968c"), ("building", "464646"), ("wall", "66669c"), ("fence", "be9999"),
    ("guard rail", "b4a5b4"), ("bridge", "966464"), ("tunnel", "96785a"), ("pole", "999999"), ("polegroup", "999999"),
    ("traffic light", "faaa1e"), ("traffic sign", "dcdc00"), ("vegetation", "6b8e23"), ("terrain", "98fb98"),
    ("sky", "4682b4"), ("person", "dc143c"), ("rider", "ff0000"), ("car", "00008e"), ("truck", "000046"), ("bus", "003c64"),
    ("caravan", "00005a"), ("trailer", "00006e"), ("train", "005064"), ("motorcycle", "0000e6"), ("bicycle", "770b20"),
    ("license plate", "00008e"),
)  # fmt: skip
CITYSCAPES_NAMES = tuple(name for name, _ in _CITYSCAPES)
CITYSCAPES_COLOURS = tuple(tuple(bytes.fromhex(colour)) for _, colour in _CITYSCAPES)
CITYSCAPES_THINGS = tuple(range(24, 34))  # person .. bicycle: their instances are told apart
# The id of a license plate is -1. The official tool never paints it, so the plate keeps the id of its car and class 34
# stays empty; a label made by other tools holds -1 as the byte 255.
CITYSCAPES = Remap(
    "Cityscapes labelIds -> 35",
    (*((i, name, i) for i, name in enumerate(CITYSCAPES_NAMES[:-1])), (255, "license plate (-1)", 34)),
)

_ADE20K = _split("""
    wall, building, sky, floor, tree, ceiling, road, bed, windowpane, grass, cabinet, sidewalk, person, earth, door, table,
    mountain, plant, curtain, chair, car, water, painting, sofa, shelf, house, sea, mirror, rug, field, armchair, seat, fence,
    desk, rock, wardrobe, lamp, bathtub, railing, cushion, base, box, column, signboard, chest of drawers, counter, sand, sink,
    skyscraper, fireplace, refrigerator, grandstand, path, stairs, runway, case, pool table, pillow, screen door, stairway,
    river, bridge, bookcase, blind, coffee table, toilet, flower, book, hill, bench, countertop, stove, palm, kitchen island,
    computer, swivel chair, boat, bar, arcade machine, hovel, bus, towel, light, truck, tower, chandelier, awning, streetlight,
    booth, television receiver, airplane, dirt track, apparel, pole, land, bannister, escalator, ottoman, bottle, buffet,
    poster, stage, van, ship, fountain, conveyer belt, canopy, washer, plaything, swimming pool, stool, barrel, basket,
    waterfall, tent, bag, minibike, cradle, oven, ball, food, step, tank, trade name, microwave, pot, animal, bicycle, lake,
    dishwasher, screen, blanket, sculpture, hood, sconce, vase, traffic light, tray, ashcan, fan, pier, crt screen, plate,
    monitor, bulletin board, shower, radiator, glass, clock, flag""")
ADE20K_NAMES = (*_ADE20K, "unknown")
ADE20K = Remap("ADE20K SceneParsing -> 151", ((0, "unknown", 150), *((i + 1, name, i) for i, name in enumerate(_ADE20K))))

# A segmenter of Cityscapes predicts the 19 classes of the benchmark by their trainId, one of ADE20K all but "unknown".
_EVALUATED = (7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33)
CITYSCAPES_TRAIN_IDS = Remap("Cityscapes trainIds 19 -> 35", tuple((i, CITYSCAPES_NAMES[c], c) for i, c in enumerate(_EVALUATED)))
ADE20K_PREDICTED = Remap("ADE20K 150 -> 151", tuple((i, name, i) for i, name in enumerate(_ADE20K)))

# Parsers trained on ATR (Liang et al., 2015) know no socks. A bag is background in CIHP, which has no label for it.
ATR = Remap(
    "ATR 18 -> SMIS 8",
    (
        (0, "background", BACKGROUND), (1, "hat", HAIR), (2, "hair", HAIR), (3, "sunglasses", FACE), (4, "upper clothes", TOP),
        (5, "skirt", BOTTOM), (6, "pants", BOTTOM), (7, "dress", TOP), (8, "belt", BOTTOM), (9, "left shoe", SHOES),
        (10, "right shoe", SHOES), (11, "face", FACE), (12, "left leg", SKIN), (13, "right leg", SKIN), (14, "left arm", SKIN),
        (15, "right arm", SKIN), (16, "bag", BACKGROUND), (17, "scarf", TOP),
    ),
)  # fmt: skip

_COCO_STUFF = _split("""
    person, bicycle, car, motorcycle, airplane, bus, train, truck, boat, traffic light, fire hydrant, street sign, stop sign,
    parking meter, bench, bird, cat, dog, horse, sheep, cow, elephant, bear, zebra, giraffe, hat, backpack, umbrella, shoe,
    eye glasses, handbag, tie, suitcase, frisbee, skis, snowboard, sports ball, kite, baseball bat, baseball glove, skateboard,
    surfboard, tennis racket, bottle, plate, wine glass, cup, fork, knife, spoon, bowl, banana, apple, sandwich, orange,
    broccoli, carrot, hot dog, pizza, donut, cake, chair, couch, potted plant, bed, mirror, dining table, window, desk, toilet,
    door, tv, laptop, mouse, remote, keyboard, cell phone, microwave, oven, toaster, sink, refrigerator, blender, book, clock,
    vase, scissors, teddy bear, hair drier, toothbrush, hair brush, banner, blanket, branch, bridge, building-other, bush,
    cabinet, cage, cardboard, carpet, ceiling-other, ceiling-tile, cloth, clothes, clouds, counter, cupboard, curtain,
    desk-stuff, dirt, door-stuff, fence, floor-marble, floor-other, floor-stone, floor-tile, floor-wood, flower, fog,
    food-other, fruit, furniture-other, grass, gravel, ground-other, hill, house, leaves, light, mat, metal, mirror-stuff,
    moss, mountain, mud, napkin, net, paper, pavement, pillow, plant-other, plastic, platform, playingfield, railing, railroad,
    river, road, rock, roof, rug, salad, sand, sea, shelf, sky-other, skyscraper, snow, solid-other, stairs, stone, straw,
    structural-other, table, tent, textile-other, towel, tree, vegetable, wall-brick, wall-concrete, wall-other, wall-panel,
    wall-stone, wall-tile, wall-wood, water-other, waterdrops, window-blind, window-other, wood""")
COCO_STUFF_NAMES = (*_COCO_STUFF, "unknown")
COCO_STUFF = Remap("COCO-Stuff stuffthingmaps -> 183", (*((i, n, i) for i, n in enumerate(_COCO_STUFF)), (255, "unlabeled", 182)))
