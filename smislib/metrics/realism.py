"""How far the colours and the textures of generated images, as a set, are from those of real ones.

OASIS compares both distributions; its text is not at hand, so the definition is ours. Colour: the joint histogram of CIELAB,
8 bins an axis, of all pixels. Texture: the histogram of the 59 uniform local binary patterns of the lightness (Ojala et al.
2002: 8 neighbours at distance 1). Distance: chi-square, 1/2 sum (p - q)^2 / (p + q), from 0 (equal) to 1 (nothing shared).
"""

from collections.abc import Iterable

import numpy as np
from skimage.feature import local_binary_pattern
from torch import Tensor

from ..errors import SmisError
from ..processes import in_order
from . import Measurement, bootstrap_weights, uncertainty
from .colour import lab

BINS = 8  # of each axis of CIELAB
LOW, HIGH = np.array([0.0, -100.0, -100.0]), np.array([100.0, 100.0, 100.0])
PATTERNS = 59


def histograms(images: Tensor) -> dict[str, np.ndarray]:
    """Of each image (N,3,H,W) in [-1,1] the share of its pixels in each bin: "Colour" (N,512), "Texture" (N,59)."""
    colours = lab(images.cpu())  # (N,H,W,3)
    cell = ((colours - LOW) / (HIGH - LOW) * BINS).astype(int).clip(0, BINS - 1) @ (BINS**2, BINS, 1)
    lightness = (colours[..., 0] / 100 * 255).round().astype(np.uint8)
    pattern = np.stack([local_binary_pattern(one, 8, 1, "nri_uniform") for one in lightness]).astype(int)
    return {"Colour": _shares(cell, BINS**3), "Texture": _shares(pattern, PATTERNS)}


def _shares(values: np.ndarray, bins: int) -> np.ndarray:
    return np.stack([np.bincount(one.ravel(), minlength=bins) / one.size for one in values])


def chi_square(p: np.ndarray, q: np.ndarray) -> np.ndarray:
    """Distance of histograms (...,bins) that sum to one: (...), in [0,1]."""
    both = p + q
    return 0.5 * np.divide((p - q) ** 2, both, out=np.zeros_like(both), where=both > 0).sum(-1)


def measure(real: Iterable[Tensor], fake: Iterable[Tensor], *, n_boot: int = 1000, seed: int = 0) -> list[Measurement]:
    """Distances of colour and texture of two sets of images (N,3,H,W), one fake for each real one, in batches."""
    sets = [in_order([histograms(batch) for batch in images]) for images in (real, fake)]
    measured = []
    for what in ("Colour", "Texture"):
        p, q = (np.concatenate([part[what] for part in one]) for one in sets)
        if p.shape != q.shape:
            raise SmisError(f"{len(p)} real images but {len(q)} generated ones: give one for each.")
        weights = bootstrap_weights(len(p), n_boot, seed)
        protocol = {"implementation": "smislib.metrics.realism", "n": len(p), "seed": seed}
        resampled = chi_square(weights @ p, weights @ q)
        measured.append(Measurement(f"{what} χ²", float(chi_square(p.mean(0), q.mean(0))), protocol, **uncertainty(resampled)))
    return measured
