"""Data sets. One is a value of `DATA`; the rest of the library sees only `classes`, `open_split` and `collate`."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch.utils.data import Dataset

from ..config import DataSpec
from ..errors import SmisError, did_you_mean
from . import mannequins
from .spec import Classes, one_hot
from .synthetic import Mannequins

__all__ = ["DATA", "Classes", "DataSource", "classes", "collate", "mannequins", "one_hot", "open_split"]


@dataclass(frozen=True)
class DataSource:
    """What a data set must provide; both functions take the DataSpec."""

    classes: Callable[[DataSpec], Classes]
    open: Callable[[DataSpec, str], Dataset]  # the second argument is the split


DATA: dict[str, DataSource] = {
    "mannequins": DataSource(classes=lambda spec: mannequins.CLASSES, open=Mannequins),
}


def _source(spec: DataSpec) -> DataSource:
    if spec.name not in DATA:
        raise did_you_mean("data set", spec.name, DATA)
    return DATA[spec.name]


def classes(spec: DataSpec) -> Classes:
    """The label set of a data set."""
    return _source(spec).classes(spec)


def open_split(spec: DataSpec, split: str) -> Dataset:
    """The "train" or "test" part of a data set.

    It has a length; [i] gives {"image": float32 (3,H,W) in [-1,1], "label_map": int64 (H,W), "name": str} and, for
    embedded data, "factors": float32 (C,K). With `spec.flip` index n + i is the mirror image of i.
    """
    if split not in mannequins.SPLITS:
        raise SmisError(f"split must be one of {', '.join(mannequins.SPLITS)}, found {split!r}.")
    return _source(spec).open(spec, split)


def collate(samples: list[dict]) -> dict:
    """Samples as a batch: tensors stacked along a new first axis, names as a list."""
    batch = {}
    for key in samples[0]:
        values = [sample[key] for sample in samples]
        batch[key] = torch.stack(values) if isinstance(values[0], torch.Tensor) else values
    return batch
