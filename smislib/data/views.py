"""Data sets seen as tasks of pix2pix (1611.07004, section 4): an `input` picture for every image, made from either.

A view is a data set of its own name; its samples carry `input` float32 (K,H,W) in [-1,1] beside the `image` to be made from it
and, where there is one, the `label_map`. What a picture of a street or a photograph shows does not change.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from .spec import Classes, colour
from .street_appearance import CAR, POLE, SKY

VERSION = 1  # of what the views make: raise it when a pixel changes
Pair = tuple[Tensor, Tensor]  # input (K,H,W), image (3,H,W)


@dataclass(frozen=True)
class View:
    """One task. `make` gives input and image of a sample; `paints_labels`: the image is a label map in colour."""

    of: str  # the data set
    make: Callable[[dict, Classes], Pair]
    channels: int = 3  # of the input
    paints_labels: bool = False


class Viewed(Dataset):
    """The samples of a data set with the view's `input` and `image`."""

    def __init__(self, view: View, dataset: Dataset, classes: Classes):
        self.view, self.dataset, self.classes = view, dataset, classes

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: int) -> dict:
        sample = self.dataset[index]
        made, image = self.view.make(sample, self.classes)
        return sample | {"input": made, "image": image}


def _labels_to_photo(sample: dict, classes: Classes) -> Pair:
    return colour(sample["label_map"][None], classes)[0], sample["image"]


def _photo_to_labels(sample: dict, classes: Classes) -> Pair:
    return sample["image"], colour(sample["label_map"][None], classes)[0]


def _edges_to_photo(sample: dict, classes: Classes) -> Pair:
    return edges(sample["image"]), sample["image"]


def _grey_to_colour(sample: dict, classes: Classes) -> Pair:
    return lightness(sample["image"]), sample["image"]


def _day_to_night(sample: dict, classes: Classes) -> Pair:
    return sample["image"], night(sample["image"], sample["label_map"])


VIEWS: dict[str, View] = {
    **{f"{of}_from_labels": View(of, _labels_to_photo) for of in ("streets", "cityscapes", "custom")},
    **{f"{of}_to_labels": View(of, _photo_to_labels, paints_labels=True) for of in ("streets", "cityscapes", "custom")},
    "streets_from_edges": View("streets", _edges_to_photo, channels=1),
    "streets_from_grey": View("streets", _grey_to_colour, channels=1),
    "streets_to_night": View("streets", _day_to_night),
    "photos_from_edges": View("photos", _edges_to_photo, channels=1),
    "photos_from_grey": View("photos", _grey_to_colour, channels=1),
}


def source(name: str) -> str:
    """The data set that a view looks at; any other is its own."""
    return VIEWS[name].of if name in VIEWS else name


def lightness(image: Tensor) -> Tensor:
    """L of Lab: image (3,H,W) in [-1,1] -> (1,H,W), -1 black to 1 white."""
    from skimage.color import rgb2lab

    L = rgb2lab((image.movedim(0, -1).numpy() + 1) / 2)[..., 0]
    return torch.from_numpy(L.astype(np.float32))[None] / 50 - 1


def edges(image: Tensor) -> Tensor:
    """Canny's edges of the lightness: image (3,H,W) in [-1,1] -> (1,H,W), -1 on an edge, 1 elsewhere.

    The paper's are those of HED, a trained network. The smoothing grows with the image: one pixel at 64 rows.
    """
    from skimage.feature import canny

    found = canny((lightness(image)[0].numpy() + 1) / 2, sigma=max(1.0, image.shape[1] / 64))
    return 1 - 2 * torch.from_numpy(found)[None].float()


def night(image: Tensor, label_map: Tensor) -> Tensor:
    """A street (3,H,W) in [-1,1] with its label_map (H,W) after dark: a dim blue ambient light, a sky of its own, and warm
    light around what carries lamps (poles, cars). The same geometry and surfaces in another light.
    """
    from scipy import ndimage  # not above: every `import smislib` would wait for it

    H, W = label_map.shape
    day, classes = (image.numpy() + 1) / 2, label_map.numpy()
    lamps = np.isin(classes, (POLE, CAR)).astype(np.float32)
    light = ndimage.gaussian_filter(lamps, H / 10)  # falls off with the distance
    ambient, lamp = (np.array(rgb, np.float32).reshape(3, 1, 1) for rgb in ((0.20, 0.25, 0.40), (1.0, 0.72, 0.38)))
    dark = day * (ambient + 1.6 * lamp * light)
    down = np.linspace(0, 1, H, dtype=np.float32).reshape(1, H, 1) + np.zeros((1, 1, W), np.float32)
    zenith, horizon = (np.array(rgb, np.float32).reshape(3, 1, 1) for rgb in ((0.02, 0.03, 0.09), (0.10, 0.10, 0.17)))
    sky = zenith + horizon * down
    dark = np.where(classes == SKY, sky + 0.3 * lamp * light, dark)
    return torch.from_numpy(dark.clip(0, 1).astype(np.float32)) * 2 - 1
