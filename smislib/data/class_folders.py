"""Folders of images of one class each: `imagenet`, and `classes` for one's own.

imagenet   ROOT/train/CLASS/*.JPEG     ROOT/val/CLASS/*.JPEG, or test
classes    ROOT/train/CLASS/*.png      ROOT/test/CLASS/*.png, or val
           or ROOT/train/*.png         ROOT/test/*.png, with ROOT/labels.csv: a header `file,class`, then `train/0001.png,cat`.
                                       What it does not list of train is not labelled; of test it must list everything.

Classes are in the order of their names. A split's images are spread over its classes, so that the first n of them, which
`n_train` and `n_test` ask for, hold every class by its share.
"""

import csv
import os
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps
from torch.utils.data import Dataset
from tqdm import tqdm

from ..config import DataSpec
from ..errors import SmisError
from . import folders
from .custom import spread_palette
from .formats import PICTURES
from .pictures import Stored, as_tensor
from .presized import decoders
from .spec import UNLABELLED, Classes

TABLE, HEADER = "labels.csv", ["file", "class"]
SPLITS = {  # the folder of each split: the first that is there
    "imagenet": {"train": ("train",), "test": ("val", "test")},
    "classes": {"train": ("train",), "test": ("test", "val")},
}
PUBLISHED = {"imagenet": {"train": 1281167, "test": 50000}}
IMAGENET_CLASSES = 1000
SUFFIXES = (*PICTURES, ".jpeg")


@dataclass(frozen=True)
class Listing:
    """What a folder holds, by the names of its files: class names, and of each split the files and their labels.

    Files are text, such as train/ant/0.png, and below `root`: a million paths take a minute.
    """

    root: Path
    names: tuple[str, ...]
    files: dict[str, list[str]]
    labels: dict[str, list[int]]
    by: str  # "folder", or the name of the table

    @property
    def classes(self) -> Classes:
        return Classes(self.names, spread_palette(len(self.names)), UNLABELLED, whole=True)


class ClassFolder(Dataset):
    """One split: [i] gives `image` float32 (3,H,W) in [-1,1], `label`, an int64 scalar, and `name`; `.labels` int64 (n,).

    Of `imagenet` the shorter side is resized to the spec's size, without aliases, and the middle cut out. Images of `classes`
    must all have one size, and are resized as a whole where that is not the spec's. What was decoded stays in memory as bytes
    if the whole split needs no more than `folders.MEMORY`.

    Raises SmisError as `listing` does; for images of different sizes, for another shape than asked for, and for more images
    than there are; and, when it comes to it, for a file that cannot be decoded.
    """

    def __init__(self, spec: DataSpec, split: str):
        self.spec, found = spec, listing(spec)
        if spec.name == "classes":
            one_size(found, spec)
        n, files = spec.n_train if split == "train" else spec.n_test, found.files[split]
        if n is not None and not 1 <= n <= len(files):
            raise SmisError(f"{n} {split} images were asked for, but {found.root} holds {len(files)} in that split.")
        self.root, self.files = found.root, files[:n]
        self.labels = torch.tensor(found.labels[split][:n])
        self.kept = {} if 3 * len(self.files) * spec.height * spec.width <= folders.MEMORY else None

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> dict:
        if not 0 <= index < len(self):
            raise IndexError(f"sample {index} of {len(self)}")
        image = as_tensor(self.decode(index))
        return {"image": image, "label": self.labels[index], "name": self.files[index].rpartition(".")[0]}

    def decode(self, index: int) -> np.ndarray:
        """The image, uint8 (H,W,3)."""
        if self.kept and index in self.kept:
            return self.kept[index]
        image, size = folders.read_image(self.root / self.files[index]), (self.spec.width, self.spec.height)
        if self.spec.name == "imagenet":
            image = ImageOps.fit(image, size, Image.Resampling.BICUBIC)  # Pillow widens the kernel when it shrinks
        elif image.size != size:
            image = image.resize(size, Image.Resampling.BICUBIC)
        pixels = np.array(image)
        if self.kept is not None:
            self.kept[index] = pixels
        return pixels


def classes(spec: DataSpec) -> Classes:
    """The label set of a folder. ImageNet has 1,000 classes, for a rehearsal also without its folder."""
    if spec.name == "imagenet" and spec.root is None:
        names = tuple(f"class {c}" for c in range(IMAGENET_CLASSES))
        return Classes(names, spread_palette(IMAGENET_CLASSES), UNLABELLED, whole=True)
    return listing(spec).classes


