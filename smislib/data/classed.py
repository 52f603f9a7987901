"""Images of one class each, without a download: `tokens` and handwritten `digits`; and which labels a GAN is told (S3GAN 4.1).

A sample is `image`, `label` (an int64 scalar) and `name`; `.labels` of a data set are those of all its images, which nothing
has to be decoded for.
"""

import math
from collections.abc import Sequence
from functools import cache

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.data import Dataset

from ..config import DataSpec
from ..errors import SmisError
from ..sample import generator
from . import synthetic, tokens
from .custom import spread_palette
from .spec import UNLABELLED, Classes

TOKENS = Classes(tokens.NAMES, tokens.CLASSES.palette[1:], UNLABELLED, whole=True)
DIGITS = Classes(tuple("0123456789"), spread_palette(10), UNLABELLED, whole=True)
DIGITS_VERSION = 1  # of their split and their enlargement: raise it when a pixel changes
PIXELS, GREYS = 8, 16  # a digit is 8x8, its values 0..16
HELD_OUT = 5  # every fifth digit of each class is for testing: 360 of 1,797


class Tokens(Dataset):
    """The pictures of `tokens`, each of the class of its thing: [i] gives `image` float32 (3,H,W) in [-1,1], `label`, `name`."""

    def __init__(self, spec: DataSpec, split: str):
        self.pictures = synthetic.Pictures(spec, split)
        things = self.pictures.arrays["label_map"].max((1, 2))  # the scene is class 0 there
        self.labels = torch.from_numpy(things).long() - 1

    def __len__(self) -> int:
        return len(self.pictures)

    def __getitem__(self, index: int) -> dict:
        sample = self.pictures[index]
        return {"image": sample["image"], "label": self.labels[index], "name": sample["name"]}


class Digits(Dataset):
    """scikit-learn's handwritten digits (UCI, 1,797 of 8x8 grey pixels): [i] gives `image` float32 (3,H,W) in [-1,1], white
    on black, `label` and `name`.

    They are enlarged bilinearly: between two pixels nothing gets blacker than black or whiter than white, as it would
    bicubically, where it had to be cut off. The split is fixed; `n_train` and `n_test` take its beginning.

    Raises SmisError for a size that is not square or below 8, and for more images than there are.
    """

    def __init__(self, spec: DataSpec, split: str):
        if spec.height != spec.width or spec.height < PIXELS:
            raise SmisError(
                f"digits are square and at least {PIXELS} pixels wide, found {spec.height}x{spec.width} (height x width)."
            )
        grey, labels = _digits()
        held_out = torch.zeros(len(labels), dtype=torch.bool)
        held_out[labels.argsort(stable=True)[::HELD_OUT]] = True
        chosen = (held_out if split == "test" else ~held_out).nonzero()[:, 0]
        n = spec.n_train if split == "train" else spec.n_test
        if n is not None and not 1 <= n <= len(chosen):
            raise SmisError(f"n_{split} of digits must be 1 to {len(chosen)}, or none for all of them; found {n}.")
        self.indices = chosen[:n].tolist()
        self.labels = labels[self.indices]
        self.images = F.interpolate(grey[self.indices][:, None], (spec.height, spec.width), mode="bilinear")

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> dict:
        image = self.images[index].expand(3, -1, -1).clone()
        return {"image": image, "label": self.labels[index], "name": f"digits-{self.indices[index]:04d}"}


@cache
def _digits() -> tuple[Tensor, Tensor]:
    from sklearn.datasets import load_digits

    found = load_digits()
    return torch.from_numpy(found.images).float() / (GREYS / 2) - 1, torch.from_numpy(found.target).long()


def keep_labels(labels: Tensor, fraction: float, seed: int, names: Sequence[str]) -> Tensor:
    """Which images' labels stay known: bool (n,), true for round(fraction * n_c) random ones of the n_c images of each class.

    `labels` int64 (n,), of which -1 (not labelled) stay unknown; `names` are those of the classes. For one seed a smaller
    fraction is part of a larger one, so that their results differ by the labels added and nothing else.

    Raises SmisError for a fraction outside (0, 1], and for one that leaves a class without a label.
    """
    if not 0 < fraction <= 1:
        raise SmisError(f"the fraction of labels that are known must be in (0, 1], found {fraction}.")
    counts = torch.bincount(labels[labels != UNLABELLED], minlength=len(names)).tolist()
    least = min(range(len(names)), key=counts.__getitem__)
    if counts[least] == 0:
        raise SmisError(f"class {names[least]!r} has no labelled image among {len(labels)}: take more images, or leave it out.")
    if round(fraction * counts[least]) < 1:
        works = math.floor(0.5e4 / counts[least] + 1) / 1e4  # round() takes a half down to 0
        raise SmisError(
            f"{fraction:g} of the labels leave class {names[least]!r} with none of its {counts[least]} images; the smallest "
            f"fraction that leaves one in every class is {works:g}. Take that or a larger one, or more images."
        )
    kept = torch.zeros(len(labels), dtype=torch.bool)
    for c, n in enumerate(counts):
        order = torch.randperm(n, generator=generator(seed, "labels", c))
        kept[(labels == c).nonzero()[:, 0][order[: round(fraction * n)]]] = True
    return kept
