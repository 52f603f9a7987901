"""Is a folder what `formats.py` describes? A report of expected against found, every fault by its file."""

import contextlib
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from torch.utils.data import Dataset
from tqdm import tqdm

from .. import paths
from ..config import DataSpec, content_hash
from ..errors import SmisError
from . import folders, photos
from .folders import Entry
from .formats import Files, Format, format_of, needs_folder, root_of
from .presized import decoders

SPLITS = ("train", "test")
SHOWN = 10  # faults that an error message lists
BLANK_SHARE = 0.05  # a release has a few images without any label; withheld labels are all blank


@dataclass(frozen=True)
class Fault:
    """One thing that is not as it must be: the file or folder, and what to do about it."""

    path: Path
    message: str


@dataclass(frozen=True)
class Report:
    """What was found in a folder; `str()` prints it beside what was expected."""

    root: Path
    form: Format | None  # None: the class list itself is at fault
    counts: dict[str, dict[str, int]]  # split -> {"images", "labels", "pairs"}, and "instances" where there are some
    sizes: dict[tuple[int, int], int]  # (width, height) -> number of images
    pixels: dict[int, int]  # stored label value -> number of pixels, over all readable labels
    blank: tuple[Path, ...]  # labels that say nothing, too few of them to be a fault
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
        lines = [str(self.root), *(self._expected(self.form) if self.form and self.form.published else []), *self._counts()]
        if self.sizes:
            sizes = Counter(self.sizes).most_common(4)
            lines.append("sizes   " + ", ".join(f"{w}x{h} ({n})" for (w, h), n in sizes) + " .." * (len(self.sizes) > 4))
        lines += self._histogram(self.form) if self.form else []
        lines += [f"note: {path} has no labelled pixel" for path in self.blank]
        lines.append("no faults" if self.ok else f"{len(self.faults)} fault(s):")
        return "\n".join(lines + [f"  {fault.message}" for fault in self.faults])

    def _expected(self, form: Format) -> list[str]:
        tree = folders.tree_of(self.root, form)
        lines = [f"expected: {form.title}"]
        for kind, (files, _) in folders.kinds(tree, "train").items():
            lines.append(f"  {kind:<9}{files}   {{split}}: {tree.train}, {tree.test}")
        lines.append(f"  values   {form.allowed}" + (f"   ({form.remap.name})" if form.remap else ""))
        lines.append(f"  shape    {'as asked, within 1 %' if form.exact else 'any: stretched to the size asked for'}")
        return lines

    def _counts(self) -> list[str]:
        parts = list(dict.fromkeys(part for counts in self.counts.values() for part in counts))
        published = dict(zip(SPLITS, self.form.published, strict=True)) if self.form and self.form.published else {}
        width = {part: max(8, len(part) + 2) for part in parts}
        lines = [f"{'split':<8}" + "".join(f"{part:>{width[part]}}" for part in parts) + "   expected: as many of each"]
        for split, counts in self.counts.items():
            known = f"   published: {published[split]}" if split in published else ""
            lines.append(f"{split:<8}" + "".join(f"{counts[part]:>{width[part]}}" for part in parts) + known)
        return lines

    def _histogram(self, form: Format) -> list[str]:
        total = max(sum(self.pixels.values()), 1)
        named = {row["stored"]: row["name"] + f" <- {row['means']}" * (row["means"] != row["name"]) for row in form.legend()}
        if form.classes.ignore_index is not None:
            named[form.classes.ignore_index] = "(ignored)"
        lines = ["label   share    class" + " <- stored label" * bool(form.remap)]
        for value in sorted({*named, *self.pixels}):
            lines.append(f"{value:>5}{self.pixels.get(value, 0) / total:>8.2%}    {named.get(value, 'NOT IN THE CLASS LIST')}")
        return lines


@dataclass
class _Seen:
    """What one split's files hold."""

    sizes: Counter = field(default_factory=Counter)
    pixels: Counter = field(default_factory=Counter)
    blank: list[Path] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)


def check(spec: DataSpec, splits: Sequence[str] = SPLITS) -> Report:
    """Reads every file of the spec's folder and reports. `photos` are built first if they are not there."""
    needs_folder(spec)
    spec = photos.as_folder(spec) if spec.name == "photos" else spec
    root, total, counts = root_of(spec), _Seen(), {}
    try:
        form = format_of(spec)
    except SmisError as error:
        return Report(root, None, {}, {}, {}, (), (Fault(root, str(error)),))
    for split in splits:
        counts[split] = _names(root, form, split, total.faults)
        seen = _read(root, form, spec, split)
        for name in ("sizes", "pixels"):
            getattr(total, name).update(getattr(seen, name))
        total.blank += seen.blank
        total.faults += seen.faults
    return Report(root, form, counts, dict(total.sizes), dict(total.pixels), tuple(total.blank), tuple(total.faults))