def listing(spec: DataSpec) -> Listing:
    """The classes and files of a folder, none of which is opened.

    Raises SmisError for a folder that is missing or has not both splits, an empty class folder, a class of which one split
    alone has images, and a table of labels that does not fit the files.
    """
    if spec.root is None:
        raise SmisError(f"data set {spec.name!r} needs its folder: --root FOLDER, with train/ and {_held_out(spec)}/ in it.")
    root = Path(spec.root).expanduser()
    if not root.is_dir():
        raise SmisError(f"{root} is not a folder. The data set {spec.name!r} needs one with train/ and {_held_out(spec)}/ in it.")
    places = {split: _place(root, words) for split, words in SPLITS[spec.name].items()}
    table = root / TABLE
    if spec.name == "classes" and table.exists():
        named, by = _by_table(table, places), TABLE
    else:
        named, by = {split: _by_folder(place) for split, place in places.items()}, "folder"
    there = {split: {name for name in by_file.values() if name is not None} for split, by_file in named.items()}
    for split, other in (("train", "test"), ("test", "train")):
        if alone := sorted(there[split] - there[other]):
            raise SmisError(
                f"class {alone[0]!r} has images in {places[split]} but none in {places[other]}"
                + (f", and so have {len(alone) - 1} more" if len(alone) > 1 else "")
                + ". Both splits must have the same classes: add its images or remove it."
            )
    names = tuple(sorted(there["train"]))
    number = {None: UNLABELLED} | {name: c for c, name in enumerate(names)}
    spread = {split: _spread({file: number[name] for file, name in by_file.items()}) for split, by_file in named.items()}
    files, labels = ({split: [*take(s)] for split, s in spread.items()} for take in (dict.keys, dict.values))
    return Listing(root, names, files, labels, by)


def one_size(found: Listing, spec: DataSpec, sizes: list[tuple[int, int]] | None = None) -> tuple[int, int]:
    """(width, height) of all images, which `sizes` gives where they are known; else read from their headers.

    Raises SmisError that names two files of different sizes, a file that is no image, or one of another shape than the spec's.
    """
    files, sizes = [file for split in found.files.values() for file in split], sizes or _sizes(found, folders.header)
    width, height = sizes[0]
    for file, size in zip(files, sizes, strict=True):
        if size != (width, height):
            raise SmisError(
                f"{found.root / files[0]} is {width}x{height} but {found.root / file} is {size[0]}x{size[1]} (width x height): "
                "all images must have one size. Crop or resize them: nothing is cropped here."
            )
    if abs(width / height / (spec.width / spec.height) - 1) > folders.ASPECT_TOLERANCE:
        raise SmisError(
            f"the images of {found.root} are {width}x{height}, of another shape than {spec.width}x{spec.height} "
            "(width x height). Crop or pad them, or choose another size: data.height and data.width."
        )
    return width, height


def report(spec: DataSpec) -> str:
    """What `smis data check` says of a folder: classes, images of each split, their sizes. Every image is decoded.

    Raises SmisError as `ClassFolder` does.
    """
    found = listing(spec)
    sizes = _sizes(found, folders.read_image)
    if spec.name == "classes":
        one_size(found, spec, sizes)
    lines = [f"{found.root}: {len(found.names)} classes by {found.by}, {found.names[0]} .. {found.names[-1]}"]
    for split, labels in found.labels.items():
        counts = Counter(labels)
        unlabelled = counts.pop(UNLABELLED, 0)
        published = PUBLISHED.get(spec.name, {}).get(split)
        lines.append(
            f"{split:<8}{len(labels)} images, {min(counts.values())} to {max(counts.values())} of a class"
            + (f", {unlabelled} not labelled" if unlabelled else "")
            + (f"   published: {published}" if published else "")
        )
    common = Counter(sizes).most_common(5)
    lines.append("sizes   " + ", ".join(f"{w}x{h} ({n})" for (w, h), n in common[:4]) + " .." * (len(common) > 4))
    return "\n".join([*lines, "no faults"])


def _held_out(spec: DataSpec) -> str:
    return "/ or ".join(SPLITS[spec.name]["test"])


def _place(root: Path, words: tuple[str, ...]) -> Path:
    found = next((root / word for word in words if (root / word).is_dir()), None)
    if found is None:
        raise SmisError(f"{root} has no folder {' or '.join(words)}; expected one with a folder of images for each class in it.")
    return found


def _images(folder: Path) -> list[str]:
    """The names of the images in a folder."""
    with os.scandir(folder) as found:
        return sorted(e.name for e in found if e.name.lower().endswith(SUFFIXES) and not e.name.startswith("."))


def _class_folders(place: Path) -> list[Path]:
    return sorted(path for path in place.iterdir() if path.is_dir() and not path.name.startswith("."))


