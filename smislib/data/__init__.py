"""Data sets. One is a value of `DATA`; the rest of the library sees only `classes`, `open_split` and `collate`."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch.utils.data import Dataset

from ..config import DataSpec
from ..errors import SmisError, did_you_mean
from . import aligned, augment, check, class_folders, classed, folders, formats, photos, synthetic, views
from .spec import Classes, colour, instance_edge, labels, one_hot

__all__ = [
    "DATA",
    "Classes",
    "DataSource",
    "Mirrored",
    "classes",
    "collate",
    "colour",
    "instance_edge",
    "labelled",
    "labels",
    "made_with",
    "one_hot",
    "open_first",
    "open_split",
    "paints_labels",
    "presize",
]


@dataclass(frozen=True)
class DataSource:
    """What a data set must provide; both functions take the DataSpec."""

    classes: Callable[[DataSpec], Classes]
    open: Callable[[DataSpec, str], Dataset]  # the second argument is the split
    version: int | str | None = None  # of the renderer, for data that is drawn here, and of a view
    paints_labels: bool = False  # its images are label maps in the colours of their classes


DATA: dict[str, DataSource] = {
    **{
        name: DataSource(
            classes=lambda spec: synthetic.RENDERERS[spec.name].classes,
            open=synthetic.Pictures,
            version=renderer.version,
        )
        for name, renderer in synthetic.RENDERERS.items()
    },
    "tokens": DataSource(classes=lambda spec: classed.TOKENS, open=classed.Tokens, version=synthetic.RENDERERS["tokens"].version),
    "digits": DataSource(classes=lambda spec: classed.DIGITS, open=classed.Digits, version=classed.DIGITS_VERSION),
    **{name: DataSource(classes=class_folders.classes, open=class_folders.ClassFolder) for name in class_folders.SPLITS},
    "photos": DataSource(
        classes=lambda spec: formats.format_of(photos.as_folder(spec)).classes,
        open=lambda spec, split: check.open_checked(photos.as_folder(spec), split),
    ),
    **{
        name: DataSource(classes=lambda spec: formats.format_of(spec).classes, open=check.open_checked)
        for name in ("custom", *formats.FORMATS)
    },
    **{
        name: DataSource(classes=lambda spec: aligned.CLASSES, open=aligned.Aligned)  # pictures alone
        for name in aligned.INPUT_SIDE
    },
}


def _viewed(view: views.View) -> DataSource:
    of = DATA[view.of]

    def classes_of(spec: DataSpec) -> Classes:
        return of.classes(replace(spec, name=view.of))

    return DataSource(
        classes=lambda spec: replace(classes_of(spec), things=(), picture=view.channels),
        open=lambda spec, split: views.Viewed(view, of.open(replace(spec, name=view.of), split), classes_of(spec)),
        version=".".join(str(v) for v in (of.version, views.VERSION) if v is not None),
        paints_labels=view.paints_labels,
    )


OWN = ("custom", "aligned", "aligned_ba", "classes")  # folders of nobody else's

DATA |= {name: _viewed(view) for name, view in views.VIEWS.items()}


def _source(spec: DataSpec) -> DataSource:
    if spec.name not in DATA:
        raise did_you_mean("data set", spec.name, DATA)
    return DATA[spec.name]


def classes(spec: DataSpec) -> Classes:
    """The label set of a data set. Those of `custom`, `imagenet` and `classes` are read from the folder; `photos` are built."""
    return _source(spec).classes(spec)


def paints_labels(spec: DataSpec) -> bool:
    """Whether the images of a data set are label maps, each class in the colour of its palette."""
    return _source(spec).paints_labels


def made_with(spec: DataSpec) -> tuple[str, ...]:
    """What `Experiment.made_with` says of a data set: the version of its renderer, if it has one, and of one's own folder its
    files, so that another picture in it is another experiment. A published folder is the release that it is of.
    """
    version = _source(spec).version
    found = () if version is None else (f"{spec.name} {version}",)
    own = spec.root is not None and views.source(spec.name) in OWN
    return (*found, f"files {folders.contents(Path(spec.root))}") if own else found


def open_split(spec: DataSpec, split: str) -> Dataset:
    """The "train" or "test" part of a data set.

    It has a length; [i] gives {"image": float32 (3,H,W) in [-1,1], "label_map": int64 (H,W), "name": str}, where the
    data set has instances "instance_map": int64 (H,W) and, for embedded data, "factors": float32 (C,K). Where images are
    made from pictures "input" is one, float32 (K,H,W) in [-1,1], and there may be no labels. Where classes are of whole images
    "label", an int64 scalar, takes the place of "label_map", and `.labels` int64 (n,) are those of all. With `spec.flip`
    the training part is twice as long: index n + i is the mirror image of i; with `spec.margin` it is longer again (see
    `augment.Cut`). The test part is neither mirrored nor cut.

    Raises SmisError for an unknown data set or split, and for a folder with faults, which it names.
    """
    source = _source(spec)
    if split not in check.SPLITS:
        raise SmisError(f"split must be one of {', '.join(check.SPLITS)}, found {split!r}.")
    if spec.margin and split == "train":
        dataset = augment.Cut(source.open(augment.enlarged(spec), split), spec.height, spec.width)
    else:
        dataset = source.open(spec, split)
    return Mirrored(dataset) if spec.flip and split == "train" else dataset


def open_first(spec: DataSpec, split: str, n: int) -> Dataset:
    """As `open_split`, but where pictures are drawn here no more than n of them are: these are the same, and there at once."""
    if (views.VIEWS[spec.name].of if spec.name in views.VIEWS else spec.name) in synthetic.RENDERERS:
        key = f"n_{split}"
        spec = replace(spec, **{key: min(filter(None, (n, getattr(spec, key))))})
    return open_split(spec, split)


def presize(spec: DataSpec) -> list[Path]:
    """Decode and resize both splits of a folder once; from then on `open_split` reads the result. Returns its folders.

    Raises SmisError for a folder with faults, and for a data set that has no files.
    """
    formats.needs_folder(spec)
    spec = replace(photos.as_folder(spec) if spec.name == "photos" else spec, n_train=None, n_test=None)
    opened = [check.open_checked(source, split) for source, split in ((augment.enlarged(spec), "train"), (spec, "test"))]
    return [dataset.presized.build(dataset.decode) for dataset in opened]


class Mirrored(Dataset):
    """A data set followed by its mirror images: the order of samples stays a function of the index alone."""

    def __init__(self, dataset: Dataset):
        self.dataset = dataset

    def __len__(self) -> int:
        return 2 * len(self.dataset)

    @property
    def labels(self) -> torch.Tensor:
        """Of whole images, int64 (2n,)."""
        return self.dataset.labels.repeat(2)

    def __getitem__(self, index: int) -> dict:
        if not 0 <= index < len(self):
            raise IndexError(f"sample {index} of {len(self)}")
        mirrored, i = divmod(index, len(self.dataset))
        sample = self.dataset[i]
        if mirrored:
            pictures = {key: sample[key].flip(-1) for key in augment.PICTURES if key in sample}
            sample = sample | pictures | {"name": f"{sample['name']}-mirrored"}
        return sample


def labelled(samples: list[dict], classes: Classes) -> dict:
    """Samples as a batch with its `labels`, on the CPU."""
    batch = collate(samples)
    return batch | {"labels": labels(batch, classes)}


def collate(samples: list[dict]) -> dict:
    """Samples as a batch: tensors stacked along a new first axis, names as a list."""
    batch = {}
    for key in samples[0]:
        values = [sample[key] for sample in samples]
        batch[key] = torch.stack(values) if isinstance(values[0], torch.Tensor) else values
    return batch