def _read(root: Path, form: Format, spec: DataSpec, split: str) -> _Seen:
    """Every complete sample of a split, read; then what only all of them together show."""
    seen, samples = _Seen(), folders.entries(root, form, split)
    with ThreadPoolExecutor(decoders()) as pool:  # Pillow decodes outside the interpreter's lock
        found = pool.map(lambda entry: _look(entry, form, spec), samples)
        bar = tqdm(found, f"checking {split}", len(samples), delay=1, leave=False)
        for entry, (size, pixels, faults) in zip(samples, bar, strict=True):
            seen.sizes.update([size] if size else [])
            seen.pixels.update(pixels)
            seen.faults += faults
            if pixels and form.blank >= pixels.keys():
                seen.blank.append(entry.label)
    if len(seen.blank) > BLANK_SHARE * len(samples):
        message = "has no labelled pixel: the labels of a test set are withheld. Use a split with labels."
        seen.faults += [Fault(path, f"{path} {message}") for path in seen.blank]
        seen.blank.clear()
    elif form.suspect and not seen.faults and (message := form.suspect(set(seen.pixels))):
        seen.faults.append(Fault(root, f"{root}, {split}: {message}."))
    return seen


def _names(root: Path, form: Format, split: str, faults: list[Fault]) -> dict[str, int]:
    """Counts of the files of a split and of complete samples; what is missing, twice there or a stray becomes a fault."""
    found: dict[str, dict[str, list[Path]]] = {}
    strays: dict[Path, Files] = {}
    expected = folders.kinds(folders.tree_of(root, form), split)
    for kind, (files, word) in expected.items():
        place = root / files.folder.format(split=word)
        found[kind], others = folders.listing(root, files, word)
        if not folders.folders(root, files, word):
            faults.append(Fault(place, f"{place} is missing; expected a folder with {' or '.join(files.tails)} files."))
        elif not found[kind]:
            faults.append(Fault(place, f"{place} holds no {kind}s (*{' or *'.join(files.tails)})."))
        strays |= dict.fromkeys(others, files)
        for twins in found[kind].values():
            if len(twins) > 1:
                message = f"{twins[1]} has the same name as {twins[0].name} in {twins[0].parent}; rename or remove one."
                faults.append(Fault(twins[1], message))
    for path, files in sorted(strays.items(), key=lambda stray: stray[0]):
        faults.append(Fault(path, f"{path} is neither {' nor '.join(files.tails)}; convert or remove it."))
    everything = {key: next(names[key][0] for names in found.values() if key in names) for key in set().union(*found.values())}
    for key, path in sorted(everything.items()):
        for kind, (files, word) in expected.items():
            if key not in found[kind] and found[kind]:
                place = root / files.folder.format(split=word)
                faults.append(Fault(path, f"{path} has no {kind} of the same name in {place}."))
    complete = set.intersection(*(set(names) for names in found.values()))
    if not complete:
        hints = [message for pattern, message in form.mistakes if next(root.glob(pattern), None)]
        inside = [path for path in sorted(root.iterdir()) if path.is_dir() and _holds(path, form)]
        hints += [f"the parent of {inside[0]}: give that folder"] if inside else []
        faults += [Fault(root, f"{root} looks like {hint}.") for hint in hints if all(hint not in f.message for f in faults)]
    return {f"{kind}s": len(names) for kind, names in found.items()} | {"pairs": len(complete)}


def _holds(root: Path, form: Format) -> bool:
    return any(
        folders.folders(root, tree.image, tree.train) and folders.folders(root, tree.label, tree.train) for tree in form.trees
    )


def _look(entry: Entry, form: Format, spec: DataSpec) -> tuple[tuple[int, int] | None, dict[int, int], list[Fault]]:
    """The image's size, the pixels of each stored label, and the faults of one sample; it is read once."""
    read = {"image": folders.read_image, "label": folders.read_label, "instance": folders.read_instance}
    found, faults = {}, []
    for kind, reader in read.items():
        if path := getattr(entry, kind):
            try:
                found[kind] = reader(path)
            except SmisError as error:
                faults.append(Fault(path, str(error)))
    pixels = folders.counted(found["label"]) if "label" in found else {}
    if not faults:
        if wrong := folders.shape_fault(entry, folders.Decoded(**found), form, spec.height, spec.width):
            faults.append(Fault(*wrong))
        elif message := folders.label_fault(entry.label, pixels, form):
            faults.append(Fault(entry.label, message))
        elif message := folders.instance_fault(entry, found["label"], found.get("instance"), form):
            faults.append(Fault(entry.instance, message))  # ty: ignore[invalid-argument-type]
    return (found["image"].size if "image" in found else None), pixels, faults


def open_checked(spec: DataSpec, split: str) -> Dataset:
    """One split of a folder, after its check. A folder without faults is read once: its state is remembered.

    Raises SmisError that names the first faulty files.
    """
    root = root_of(spec)
    form = format_of(spec)
    shape = [spec.height, spec.width] if form.exact else []
    known = [str(root.resolve()), form.title, form.classes.names, form.classes.ignore_index, *shape]
    stamp = paths.cache() / "data" / f"checked-{content_hash([*known, folders.state(root, form, split)])}"
    if not stamp.exists():
        check(spec, [split]).raise_faults()
        with contextlib.suppress(OSError):  # it only saves the next check
            stamp.parent.mkdir(parents=True, exist_ok=True)
            stamp.touch()
    return folders.Folder(spec, split)
