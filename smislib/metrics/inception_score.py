"""The Inception score (Salimans et al. 2016, 1606.03498): exp E_x KL(p(y|x) || p(y)) of a classifier's answers to images.

It is 1 where all images get one answer and K where each of K classes is answered surely and equally often. Published are
50,000 images in 10 splits, each with a p(y) of its own: the mean of the 10 scores. Few images make p(y) look like them, so
n and the number of splits are part of the protocol.
"""

from collections.abc import Iterable
from typing import Protocol

import numpy as np
import torch
from scipy.special import entr
from torch import Tensor

from ..errors import SmisError
from . import Measurement, bootstrap_weights, uncertainty
from .fid import features

SPLITS = 10  # as published


class Judge(Protocol):
    """What reads whole images: `backbones.EmbeddedClassifier`, `judges.DigitJudge`, `inception.InceptionFeatures`."""

    suffix: str
    protocol: dict
    device: str | torch.device

    def __call__(self, images: Tensor) -> Tensor:
        """Images (N,3,H,W) in [-1,1] -> features (N,d), for FID."""

    def probabilities(self, images: Tensor) -> Tensor:
        """Images (N,3,H,W) in [-1,1] -> (N,K), rows that sum to 1."""


def inception_score(p: np.ndarray, splits: int = SPLITS) -> float:
    """The mean score of `splits` parts of the predictions p (n,K), in their order: let that be random.

    Raises SmisError for rows that are no probabilities, and for more splits than images.
    """
    return float(_scores(p, splits, np.ones((1, len(p))))[0])


def bootstrap(p: np.ndarray, splits: int = SPLITS, n_boot: int = 200, seed: int = 0) -> np.ndarray:
    """(n_boot,) scores over reweighed images, shifted to have the score as their mean.

    A resample has fewer distinct images, so its score is higher; the shift takes that bias off, the spread remains.
    """
    resampled = _scores(p, splits, bootstrap_weights(len(p), n_boot, seed))
    return resampled - resampled.mean() + inception_score(p, splits)


def measure(
    classify: Judge, images: Iterable[Tensor], *, splits: int = SPLITS, n_boot: int = 200, seed: int = 0
) -> list[Measurement]:
    """The Inception score of batches of generated images (N,3,H,W) in [-1,1], with the interval of a bootstrap over images."""
    p = features(classify.probabilities, images)
    how = f"bootstrap over images, mean shifted to the value, {n_boot} resamples"
    protocol = {**classify.protocol, "n": len(p), "splits": splits, "seed": seed, "interval": how}
    spread = uncertainty(bootstrap(p, splits, n_boot, seed))
    return [Measurement(f"IS{classify.suffix}", inception_score(p, splits), protocol, **spread)]


def _scores(p: np.ndarray, splits: int, weights: np.ndarray) -> np.ndarray:
    """Of each row of weights (B,n) the mean score (B,) over the splits."""
    if p.ndim != 2 or not (np.isfinite(p).all() and (p >= 0).all() and np.allclose(p.sum(1), 1, atol=1e-4)):
        raise SmisError(
            f"the Inception score needs predictions (n,K) that are not negative and sum to 1 in each row, found {p.shape}: "
            "give probabilities, not logits, of images without NaN."
        )
    if not 1 <= splits <= len(p):
        raise SmisError(f"{len(p)} images do not make {splits} splits. Measure more images, or in fewer splits.")
    scores = []
    for part in np.array_split(np.arange(len(p)), splits):
        w = weights[:, part] / weights[:, part].sum(1, keepdims=True)
        marginal = w @ p[part]  # p(y), (B,K)
        # E KL(p(y|x) || p(y)) is the entropy of p(y) less the mean entropy of p(y|x)
        scores.append(np.exp(entr(marginal).sum(1) - w @ entr(p[part]).sum(1)))
    return np.mean(scores, 0)
