"""Four images a split, in exactly the layout of each real data set: mannequins whose parts bear the labels of that set."""

import json
from pathlib import Path

import numpy as np
from PIL import Image

from smislib.data import mannequins
from smislib.data.appearance import ARMS, BACKGROUND, FACE, HAIR, LEGS, LOWER, SHOES, UPPER

PARTS = (BACKGROUND, HAIR, FACE, ARMS, UPPER, LOWER, LEGS, SHOES)
STORED = {  # the value that each part is stored as
    "deepfashion": dict(zip(PARTS, (0, 2, 13, 14, 5, 9, 16, 18), strict=True)),
    "cityscapes": dict(zip(PARTS, (7, 23, 24, 25, 26, 11, 33, 8), strict=True)),
    "ade20k": dict(zip(PARTS, (0, 5, 13, 150, 1, 2, 21, 4), strict=True)),
    "coco_stuff": dict(zip(PARTS, (255, 0, 181, 91, 90, 61, 1, 2), strict=True)),
}
N = 4  # of each split


def make(name: str, root: Path, size: int = 32, n: int = N) -> Path:
    """Writes the tree of `name` under `root`; returns the folder to give as its root."""
    for split in ("train", "test"):
        for i in range(n):
            image, label = _picture(name, split, i, size)
            WRITERS[name](root, split, i, image, label)
    return root


def make_coco_as_spade(root: Path) -> Path:
    """COCO-Stuff in SPADE's layout, with its instance maps: labels, and numbers from 0 where there is a thing."""
    for split, word in (("train", "train"), ("test", "val")):
        for i in range(N):
            image, label = _picture("coco_stuff", split, i, 32)
            _save(root / f"{word}_img" / f"{i:012d}.jpg", image, quality=95)
            _save(root / f"{word}_label" / f"{i:012d}.png", label)
            _save(root / f"{word}_inst" / f"{i:012d}.png", np.where(label < 91, 3, label).astype(np.uint8))
    return root


def _picture(name: str, split: str, index: int, size: int) -> tuple[np.ndarray, np.ndarray]:
    """An image (H,W,3) and its stored labels (H,W); for Cityscapes two mannequins side by side."""
    indices = (2 * index, 2 * index + 1) if name == "cityscapes" else (index,)
    pictures = [mannequins.render(0, split, i, size) for i in indices]
    table = np.array([STORED[name][part] for part in range(8)], np.uint8)
    return np.concatenate([p["image"] for p in pictures], 1), table[np.concatenate([p["label_map"] for p in pictures], 1)]


def _save(path: Path, pixels: np.ndarray, **options) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, **options)


def _deepfashion(root, split, i, image, label):
    name = f"fashionWOMENDressesid000000{i:02d}02_1front"
    _save(root / split / f"{name}.jpg", image, quality=95)
    _save(root / f"cihp_{split}_mask" / f"{name}.png", label)


def _cityscapes(root, split, i, image, label):
    word, city = ("train", ("aachen", "bochum")[i % N // 2]) if split == "train" else ("val", "frankfurt")
    key = f"{city}_{i:06d}_000019"
    _save(root / "leftImg8bit" / word / city / f"{key}_leftImg8bit.png", image)
    truth = root / "gtFine" / word / city
    _save(truth / f"{key}_gtFine_labelIds.png", label)
    _save(truth / f"{key}_gtFine_instanceIds.png", instances(label))
    _save(truth / f"{key}_gtFine_color.png", np.dstack([image, np.full(label.shape, 255, np.uint8)]))
    (truth / f"{key}_gtFine_polygons.json").write_text(json.dumps({"imgHeight": len(label), "imgWidth": 64, "objects": []}))


def instances(label: np.ndarray) -> np.ndarray:
    """Things (24..33) as label * 1000 + number, 0 for the left and 1 for the right mannequin; the rest as they are."""
    number = np.arange(label.shape[1]) >= label.shape[1] // 2
    return np.where(label >= 24, label.astype(np.uint16) * 1000 + number, label).astype(np.uint16)


def _ade20k(root, split, i, image, label):
    folder, name = ("training", "ADE_train") if split == "train" else ("validation", "ADE_val")
    rows = slice(None, (3 * len(label)) // 4) if i else slice(None)  # pictures of several shapes, as in the release
    _save(root / "images" / folder / f"{name}_{i + 1:08d}.jpg", image[rows], quality=95)
    _save(root / "annotations" / folder / f"{name}_{i + 1:08d}.png", label[rows])
    (root / "objectInfo150.txt").write_text("Idx\tRatio\tTrain\tVal\tName\n")
    (root / "sceneCategories.txt").write_text("ADE_train_00000001 street\n")


def _coco_stuff(root, split, i, image, label):
    folder = "train2017" if split == "train" else "val2017"
    _save(root / "images" / folder / f"{i:012d}.jpg", image, quality=95)
    _save(root / "annotations" / folder / f"{i:012d}.png", label)


def make_pairs(root: Path, size: int = 32, n: int = N) -> Path:
    """An A|B folder: pictures left, their parts in grey right."""
    for split in ("train", "test"):
        for i in range(n):
            image, label = _picture("deepfashion", split, i, size)
            _save(root / split / f"{i}.jpg", np.concatenate([image, np.repeat(label[..., None] * 12, 3, 2)], 1))
    return root


WRITERS = {"deepfashion": _deepfashion, "cityscapes": _cityscapes, "ade20k": _ade20k, "coco_stuff": _coco_stuff}
