"""Multi-modality: mCSD and mOCD (SMIS 4.3), and the overall LPIPS diversity.

For class c and one label map, draw m + 1 images whose codes differ only in z_c and pair each with the next: m pairs.
L_c is their mean distance inside class c, L_not_c outside. mCSD is the mean over classes of the mean over n label maps of
L_c (higher: the class varies), mOCD that of L_not_c (lower: nothing else does). The paper: m = 19, n = 100, AlexNet.

LPIPS is a network with a receptive field, so "inside" has two readings:

  masked   both images are painted mid-grey outside the region, then LPIPS over the whole frame. Exact: what happens
           outside the region cannot count. A distance grows with the region's share of the frame, so when C classes all
           vary alike mOCD is up to C - 1 times mCSD (less for thin regions: the grey next to them feels the change, a
           receptive field wide). `per_area` divides by the share.
  spatial  the LPIPS map times the region, over the region's area. Leaks: a change is felt a receptive field away.
"""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor
from tqdm.auto import tqdm

from ..errors import SmisError, did_you_mean
from ..processes import in_order, mine
from . import Measurement, bootstrap_weights, uncertainty
from .lpips import Lpips, neighbours

MID_GREY = 0.0  # of images in [-1,1]

# sample(labels (1,C,H,W), c, k, rng) -> images (k,3,H,W): outputs for one label map whose codes differ only in z_c;
# c = None draws every code anew. Randomness comes from `rng`, a CPU torch.Generator, alone.
Sample = Callable[[Tensor, int | None, int, torch.Generator], Tensor]


class Pool(Protocol):
    """Label maps: [i:j] gives one-hot labels (j-i,C+extra,H,W). A tensor is one, and so is what reads them when asked."""

    def __len__(self) -> int: ...

    def __getitem__(self, part: slice) -> Tensor: ...


def masked(distance: Lpips, images: Tensor, region: Tensor) -> tuple[Tensor, Tensor]:
    """L inside and outside `region` bool (H,W), (k-1,) each, of consecutive `images` (k,3,H,W) painted grey elsewhere."""
    inside, outside = (distance.consecutive(torch.where(side, images, MID_GREY)) for side in (region, ~region))
    return inside, outside


def spatial(distance: Lpips, images: Tensor, region: Tensor) -> tuple[Tensor, Tensor]:
    """Means inside and outside `region` bool (H,W) of the distance maps of consecutive `images` (k,3,H,W): (k-1,) each."""
    maps = distance.distance_map(*neighbours(distance.embed(images)), tuple(region.shape))
    return maps[:, region].mean(1), maps[:, ~region].mean(1)


READINGS = {"masked": masked, "spatial": spatial}


@dataclass(frozen=True)
class ClassDiversity:
    """L_c and L_not_c of every class and label map, in one reading.

    `inside`, `outside` and `share` (the region's part of the frame) are float64 (C,M) over M label maps; the first two
    are NaN where a class was not measured on a map. `skipped` lists the classes that no label map contains.
    """

    inside: np.ndarray
    outside: np.ndarray
    share: np.ndarray
    skipped: tuple[int, ...]
    protocol: dict
    suffix: str = ""

    @property
    def mcsd(self) -> float:
        return float(np.mean(self.per_class()[0]))

    @property
    def mocd(self) -> float:
        return float(np.mean(self.per_class()[1]))

    def per_class(self) -> tuple[np.ndarray, np.ndarray]:
        """Means over label maps, (C',) each, of the C' classes that were measured."""
        seen = ~np.isnan(self.inside).all(1)
        return np.nanmean(self.inside[seen], 1), np.nanmean(self.outside[seen], 1)

    def per_area(self) -> "ClassDiversity":
        """Distances divided by the share of the frame they come from: comparable between classes of unlike size."""
        if self.protocol["reading"] == "spatial":
            return self  # a mean over the region already
        protocol = {**self.protocol, "reading": f"{self.protocol['reading']}, per area"}
        inside, outside = self.inside / self.share, self.outside / (1 - self.share)
        return dataclasses.replace(self, inside=inside, outside=outside, protocol=protocol)

    def bootstrap(self, n_boot: int = 1000, seed: int = 0) -> dict[str, np.ndarray]:
        """(n_boot,) values of mCSD, mOCD and their ratio under other label maps (a map's classes stay together)."""
        seen = ~np.isnan(self.inside)
        classes = seen.any(1)
        weights = bootstrap_weights(seen.shape[1], n_boot, seed)  # (B,M)
        mass = weights @ seen[classes].T  # (B,C')
        mean = {  # values are non-negative, so an unmeasured cell may count as 0 with weight 0
            name: ((weights @ np.where(seen, values, 0)[classes].T) / mass).mean(1)
            for name, values in (("mCSD", self.inside), ("mOCD", self.outside))
        }
        return {**mean, "mCSD/mOCD": _ratio(mean["mCSD"], mean["mOCD"])}

    def measurements(self, n_boot: int = 1000, seed: int = 0) -> list[Measurement]:
        """mCSD, mOCD and mCSD/mOCD with 95 % intervals over label maps."""
        values = {"mCSD": self.mcsd, "mOCD": self.mocd, "mCSD/mOCD": float(_ratio(self.mcsd, self.mocd))}
        resampled = self.bootstrap(n_boot, seed)
        return [
            Measurement(f"{name}{self.suffix}", value, self.protocol, **uncertainty(resampled[name]))
            for name, value in values.items()
        ]


