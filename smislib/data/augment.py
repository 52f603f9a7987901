"""Random cuts of slightly enlarged training images, as SPADE and SMIS train on ADE20K and COCO-Stuff (286 cut to 256)."""

from dataclasses import replace

import numpy as np
from torch import Tensor
from torch.utils.data import Dataset

from ..config import DataSpec

PICTURES = ("image", "label_map", "instance_map", "input")  # what has a pixel for each of the image's
CUTS = 64  # of each image: so many places, instead of one drawn anew at each step, keep a sample a function of its index


def enlarged(spec: DataSpec) -> DataSpec:
    """The spec at the size that is cut from."""
    height, width = (round(n * (1 + spec.margin)) for n in (spec.height, spec.width))
    return replace(spec, height=height, width=width)


class Cut(Dataset):
    """A data set CUTS times over: index v*n + i is the v-th cut, height x width, of image i."""

    def __init__(self, dataset: Dataset, height: int, width: int):
        self.dataset, self.height, self.width = dataset, height, width

    def __len__(self) -> int:
        return CUTS * len(self.dataset)

    @property
    def labels(self) -> Tensor:
        """Of whole images, int64 (CUTS * n,)."""
        return self.dataset.labels.repeat(CUTS)

    def __getitem__(self, index: int) -> dict:
        if not 0 <= index < len(self):
            raise IndexError(f"sample {index} of {len(self)}")
        v, i = divmod(index, len(self.dataset))
        sample = self.dataset[i]
        free = np.array(sample["image"].shape[1:]) - (self.height, self.width)
        top, left = np.random.default_rng([v, i]).integers(free + 1)
        place = (..., slice(top, top + self.height), slice(left, left + self.width))
        pictures = {key: sample[key][place] for key in PICTURES if key in sample}
        return sample | pictures | {"name": f"{sample['name']}-cut{v:02d}"}
