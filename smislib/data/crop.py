"""One's own pictures, of any shape, cut to one: `smis data crop`."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image
from tqdm import tqdm

from .. import atomic
from ..errors import SmisError
from .folders import decode, entries, shape_fault
from .formats import custom


def crop(source: str | Path, target: str | Path, aspect: float = 1.0) -> Path:
    """The centre of every picture of a `custom` folder and of its labels, as a new folder `target`, all or nothing.

    aspect: width / height of what is cut out, which is the largest that fits. Pixels stay as they are.
    Raises SmisError for a folder without pictures, for one that cannot be read, and where `target` exists.
    """
    source, target = Path(source).expanduser(), Path(target).expanduser()
    if not aspect > 0:
        raise SmisError(f"the aspect is width / height, above 0; found {aspect}.")
    form = replace(custom(source), exact=False)
    found = [(split, entry) for split in ("train", "test") for entry in entries(source, form, split)]
    if not found:
        raise SmisError(f"{source} has no pictures with labels: {{train,test}}/images/NAME.jpg, {{train,test}}/labels/NAME.png.")
    with atomic.folder(target) as made:
        for split, entry in tqdm(found, f"cropping {len(found)} pictures", delay=1, leave=False):
            decoded = decode(entry)
            if wrong := shape_fault(entry, decoded, form, 1, 1):
                raise SmisError(wrong[1])
            box = centre(decoded.image.size, aspect)
            for kind, picture in (("images", decoded.image), ("labels", Image.fromarray(_as_png(decoded.label)))):
                folder = made / split / kind
                folder.mkdir(parents=True, exist_ok=True)
                picture.crop(box).save(folder / f"{entry.key}.png")
        for name in ("classes.json", "classes.txt"):
            if (source / name).exists():
                shutil.copy(source / name, made)
    return target


def _as_png(label: np.ndarray) -> np.ndarray:
    """In 8 bits, or in 16, which is what a PNG has."""
    return label if label.dtype == np.uint8 else label.astype(np.uint16)


def centre(size: tuple[int, int], aspect: float) -> tuple[int, int, int, int]:
    """Left, top, right, bottom of the largest centred box of an aspect in a picture of (width, height)."""
    width, height = size
    w, h = max(1, min(width, round(height * aspect))), max(1, min(height, round(width / aspect)))
    left, top = (width - w) // 2, (height - h) // 2
    return left, top, left + w, top + h
