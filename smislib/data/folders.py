"""Reading a real data set, whichever `formats.py` describes: its files by name, decoded, checked and resized.

What is not as its format says is an error that names the file; nothing is padded, clamped or skipped.
"""

import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch.utils.data import Dataset

from ..config import DataSpec, content_hash
from ..errors import SmisError
from .formats import Files, Format, Tree, format_of, root_of
from .pictures import Stored, as_rgb, as_tensor, refuse_turned, stored
from .presized import Presized

MEMORY = 2**30  # bytes of decoded images that a split may keep
PARTS = ("classes.json", "classes.txt", "labels.csv", "train", "test", "val")  # of one's own data set
TURNED = "smis orientation"  # key of what `read_image` says of a file
ASPECT_TOLERANCE = 0.01  # how far width / height may be from the asked one: below, a resize is not seen


@dataclass(frozen=True)
class Entry:
    """The files of one sample."""

    key: str
    image: Path
    label: Path
    instance: Path | None = None


@dataclass(frozen=True)
class Decoded:
    """What is in them: an RGB image, the stored labels (H,W) and instances (H,W), as integers."""

    image: Image.Image
    label: np.ndarray
    instance: np.ndarray | None = None


class Folder(Dataset):
    """One split of a real data set, in the order of its file names, decoded on demand and resized to the spec's size.

    What was decoded stays in memory as bytes if the whole split needs no more than MEMORY. Where `smis data cache` has
    resized the split before, nothing is decoded.

    [i] gives `image` float32 (3,H,W) in [-1,1], `label_map` int64 (H,W), `name`, and `instance_map` int64 (H,W) where the
    format has one. Raises SmisError naming the file that cannot be read or is not as its format says.
    """

    def __init__(self, spec: DataSpec, split: str):
        root, self.format = root_of(spec), format_of(spec)
        self.height, self.width = spec.height, spec.width
        found = entries(root, self.format, split)
        n = spec.n_train if split == "train" else spec.n_test
        if n is not None and n > len(found):
            raise SmisError(f"{n} {split} images were asked for, but {root} holds {len(found)} in that split.")
        key = content_hash([str(root.resolve()), self.format.title, spec.height, spec.width, state(root, self.format, split)])
        self.presized = Presized(f"{spec.name}-{split}-{spec.width}x{spec.height}-{key}", len(found))
        self.entries = found[:n]
        self.kept = {} if 8 * len(self.entries) * self.height * self.width <= MEMORY else None

    def __len__(self) -> int:
        return len(self.entries)

    def __getitem__(self, index: int) -> dict:
        arrays = self.presized[index] if self.presized.exists else self.decode(index)
        maps = {key: torch.from_numpy(arrays[key]).long() for key in ("label_map", "instance_map") if key in arrays}
        image = as_tensor(arrays["image"])
        return {"image": image, **maps, "name": self.entries[index].key}

    def decode(self, index: int) -> dict[str, np.ndarray]:
        """`image` uint8 (H,W,3), `label_map` and, where there is one, `instance_map`, integers (H,W)."""
        if self.kept and index in self.kept:
            return self.kept[index]
        entry = self.entries[index]
        found = decode(entry)
        if wrong := shape_fault(entry, found, self.format, self.height, self.width):
            raise SmisError(wrong[1])
        label = nearest(found.label, self.height, self.width)
        instance = None if found.instance is None else nearest(found.instance, self.height, self.width)
        wrong = label_fault(entry.label, counted(label), self.format)
        if wrong := wrong or instance_fault(entry, label, instance, self.format):  # `check` saw every pixel
            raise SmisError(wrong)
        # Pillow widens the kernel when it shrinks
        pixels = found.image.resize((self.width, self.height), Image.Resampling.BICUBIC)
        arrays = {"image": np.array(pixels), "label_map": self.format.class_map(label)}
        if instance is not None:
            arrays["instance_map"] = instance
        if self.kept is not None:
            self.kept[index] = arrays
        return arrays


