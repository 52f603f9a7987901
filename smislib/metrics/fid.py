"""FID (1706.08500) and KID (1801.01401) from feature arrays.

FID is the Frechet distance between the Gaussians fitted to both sets. The trace of (S1 S2)^(1/2) is taken from the
eigenvalues of the symmetric S1^(1/2) S2 S1^(1/2), which has the same spectrum: it cannot be complex, as a matrix square
root of S1 S2 can when there are fewer images than features. FID is biased upwards for few images: n is part of the
protocol, and KID, unbiased, stands beside it.
"""

import hashlib
from collections.abc import Callable, Iterable
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from .. import atomic, config, paths
from ..errors import SmisError
from ..processes import in_order
from . import Measurement, uncertainty


class Features(Protocol):
    """What FID looks through: `backbones.EmbeddedFeatures`, `inception.InceptionFeatures`, or a `Judge`."""

    suffix: str
    protocol: dict
    device: str | torch.device

    def __call__(self, images: Tensor) -> Tensor:
        """Images (N,3,H,W) in [-1,1] -> features (N,d)."""


def features(extract: Callable[[Tensor], Tensor], batches: Iterable[Tensor]) -> np.ndarray:
    """Images (N,3,H,W) in [-1,1], batch by batch -> features float64 (n,d).

    Of several processes each gives its share of the batches (`processes.mine`), and all get the features of all.
    """
    return np.concatenate(in_order([_features(extract, images) for images in batches]))


@torch.no_grad()
def _features(extract: Callable[[Tensor], Tensor], images: Tensor) -> np.ndarray:
    return extract(images).double().cpu().numpy()


def real_features(extract: Features, batches: Iterable[Tensor]) -> np.ndarray:
    """As `features`, of images that come again, as those of a test split do for every run: kept in the store's cache.

    What a batch gives is named by its pixels and by all else that it depends on; a file that cannot be read is made again.
    """
    kind = config.content_hash([extract.protocol, str(extract.device), torch.get_num_threads(), torch.__version__])
    return np.concatenate(in_order([_kept(extract, images, kind) for images in batches]))


def _kept(extract: Features, images: Tensor, kind: str) -> np.ndarray:
    pixels = images.cpu().numpy()
    content = hashlib.sha256(np.ascontiguousarray(pixels)).hexdigest()  # ty: ignore[invalid-argument-type]
    path = paths.cache() / "features" / f"{config.content_hash([kind, content, pixels.shape, str(pixels.dtype)])}.npz"
    return atomic.arrays(path, lambda: {"features": _features(extract, images)})["features"]


def frechet(mu1: np.ndarray, S1: np.ndarray, mu2: np.ndarray, S2: np.ndarray) -> float:
    """Squared Frechet distance of two Gaussians: |mu1 - mu2|^2 + tr(S1 + S2 - 2 (S1 S2)^(1/2))."""
    values, vectors = np.linalg.eigh(S1)
    root = (vectors * np.sqrt(values.clip(0))) @ vectors.T  # rounding leaves eigenvalues of about -1e-16: they are 0
    cross = np.sqrt(np.linalg.eigvalsh(root @ S2 @ root).clip(0)).sum()
    return float(max(0.0, np.square(mu1 - mu2).sum() + np.trace(S1) + np.trace(S2) - 2 * cross))


def fid(real: np.ndarray, fake: np.ndarray) -> float:
    """FID of feature arrays (n,d) and (n',d)."""
    _check(real, fake)
    return frechet(real.mean(0), np.cov(real, rowvar=False), fake.mean(0), np.cov(fake, rowvar=False))


def fid_bootstrap(real: np.ndarray, fake: np.ndarray, n_boot: int = 100, seed: int = 0) -> np.ndarray:
    """(n_boot,) values of FID over images resampled with replacement from both sets, shifted to have FID as their mean.

    A resample holds only 63 % distinct images, so its FID is higher; the shift takes that bias off, the spread remains.
    """
    rng = np.random.default_rng(seed)
    resampled = [
        fid(real[rng.integers(len(real), size=len(real))], fake[rng.integers(len(fake), size=len(fake))]) for _ in range(n_boot)
    ]
    return np.array(resampled) - np.mean(resampled) + fid(real, fake)


def kid(real: np.ndarray, fake: np.ndarray, subsets: int = 100, size: int | None = None, seed: int = 0) -> tuple[float, float]:
    """KID: unbiased squared MMD with the kernel (x.y/d + 1)^3, mean and standard deviation over random subsets.

    `size`: images of each set in a subset; None: 1000, or half of the smaller set. Unbiased, so it may be negative.
    """
    _check(real, fake)
    size = size or min(1000, min(len(real), len(fake)) // 2)
    if not 2 <= size <= min(len(real), len(fake)):
        raise SmisError(f"KID subsets of {size} images do not fit sets of {len(real)} and {len(fake)}. Give a smaller size.")
    rng = np.random.default_rng(seed)
    values = []
    for _ in range(subsets):
        x, y = (s[rng.choice(len(s), size, replace=False)] for s in (real, fake))
        xx, yy, xy = ((a @ b.T / real.shape[1] + 1) ** 3 for a, b in ((x, x), (y, y), (x, y)))
        within = (xx.sum() - np.trace(xx) + yy.sum() - np.trace(yy)) / (size * (size - 1))
        values.append(within - 2 * xy.mean())
    return float(np.mean(values)), float(np.std(values))


def measure(
    extract: Features,
    real: Iterable[Tensor],
    fake: Iterable[Tensor],
    *,
    n_boot: int = 100,
    seed: int = 0,
) -> list[Measurement]:
    """FID and KID of batches of real and generated images in [-1,1].

    `extract` is `backbones.EmbeddedFeatures()` or `inception.InceptionFeatures()`: it brings its `protocol` and `device`.
    """
    real, fake = real_features(extract, real), features(extract, fake)
    protocol = {**extract.protocol, "n real": len(real), "n": len(fake), "seed": seed}
    how = f"bootstrap over images, mean shifted to the value, {n_boot} resamples" if n_boot else "none"
    spread = uncertainty(fid_bootstrap(real, fake, n_boot, seed)) if n_boot else {}
    size = min(1000, min(len(real), len(fake)) // 2)
    kid_mean, kid_spread = kid(real, fake, size=size, seed=seed)
    return [
        Measurement(f"FID{extract.suffix}", fid(real, fake), {**protocol, "interval": how}, **spread),
        Measurement(f"KID{extract.suffix}", kid_mean, {**protocol, "subsets": f"100 of {size}"}, spread=kid_spread),
    ]


def _check(real: np.ndarray, fake: np.ndarray) -> None:
    if real.ndim != 2 or fake.ndim != 2 or real.shape[1] != fake.shape[1] or min(len(real), len(fake)) < 2:
        raise SmisError(
            f"FID and KID need two arrays (n,d) with n >= 2 and the same d, found {real.shape} and {fake.shape}: "
            "take both from the same backbone."
        )
    for name, array in (("real", real), ("generated", fake)):
        if not np.isfinite(array).all():
            raise SmisError(f"features of the {name} images are not finite: check those images for NaN before measuring.")
