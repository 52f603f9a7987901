"""Colour and sharpness of generated images against the real ones: pix2pix figure 7 and section 4.2.

Lab L, Lab a, Lab b   intersection of the marginal distributions over all pixels, sum over bins of the smaller share: 1 if equal
Sharpness             mean gradient of the lightness, relative to the real images': below 1 is blur
"""

from collections.abc import Iterable

import numpy as np
from torch import Tensor

from ..errors import SmisError
from ..processes import in_order
from . import Measurement, bootstrap_weights, uncertainty

BINS = {"L": (0.0, 100.0, 50), "a": (-100.0, 100.0, 100), "b": (-100.0, 100.0, 100)}  # lowest, highest, number: 2 units each


def lab(images: Tensor) -> np.ndarray:
    """(N,3,H,W) in [-1,1] -> CIE Lab (N,H,W,3), D65."""
    from skimage.color import rgb2lab

    return rgb2lab((images.clamp(-1, 1).movedim(1, -1).numpy() + 1) / 2)


def marginals(colours: np.ndarray) -> dict[str, np.ndarray]:
    """The histogram of every image: Lab (N,H,W,3) -> channel -> pixel counts (N,bins); what is outside is in the end bins."""
    found = {}
    for k, (channel, (low, high, n)) in enumerate(BINS.items()):
        at = np.clip((colours[..., k] - low) / (high - low) * n, 0, n - 1).astype(np.int64)
        rows = np.arange(len(at)).reshape(-1, 1, 1) * n + at
        found[channel] = np.bincount(rows.ravel(), minlength=len(at) * n).reshape(-1, n)
    return found


def intersection(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Of two histograms (...,bins), each first made to sum to 1: sum of the smaller shares, in [0,1] (...)."""
    return np.minimum(a / a.sum(-1, keepdims=True), b / b.sum(-1, keepdims=True)).sum(-1)


def gradient(colours: np.ndarray) -> np.ndarray:
    """Mean |difference| of L between neighbouring pixels, down and across, of every image: Lab (N,H,W,3) -> (N,)."""
    L = colours[..., 0]
    return (np.abs(np.diff(L, axis=1)).mean((1, 2)) + np.abs(np.diff(L, axis=2)).mean((1, 2))) / 2


def measure(
    fake: Iterable[Tensor], real: Iterable[Tensor], *, n_boot: int = 1000, seed: int = 0
) -> tuple[list[Measurement], dict[str, tuple[np.ndarray, np.ndarray]]]:
    """The four metrics with intervals over images, a fake resampled together with its real image; and the marginals
    (fake, real), shares of all pixels, that figure 7 draws.

    `fake`, `real`: batches (N,3,H,W) in [-1,1], of as many images. Raises SmisError for other numbers of them.
    """
    counts, gradients = {}, {}
    for name, batches in (("fake", fake), ("real", real)):
        colours = [lab(batch) for batch in batches]
        parts = in_order([(marginals(part), gradient(part)) for part in colours])
        counts[name] = {channel: np.concatenate([part[channel] for part, _ in parts]) for channel in BINS}
        gradients[name] = np.concatenate([part for _, part in parts])
    n = len(gradients["fake"])
    if n != len(gradients["real"]):
        raise SmisError(f"{n} generated images but {len(gradients['real'])} real ones: colours are compared image by image.")
    weights = bootstrap_weights(n, n_boot, seed)
    protocol = {"n": n, "space": "CIE Lab, D65", "image range": "[-1,1]", "seed": seed}
    measured, curves = [], {}
    for channel, (low, high, bins) in BINS.items():
        a, b = (counts[name][channel] for name in ("fake", "real"))
        curves[channel] = tuple(h.sum(0) / h.sum() for h in (a, b))
        resampled = intersection(weights @ a, weights @ b)
        described = {**protocol, "range": [low, high], "bins": bins}
        measured.append(
            Measurement(f"Lab {channel}", float(intersection(a.sum(0), b.sum(0))), described, **uncertainty(resampled))
        )
    a, b = gradients["fake"], gradients["real"]
    described = {**protocol, "what": "mean |difference| of L between neighbours, fake / real"}
    measured.append(Measurement("Sharpness", float(a.mean() / b.mean()), described, **uncertainty((weights @ a) / (weights @ b))))
    return measured, curves