# --- names ------------------------------------------------------------------------------------------------------------


def tree_of(root: Path, form: Format) -> Tree:
    """The first of the format's layouts whose training or test images are there; else its first."""
    found = (t for t in form.trees if any(folders(root, t.image, word) for word in (t.train, t.test)))
    return next(found, form.trees[0])


def kinds(tree: Tree, split: str) -> dict[str, tuple[Files, str]]:
    """What belongs to every sample: image, label, and instance where the layout has it, with the word for `{split}`."""
    word = tree.train if split == "train" else tree.test
    found = {"image": tree.image, "label": tree.label} | ({"instance": tree.instance} if tree.instance else {})
    return {kind: (files, word) for kind, files in found.items()}


def folders(root: Path, files: Files, word: str) -> list[Path]:
    """The folders that hold them."""
    return sorted(path for path in root.glob(files.folder.format(split=word)) if path.is_dir())


def listing(root: Path, files: Files, word: str) -> tuple[dict[str, list[Path]], list[Path]]:
    """(the files by key, what does not belong beside them); hidden files are neither."""
    found: dict[str, list[Path]] = {}
    strays = []
    for folder in folders(root, files, word):
        for path in sorted(folder.iterdir()):
            name = path.name.lower()
            tail = next((t for t in files.tails if name.endswith(t.lower())), None)
            if path.name.startswith("."):
                continue
            if tail and path.is_file():
                found.setdefault(path.name[: -len(tail)], []).append(path)
            elif not name.endswith(tuple(t.lower() for t in files.beside)):
                strays.append(path)
    return found, strays


def entries(root: Path, form: Format, split: str) -> list[Entry]:
    """The samples of a split whose files are all there, by name."""
    found = {kind: listing(root, files, word)[0] for kind, (files, word) in kinds(tree_of(root, form), split).items()}
    keys = set.intersection(*(set(paths) for paths in found.values()))
    return [Entry(key, **{kind: paths[key][0] for kind, paths in found.items()}) for key in sorted(keys)]


def state(root: Path, form: Format, split: str) -> list:
    """Name, size and time of every file beside the samples: changes when a file does."""
    places = {folder for files, word in kinds(tree_of(root, form), split).values() for folder in folders(root, files, word)}
    files = sorted(path for folder in places for path in folder.iterdir() if path.is_file())
    return [[str(path.relative_to(root)), (found := path.stat()).st_size, found.st_mtime_ns] for path in files]


def contents(root: Path) -> str:
    """Sixteen hex digits over names and sizes of a data set's files: not over their times, so that a copy of it has the same."""
    root = root.expanduser()  # which may hold more: the run store
    found = [path for part in PARTS for path in (root / part, *(root / part).rglob("*")) if path.is_file()]
    seen = sorted((path.relative_to(root).as_posix(), path.stat().st_size) for path in found if path.name[0] != ".")
    return content_hash(seen)


# --- pixels -----------------------------------------------------------------------------------------------------------


def decode(entry: Entry) -> Decoded:
    """The pixels of a sample, at their stored size. Raises SmisError naming the file that cannot be read."""
    instance = None if entry.instance is None else read_instance(entry.instance)
    return Decoded(read_image(entry.image), read_label(entry.label), instance)


def shape_fault(entry: Entry, found: Decoded, form: Format, height: int, width: int) -> tuple[Path, str] | None:
    """(file, message) when the sizes of a sample's files differ, or its aspect from the asked one in an exact format."""
    image = found.image
    for path, values in ((entry.label, found.label), (entry.instance, found.instance)):
        if values is not None and values.shape != image.size[::-1]:
            message = (
                f"{path} is {values.shape[1]}x{values.shape[0]} but its image {entry.image.name} is "
                f"{image.width}x{image.height} (width x height); they must agree."
            )
            return path, message  # ty: ignore[invalid-explicit-return]
    turned = image.info.get(TURNED, 1)
    if 1 < turned < 5 or (turned >= 5 and image.width == image.height):  # else the sizes, which agree, have told
        message = (
            f"{entry.image} has EXIF orientation {turned}: whether {entry.label.name} is of the picture as stored or as shown "
            "cannot be told. Save the image upright, without the tag."
        )
        return entry.image, message
    if form.exact and abs(image.width / image.height / (width / height) - 1) > ASPECT_TOLERANCE:
        message = (
            f"{entry.image} is {image.width}x{image.height}, of another shape than {width}x{height} (width x height). "
            f"Choose another size, or cut all to this shape: smis data crop FOLDER NEW --aspect {width / height:.4g}."
        )
        return entry.image, message
    return None


