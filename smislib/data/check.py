"""Is a folder what `folders.py` describes? A report of expected against found, every fault by its file."""

import contextlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from torch.utils.data import Dataset
from tqdm import tqdm

from .. import paths
from ..config import DataSpec, content_hash
from ..errors import SmisError
from . import folders, photos, synthetic
from .spec import Classes

SPLITS = ("train", "test")
SHOWN = 10  # faults that an error message lists


@dataclass(frozen=True)
class Fault:
    """One thing that is not as it must be: the file or folder, and what to do about it."""

    path: Path
    message: str


@dataclass(frozen=True)
class Report:
    """What was found in a folder; `str()` prints it beside what was expected."""

    root: Path
    classes: Classes | None  # None: the class list itself is at fault
    counts: dict[str, dict[str, int]]  # split -> {"images", "labels", "pairs"}
    sizes: dict[tuple[int, int], int]  # (width, height) -> number of images
    pixels: dict[int, int]  # label value -> number of pixels, over all readable labels
    faults: tuple[Fault, ...]

    @property
    def ok(self) -> bool:
        return not self.faults

    def raise_faults(self) -> None:
        """Raise SmisError with the first faults, if there are any."""
        if self.faults:
            lines = [f"  {fault.message}" for fault in self.faults[:SHOWN]]
            more = len(self.faults) - SHOWN
            lines += [f"  and {more} more; `check` lists all of them"] if more > 0 else []
            raise SmisError(f"{self.root} has {len(self.faults)} fault(s):\n" + "\n".join(lines))

    def __str__(self) -> str:
        total = max(sum(self.pixels.values()), 1)
        lines = [f"{self.root}", f"{'split':<8}{'images':>8}{'labels':>8}{'pairs':>8}   expected: as many of each"]
        lines += [f"{s:<8}{c['images']:>8}{c['labels']:>8}{c['pairs']:>8}" for s, c in self.counts.items()]
        if self.sizes:
            sizes = Counter(self.sizes).most_common(4)
            lines.append("sizes   " + ", ".join(f"{w}x{h} ({n})" for (w, h), n in sizes) + " .." * (len(self.sizes) > 4))
        if self.classes:
            named = dict(enumerate(self.classes.names)) | {self.classes.ignore_index: "(ignored)"}
            lines.append("label   share    class")
            for value in sorted({*range(len(self.classes)), *self.pixels}):
                name = named.get(value, "NOT IN THE CLASS LIST")
                lines.append(f"{value:>5}{self.pixels.get(value, 0) / total:>8.2%}    {name}")
        lines.append("no faults" if self.ok else f"{len(self.faults)} fault(s):")
        return "\n".join(lines + [f"  {fault.message}" for fault in self.faults])


def check(spec: DataSpec, splits: Sequence[str] = SPLITS) -> Report:
    """Reads every file of the spec's folder and reports. `photos` are built first if they are not there."""
    if spec.name in synthetic.RENDERERS:
        raise SmisError(f"{spec.name} are rendered by the library; there is no folder to check.")
    spec = photos.as_folder(spec) if spec.name == "photos" else spec
    root, faults = folders.root_of(spec), []
    try:
        classes = folders.read_classes(root)
    except SmisError as error:
        classes = None
        faults.append(Fault(root, str(error)))
    counts, sizes, pixels = {}, Counter(), Counter()
    for split in splits:
        images, labels = (_files(root / split / part, faults) for part in ("images", "labels"))
        for stem in sorted(images.keys() ^ labels.keys()):
            path = (images.get(stem) or labels[stem])[0]
            partner = "label" if stem in images else "image"
            faults.append(Fault(path, f"{path} has no {partner} of the same name in {root / split / partner}s."))
        pairs = sorted(images.keys() & labels.keys())
        counts[split] = {"images": len(images), "labels": len(labels), "pairs": len(pairs)}
        for stem in tqdm(pairs, f"checking {split}", delay=1, leave=False):
            faults += _check_pair(images[stem][0], labels[stem][0], classes, spec, sizes, pixels)
    return Report(root, classes, counts, dict(sizes), dict(pixels), tuple(faults))


def _files(folder: Path, faults: list[Fault]) -> dict[str, list[Path]]:
    """The folder's usable files by stem; what else is there becomes a fault."""
    if not folder.is_dir():
        faults.append(
            Fault(
                folder,
                f"{folder} is missing; expected a folder with .png{' or .jpg' * (folder.name == 'images')} files.",
            )
        )
    usable = {}
    for stem, found in folders.listing(folder).items():
        good = [path for path in found if path.suffix.lower() in folders.SUFFIXES and path.is_file()]
        faults += [
            Fault(path, f"{path} is neither {' nor '.join(folders.SUFFIXES)}; convert or remove it.")
            for path in found
            if path not in good
        ]
        if len(good) > 1:
            faults.append(Fault(good[1], f"{good[1]} has the same name as {good[0].name}; rename or remove one."))
        if good:
            usable[stem] = good
    if folder.is_dir() and not usable:
        faults.append(Fault(folder, f"{folder} holds no images."))
    return usable


def _check_pair(image_path, label_path, classes, spec, sizes: Counter, pixels: Counter) -> list[Fault]:
    """The faults of one pair; counts its size and labels on the way."""
    faults = []
    try:
        sizes[folders.read_image(image_path).size] += 1
    except SmisError as error:
        faults.append(Fault(image_path, str(error)))
    try:
        values, n = np.unique(folders.read_label(label_path), return_counts=True)
        pixels.update(dict(zip(values.tolist(), n.tolist(), strict=True)))
    except SmisError as error:
        faults.append(Fault(label_path, str(error)))
    if not faults and classes:
        try:
            folders.read_pair(image_path, label_path, classes, spec.height, spec.width)
        except SmisError as error:
            path = label_path if str(error).startswith(str(label_path)) else image_path
            faults.append(Fault(path, str(error)))
    return faults


def open_checked(spec: DataSpec, split: str) -> Dataset:
    """One split of a folder, after its check. A folder without faults is read once: its state is remembered.

    Raises SmisError that names the first faulty files.
    """
    root = folders.root_of(spec)
    state = [[str(p), p.stat().st_size, p.stat().st_mtime_ns] for p in sorted((root / split).rglob("*")) if p.is_file()]
    classes = folders.read_classes(root)
    known = [str(root.resolve()), classes.names, classes.ignore_index, spec.height, spec.width, state]
    stamp = paths.cache() / "data" / f"checked-{content_hash(known)}"
    if not stamp.exists():
        check(replace(spec, name="custom"), [split]).raise_faults()
        with contextlib.suppress(OSError):  # it only saves the next check
            stamp.parent.mkdir(parents=True, exist_ok=True)
            stamp.touch()
    return folders.Folder(spec, split)