def class_diversity(
    sample: Sample,
    labels: Pool,
    C: int,
    *,
    n: int,
    m: int,
    distance: Lpips,
    seed: int = 0,
    readings: tuple[str, ...] = ("masked",),
    progress: bool = False,
) -> dict[str, ClassDiversity]:
    """mCSD and mOCD in every one of `readings`, from the same images.

    labels is a pool of M label maps, of which one is looked at at a time; each class uses the first n of those that
    contain it and something else. The randomness of a (class, map) cell depends on `seed`, the class and the map alone:
    more classes or maps change no other cell, and all models see the same draws.
    """
    for reading in readings:
        if reading not in READINGS:
            raise did_you_mean("reading", reading, READINGS)
    if m < 1 or n < 1:
        raise SmisError(f"mCSD needs m >= 1 pairs and n >= 1 label maps, found m={m}, n={n}. The paper: m=19, n=100.")
    channels = labels[:1].shape[1]
    if channels < C:
        raise SmisError(f"labels have {channels} channels, fewer than the {C} classes. Pass (M,C,H,W) one-hot labels.")
    share = torch.stack([_regions(labels[i : i + 1], C).double().mean((1, 2)) for i in range(len(labels))], 1)
    share = share.cpu().numpy()  # (C,M)
    cells = [(c, i) for c in range(C) for i in np.flatnonzero((share[c] > 0) & (share[c] < 1))[:n].tolist()]
    skipped = tuple(sorted(set(range(C)) - {c for c, _ in cells}))
    if not cells:
        raise SmisError(f"none of the {len(labels)} label maps has two classes: there is no inside and outside to compare.")
    values = {reading: np.full((2, *share.shape), np.nan) for reading in readings}
    found = []
    for c, i in tqdm(mine(cells), desc="mCSD, mOCD", leave=False, disable=not progress):
        one = labels[i : i + 1]
        images = draw(sample, one, c, m + 1, (seed, c, i))
        region = _regions(one, C)[c].to(images.device)
        sides = [READINGS[reading](distance, images, region) for reading in readings]
        found.append([[side.double().mean().item() for side in of_reading] for of_reading in sides])
    for (c, i), of_cell in zip(cells, in_order(found), strict=True):
        for reading, inside_outside in zip(readings, of_cell, strict=True):
            values[reading][:, c, i] = inside_outside
    used = sorted({i for _, i in cells})
    protocol: dict[str, Any] = {**distance.protocol, "resolution": _resolution(labels), "n": n, "m": m, "seed": seed}
    protocol |= {"n per class": np.isfinite(values[readings[0]][0]).sum(1).tolist(), "skipped classes": list(skipped)}
    return {
        reading: ClassDiversity(
            *values[reading][:, :, used], share[:, used], skipped, {**protocol, "reading": reading}, distance.suffix
        )
        for reading in readings
    }


def lpips_diversity(
    sample: Sample, labels: Pool, *, m: int, distance: Lpips, n: int | None = None, seed: int = 0, n_boot: int = 1000
) -> Measurement:
    """LPIPS of outputs for one label map with every code drawn anew: m pairs for each of the first n of `labels`, or all."""
    values = []
    for i in mine(range(len(labels) if n is None else min(n, len(labels)))):
        images = draw(sample, labels[i : i + 1], None, m + 1, (seed, i))
        values.append(distance.consecutive(images).double().mean().item())
    values = in_order(values)
    resampled = bootstrap_weights(len(values), n_boot, seed) @ np.array(values)
    protocol = {**distance.protocol, "resolution": _resolution(labels), "n": len(values), "m": m, "seed": seed}
    metric = f"LPIPS{distance.suffix}"
    return Measurement(metric, float(np.mean(values)), protocol, **uncertainty(resampled))


def draw(sample: Sample, labels: Tensor, c: int | None, k: int, key: tuple[int, ...]) -> Tensor:
    """k images (k,3,H,W) of a label map (1,C,H,W), by a random stream that `key` alone decides.

    Raises SmisError for images of another shape, and for any that are not finite.
    """
    seed = int(np.random.SeedSequence(key).generate_state(1, np.uint64)[0] >> 1)  # torch takes 63 bits
    images = sample(labels, c, k, torch.Generator().manual_seed(seed))
    if images.shape != (k, 3, *labels.shape[-2:]):
        raise SmisError(f"sample() gave {tuple(images.shape)}, expected {(k, 3, *labels.shape[-2:])}: one image per code.")
    if not torch.isfinite(images).all():
        raise SmisError(f"sample() gave images with NaN or infinite pixels (class {c}, key {key}): the network is not usable.")
    return images


def _ratio(a, b):
    with np.errstate(divide="ignore", invalid="ignore"):  # no change outside: inf; no change at all: nan
        return np.divide(a, b)


def _regions(one: Tensor, C: int) -> Tensor:
    """Where each class is, bool (C,H,W), of one map's labels (1,C+extra,H,W)."""
    return one[0, :C] > 0.5


def _resolution(labels: Pool) -> str:
    return "{}x{}".format(*labels[:1].shape[-2:])