def _by_folder(place: Path) -> dict[str, str | None]:
    """The images of a split and the names of their classes, which are those of their folders."""
    within = _class_folders(place)
    if not within:
        flat = len(_images(place))
        hint = (
            f"its {flat} images have no class: sort them into folders, or name their classes in {TABLE}"
            if flat
            else "it is empty"
        )
        raise SmisError(f"{place} holds no class folders; {hint}. Expected {place}/CLASS/*{'|*'.join(SUFFIXES)}.")
    if beside := _images(place):
        raise SmisError(f"{place / beside[0]} lies beside the class folders of {place}, so it has no class. Move it into one.")
    named = {}
    for folder in within:
        images = _images(folder)
        if not images:
            raise SmisError(f"the class folder {folder} holds no images (*{' or *'.join(SUFFIXES)}). Fill or remove it.")
        named |= dict.fromkeys([f"{place.name}/{folder.name}/{image}" for image in images], folder.name)
    return named


def _by_table(table: Path, places: dict[str, Path]) -> dict[str, dict[str, str | None]]:
    """Likewise from the table of labels; class folders, where there are some, must say the same."""
    named = {
        split: _by_folder(place) if _class_folders(place) else dict.fromkeys(f"{place.name}/{image}" for image in _images(place))
        for split, place in places.items()
    }
    for split, place in places.items():
        if not named[split]:
            raise SmisError(f"{place} holds no images (*{' or *'.join(SUFFIXES)}).")
    line_of: dict[str, int] = {}
    for line, (given, name) in _rows(table):
        where, given = f"{table}, line {line}", given.removeprefix("./")
        found = [(split, given) for split in places if given in named[split]]
        found = found or [(s, f"{place.name}/{given}") for s, place in places.items() if f"{place.name}/{given}" in named[s]]
        if len(found) != 1:
            many = f"is in {' and in '.join(str(places[split]) for split, _ in found)}" if found else "is not there"
            raise SmisError(f"{where}: {given!r} {many}. Give its path in {table.parent}, as train/0001.png.")
        ((split, file),) = found
        if not name:
            raise SmisError(f"{where}: {file!r} has no class. Give one, or take the line out: the image is then not labelled.")
        if file in line_of:
            raise SmisError(f"{where}: {file!r} was listed before, in line {line_of[file]}. Remove one of them.")
        if (known := named[split][file]) not in (None, name):
            raise SmisError(f"{where}: {file!r} is of class {name!r}, but lies in the folder {known!r}. Correct one.")
        line_of[file], named[split][file] = line, name
    if without := [file for file, name in named["test"].items() if name is None]:
        more = f" and {len(without) - 1} more are" if len(without) > 1 else " is"
        raise SmisError(f"{table.parent / without[0]}{more} not in {table.name}, which must give the class of every test image.")
    if not line_of:
        raise SmisError(f"{table} lists no file; expected lines as train/0001.png,cat.")
    return named


def _rows(table: Path) -> list[tuple[int, list[str]]]:
    try:
        with table.open(encoding="utf-8-sig", newline="") as file:
            rows = [(line, [cell.strip() for cell in row]) for line, row in enumerate(csv.reader(file), 1) if row]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise SmisError(f"{table} is no table of comma-separated values in UTF-8: {error}.") from error
    if not rows or rows[0][1] != HEADER:
        found = ",".join(rows[0][1]) if rows else "nothing"
        raise SmisError(f"{table} must begin with the line {','.join(HEADER)!r}, found {found!r}.")
    for line, row in rows:
        if len(row) != len(HEADER):
            raise SmisError(f"{table}, line {line}: expected a file and its class, found {len(row)} values: {','.join(row)!r}.")
    return rows[1:]


def _spread(labelled: dict[str, int]) -> dict[str, int]:
    """The same in another order: every class, and what is not labelled, at even distances from beginning to end."""
    counts, seen, position = Counter(labelled.values()), Counter(), {}
    for file, label in labelled.items():
        position[file] = (seen[label] + 0.5) / counts[label]
        seen[label] += 1
    return dict(sorted(labelled.items(), key=lambda item: (position[item[0]], item[1])))


def _sizes(found: Listing, read: Callable[[Path], Stored | Image.Image]) -> list[tuple[int, int]]:
    """(width, height) of every image when it is upright, in the order of the splits."""
    files = [found.root / file for split in found.files.values() for file in split]

    def size(path: Path) -> tuple[int, int]:
        image = read(path)
        return image.upright if isinstance(image, Stored) else image.size

    with ThreadPoolExecutor(decoders()) as pool:
        return [*tqdm(pool.map(size, files), "reading images", len(files), delay=1, leave=False)]
