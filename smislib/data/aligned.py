"""Aligned pairs in the common format of pix2pix: images that hold A in their left and B in their right half.

ROOT/train/NAME.jpg          twice as wide as what is in a half
ROOT/test/NAME.jpg           or ROOT/val, where there is no test

One half is the `input`, the other the `image`; which, is part of the data set's name. There are no labels.
"""

from pathlib import Path

import numpy as np
from PIL import Image
from torch.utils.data import Dataset

from ..config import DataSpec
from ..errors import SmisError
from . import folders
from .formats import PICTURES
from .pictures import as_tensor
from .spec import Classes

INPUT_SIDE = {  # name -> the half that is the input: A (left) or B (right)
    "aligned": "A",
    "aligned_ba": "B",
    "facades": "B",  # photographs left, architectural labels right
    "maps": "A",  # aerial photographs left, maps right
    "maps_to_aerial": "B",
    "cityscapes_pairs": "B",  # photographs left, labels right
}
FOLDERS = {"maps_to_aerial": "maps"}  # in DATA_ROOT, where that is not the name
PUBLISHED = {  # images of train and test (pix2pix appendix 6.2)
    "facades": (400, 106),
    "maps": (1096, 1098),
    "maps_to_aerial": (1096, 1098),
    "cityscapes_pairs": (2975, 500),
}
SPLITS = {"train": ("train",), "test": ("test", "val")}  # the first that is there
CLASSES = Classes((), (), picture=3)  # pictures alone
SHOWN = 10  # faults that an error message lists


class Aligned(Dataset):
    """One split of an A|B folder: [i] gives `input` and `image`, float32 (3,H,W) in [-1,1], and `name`.

    A half is resized to the spec's size as a whole. Raises SmisError that lists the files at fault: of odd width, with other
    channels than RGB, unreadable.
    """

    def __init__(self, spec: DataSpec, split: str):
        self.spec, self.side = spec, INPUT_SIDE[spec.name]
        self.files = files(spec, split)
        _check(self.files)

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> dict:
        if not 0 <= index < len(self):
            raise IndexError(f"sample {index} of {len(self)}")
        path = self.files[index]
        both = folders.read_image(path)
        half, size = both.width // 2, (self.spec.width, self.spec.height)
        boxes = {"A": (0, 0, half, both.height), "B": (half, 0, both.width, both.height)}
        pixels = {side: both.crop(box).resize(size, Image.Resampling.BICUBIC) for side, box in boxes.items()}
        A, B = (as_tensor(np.array(pixels[side])) for side in "AB")
        pair = {"input": A, "image": B} if self.side == "A" else {"input": B, "image": A}
        return {**pair, "name": path.stem}


def files(spec: DataSpec, split: str) -> list[Path]:
    """The images of a split, by name. Raises SmisError for a folder that is missing, empty, or has fewer than asked for."""
    if spec.root is None:
        raise SmisError(f"data set {spec.name!r} needs its folder: --root FOLDER, with train/ and test/ (or val/) in it.")
    root = Path(spec.root).expanduser()
    folder = next((root / word for word in SPLITS[split] if (root / word).is_dir()), None)
    if folder is None:
        raise SmisError(f"{root} has no folder {' or '.join(SPLITS[split])}; expected A|B images (*{'|*'.join(PICTURES)}) in it.")
    found = sorted(path for path in folder.iterdir() if path.suffix.lower() in PICTURES and not path.name.startswith("."))
    if not found:
        raise SmisError(f"{folder} holds no images (*{' or *'.join(PICTURES)}).")
    n = spec.n_train if split == "train" else spec.n_test
    if n is not None and n > len(found):
        raise SmisError(f"{n} {split} images were asked for, but {folder} holds {len(found)}.")
    return found[:n]


def report(spec: DataSpec) -> str:
    """What `smis data check` says of an A|B folder. Raises SmisError that lists the files at fault."""
    counts = {}
    for split in SPLITS:
        found = files(spec, split)
        _check(found, decode=True)
        counts[split] = f"{split} {len(found)}"
    return f"{spec.root}: A|B images, input {INPUT_SIDE[spec.name]}: {', '.join(counts.values())}\nno faults"


def _check(found: list[Path], decode: bool = False) -> None:
    """Raise SmisError that lists the files at fault."""
    faults = [message for path in found if (message := fault(path, decode))]
    if faults:
        more = [f"and {len(faults) - SHOWN} more"] * (len(faults) > SHOWN)
        lines = "\n".join(f"  {line}" for line in [*faults[:SHOWN], *more])
        raise SmisError(f"{found[0].parent} has {len(faults)} fault(s):\n{lines}")


def fault(path: Path, decode: bool = False) -> str | None:
    """What is wrong with one A|B image; its header is enough to see most of it."""
    try:
        found = folders.header(path)
        if decode:
            folders.read_image(path)
    except SmisError as error:
        return str(error)
    (width, height), bands = found.size, found.bands
    if found.orientation != 1:
        return f"{path} has EXIF orientation {found.orientation}: A and B must lie side by side as stored. Save it without."
    if width % 2:
        return f"{path} is {width}x{height} (width x height): the width must be even, A left and B right of the middle."
    if bands != ("R", "G", "B"):
        return f"{path} has {len(bands)} channel(s) ({''.join(bands)}), expected 3 (RGB): convert it."
    return None
