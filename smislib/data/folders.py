"""The `custom` data set: any folder of images with index label PNGs and a class list. See `check.py` for its checks.

ROOT/classes.json            {"names": [...], "palette": [[r, g, b], ...], "ignore_index": 255}, the last two optional
ROOT/classes.txt             or only the names, one a line
ROOT/{train,test}/images/    NAME.png or NAME.jpg
ROOT/{train,test}/labels/    NAME.png, one channel (or a palette) whose value is the class
"""

import json
import warnings
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps
from torch.utils.data import Dataset

from ..config import DataSpec
from ..errors import SmisError, did_you_mean
from .canvas import oklch
from .spec import Classes

SUFFIXES = (".png", ".jpg", ".jpeg")
MEMORY = 2**30  # bytes of decoded images that a split may keep
ASPECT_TOLERANCE = 0.01  # how far width / height may be from the asked one: below, a resize is not seen


class Folder(Dataset):
    """One split of a folder, in the order of its file names, decoded on demand and resized to the spec's size.

    What was decoded stays in memory as bytes if the whole split needs no more than MEMORY.

    [i] gives `image` float32 (3,H,W) in [-1,1], `label_map` int64 (H,W) and `name`. Raises SmisError naming the file
    that cannot be read, has another aspect ratio than the spec or holds a label that is no class.
    """

    def __init__(self, spec: DataSpec, split: str):
        root = root_of(spec)
        self.classes, self.height, self.width = read_classes(root), spec.height, spec.width
        images, labels = (listing(root / split / part) for part in ("images", "labels"))
        stems = sorted(set(images) & set(labels))
        n = spec.n_train if split == "train" else spec.n_test
        if n is not None and n > len(stems):
            raise SmisError(f"{n} {split} images were asked for, but {root / split} holds {len(stems)}.")
        self.pairs = [(images[stem][0], labels[stem][0]) for stem in stems[:n]]
        self.kept = {} if 4 * len(self.pairs) * self.height * self.width <= MEMORY else None

    def __len__(self) -> int:
        return len(self.pairs)

    def __getitem__(self, index: int) -> dict:
        image, label_map = (self.kept or {}).get(index) or self._decode(index)
        return {
            "image": torch.from_numpy(image).movedim(-1, 0).float() / 127.5 - 1,
            "label_map": torch.from_numpy(label_map).long(),
            "name": self.pairs[index][0].stem,
        }

    def _decode(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        image, label = read_pair(*self.pairs[index], self.classes, self.height, self.width)
        size = (self.width, self.height)
        pixels = np.array(image.resize(size, Image.Resampling.BICUBIC))  # Pillow widens the kernel when it shrinks
        label_map = np.array(Image.fromarray(label).resize(size, Image.Resampling.NEAREST))
        if label_map.max() < 256:  # else 16-bit labels with ids of their own: keep them as they are
            label_map = label_map.astype(np.uint8)
        if self.kept is not None:
            self.kept[index] = pixels, label_map
        return pixels, label_map


def root_of(spec: DataSpec) -> Path:
    """The folder of a spec, which must name one that exists."""
    if spec.root is None:
        raise SmisError(f"data set {spec.name!r} needs a folder: give its path as `root`.")
    root = Path(spec.root).expanduser()
    if not root.is_dir():
        raise SmisError(f"{root} is not a folder. The data set {spec.name!r} needs one with classes.json, train/ and test/.")
    return root


def listing(folder: Path) -> dict[str, list[Path]]:
    """The files of a folder by stem (hidden ones apart); empty when there is no such folder."""
    found: dict[str, list[Path]] = {}
    if folder.is_dir():
        for path in sorted(folder.iterdir()):
            if not path.name.startswith("."):
                found.setdefault(path.stem, []).append(path)
    return found


def read_classes(root: Path) -> Classes:
    """The class list of a folder. Without a palette, hues are spread evenly."""
    structured, plain = root / "classes.json", root / "classes.txt"
    if structured.exists():
        values = _read_json(structured)
    elif plain.exists():
        values = {"names": [line.strip() for line in plain.read_text("utf-8").splitlines() if line.strip()]}
    else:
        raise SmisError(
            f'{root} has no class list. Write classes.json, e.g. {{"names": ["sky", "tree"]}}, '
            "or classes.txt with one name a line."
        )
    names, ignore_index = values.get("names"), values.get("ignore_index")
    if not names or not all(isinstance(name, str) for name in names) or len(set(names)) < len(names):
        raise SmisError(f"the class list of {root} must be a list of different names, found {names!r}.")
    if ignore_index is not None and (not isinstance(ignore_index, int) or 0 <= ignore_index < len(names)):
        raise SmisError(f"ignore_index in {structured} must be an integer outside 0..{len(names) - 1}, found {ignore_index!r}.")
    palette = values.get("palette") or spread_palette(len(names))
    if not all(len(c) == 3 and all(isinstance(v, int) and 0 <= v <= 255 for v in c) for c in palette):
        raise SmisError(f"the palette in {structured} must hold [red, green, blue] with integers 0..255, found {palette!r}.")
    return Classes(tuple(names), tuple(tuple(c) for c in palette), ignore_index)


def _read_json(path: Path) -> dict:
    try:
        values = json.loads(path.read_text("utf-8"))
    except ValueError as error:
        raise SmisError(f"{path} is not valid JSON: {error}.") from error
    if isinstance(values, list):
        values = {"names": values}
    if not isinstance(values, dict):
        raise SmisError(f"{path} must hold an object with the key names, found {type(values).__name__}.")
    for key in values:
        if key not in ("names", "palette", "ignore_index"):
            raise did_you_mean(f"key in {path}", key, ("names", "palette", "ignore_index"))
    return values


def spread_palette(n: int) -> tuple[tuple[int, int, int], ...]:
    """n distinct colours: hues one golden section apart, so that neighbours in the list differ the most."""
    return tuple(
        tuple(int(255 * v + 0.5) for v in oklch(0.62 + 0.16 * (i % 3 - 1), 0.13, i * 0.6180339887 % 1)) for i in range(n)
    )


def _open(path: Path) -> Image.Image:
    """A decoded image, turned upright if its EXIF data say so."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            image = Image.open(path)
            image.load()
            return ImageOps.exif_transpose(image)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise SmisError(f"{path} cannot be decoded: {error}. Replace the file or remove it with its partner.") from error


def read_image(path: Path) -> Image.Image:
    """An image as 8-bit RGB, upright; grey, palette and CMYK files are converted."""
    image = _open(path)
    if image.mode.startswith(("I", "F")):
        raise SmisError(f"{path} has {image.mode} pixels; images must have 8 bits a channel. Convert it.")
    if image.has_transparency_data and image.convert("RGBA").getextrema()[3][0] < 255:
        raise SmisError(f"{path} has transparent pixels, whose colour is undefined. Flatten it onto a background.")
    return image.convert("RGB")


def read_label(path: Path) -> np.ndarray:
    """A label map (H,W) as integers. A palette PNG gives its indices, never its colours."""
    if path.suffix.lower() != ".png":
        raise SmisError(f"{path} must be a PNG: other formats change label values.")
    image = _open(path)
    if image.mode not in ("P", "L", "1", "I", "I;16", "I;16B"):
        raise SmisError(
            f"{path} has {len(image.getbands())} channels ({image.mode}); a label PNG has one channel (or a palette) "
            "whose value is the class. Map each colour to its class first."
        )
    return np.array(image).astype(np.int32)


def read_pair(image_path: Path, label_path: Path, classes: Classes, height: int, width: int):
    """(image, label map) at their stored size, after every check that needs their pixels."""
    image, label = read_image(image_path), read_label(label_path)
    if label.shape != image.size[::-1]:
        raise SmisError(
            f"{label_path} is {label.shape[1]}x{label.shape[0]} but its image {image_path.name} is "
            f"{image.width}x{image.height} (width x height); they must agree."
        )
    if abs(image.width / image.height / (width / height) - 1) > ASPECT_TOLERANCE:
        raise SmisError(
            f"{image_path} is {image.width}x{image.height}, of another shape than {width}x{height} (width x height). "
            "Crop or pad it, or choose another size: nothing is cropped or padded here."
        )
    valid = (label >= 0) & (label < len(classes))
    if classes.ignore_index is not None:
        valid |= label == classes.ignore_index
    if not valid.all():
        wrong = np.unique(label[~valid])
        shown = ", ".join(map(str, wrong[:5])) + (" .." if len(wrong) > 5 else "")
        ignored = "" if classes.ignore_index is None else f" or {classes.ignore_index} (ignored)"
        raise SmisError(
            f"{label_path} holds {shown}, expected 0..{len(classes) - 1}{ignored} "
            f"({classes.names[0]} .. {classes.names[-1]}). Remap the label or add the class to the class list."
        )
    return image, label