def counted(values: np.ndarray) -> dict[int, int]:
    """value -> number of pixels."""
    counts = np.bincount(values.ravel())
    return {int(value): int(counts[value]) for value in counts.nonzero()[0]}


def label_fault(path: Path, counts: dict[int, int], form: Format) -> str | None:
    """What is wrong with the values of a label file."""
    wrong = form.unknown(np.array(sorted(counts)))
    if not len(wrong):
        return None
    shown = ", ".join(map(str, wrong[:5])) + (" .." if len(wrong) > 5 else "")
    names = form.classes.names
    remedy = (
        "Fetch the release that this is checked against" if form.remap else "Remap the label or add the class to the class list"
    )
    return f"{path} holds {shown}, expected {form.allowed} ({names[0]} .. {names[-1]}). {remedy}."


def instance_fault(entry: Entry, label: np.ndarray, instance: np.ndarray | None, form: Format) -> str | None:
    """How the instances contradict the stored labels."""
    base = form.instance_base
    if base is None or instance is None or np.array_equal(np.where(instance >= base, instance // base, instance), label):
        return None
    return (
        f"{entry.instance} contradicts {entry.label.name}: an instance must be label x {base} + number, or the label alone. "
        "Fetch both from the same release."
    )


def nearest(values: np.ndarray, height: int, width: int) -> np.ndarray:
    """Integers (H,W) -> (height,width), each pixel the one under its centre."""
    return np.array(Image.fromarray(values).resize((width, height), Image.Resampling.NEAREST))


def _open(path: Path, decode: bool = True) -> tuple[Image.Image, Stored]:
    """An image, as it is stored, and what its header says."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(path) as image:
                found = stored(image, path)
                if decode:
                    image.load()
            return image, found
    except SmisError:
        raise
    except Exception as error:  # decoders raise what they like
        reason = str(error) or type(error).__name__
        raise SmisError(f"{path} cannot be decoded: {reason}. Replace the file or remove it with its partner.") from error


def header(path: Path) -> Stored:
    """What the header of an image file says, which is not decoded. Raises SmisError as `read_image` does."""
    return _open(path, decode=False)[1]


def read_image(path: Path) -> Image.Image:
    """An image as 8-bit RGB, upright; grey, palette and CMYK files are converted. `info[TURNED]` is its EXIF orientation."""
    image, found = _open(path)
    image = as_rgb(image, path)
    image.info[TURNED] = found.orientation
    return image


def read_label(path: Path) -> np.ndarray:
    """A label map (H,W), uint8 or int32. A palette PNG gives its indices, never its colours."""
    if path.suffix.lower() != ".png":
        raise SmisError(f"{path} must be a PNG: other formats change label values.")
    image, found = _open(path)
    if found.format != "PNG":
        raise SmisError(f"{path} is a {found.format} file by its content; a label map must be a PNG. Save it anew as one.")
    refuse_turned(found, path)
    if image.mode not in ("P", "L", "1", "I", "I;16", "I;16B"):
        raise SmisError(
            f"{path} has {len(image.getbands())} channels ({image.mode}); a label PNG has one channel (or a palette) "
            "whose value is the class. Map each colour to its class first."
        )
    return np.array(image).astype(np.int32 if image.mode.startswith("I") else np.uint8) // found.spread


def read_instance(path: Path) -> np.ndarray:
    """An instance map (H,W), int32."""
    return read_label(path).astype(np.int32)
