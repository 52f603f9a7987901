"""mIoU and pixel accuracy: does a segmenter find, in the generated image, the label map that it was made from?

(SPADE 4.1, SMIS Table 2.) A pixel whose label is `ignore_index` counts nowhere, whatever the segmenter says there. A
class that is neither in any label map nor in any prediction has no IoU and is left out of the mean; one that is only
predicted has IoU 0.
"""

from collections.abc import Iterable

import numpy as np
import torch
from torch import Tensor

from ..data.spec import Classes
from ..errors import SmisError
from . import Measurement, backbones, bootstrap_weights, uncertainty


def confusion(prediction: Tensor, label_map: Tensor, C: int, ignore_index: int | None = None) -> Tensor:
    """Pixel counts per image, int64 (N,C,C): [n, true class, predicted class]. Both inputs int64 (N,H,W).

    Raises SmisError when the shapes differ or a value is neither in [0,C) nor (in `label_map`) `ignore_index`.
    """
    if prediction.shape != label_map.shape or label_map.ndim != 3:
        raise SmisError(f"prediction {tuple(prediction.shape)} and label_map {tuple(label_map.shape)} must both be (N,H,W).")
    counted = torch.ones_like(label_map, dtype=torch.bool) if ignore_index is None else label_map != ignore_index
    for name, values in (("prediction", prediction[counted]), ("label_map", label_map[counted])):
        if values.numel() and not 0 <= int(values.min()) <= int(values.max()) < C:
            raise SmisError(
                f"{name} holds values {int(values.min())}..{int(values.max())}, expected [0, {C}) "
                f"with ignore_index {ignore_index}: remap it, or name the ignored value."
            )
    n = torch.arange(len(label_map), device=label_map.device).view(-1, 1, 1).expand_as(label_map)
    cells = (n * C + label_map) * C + prediction
    return torch.bincount(cells[counted], minlength=len(label_map) * C * C).view(-1, C, C)


def scores(counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """mIoU and pixel accuracy of confusion matrices (...,C,C), [true, predicted] -> two arrays (...)."""
    counts = np.asarray(counts, dtype=np.float64)
    hit = np.diagonal(counts, axis1=-2, axis2=-1)
    union = counts.sum(-1) + counts.sum(-2) - hit
    present = union > 0
    iou = np.divide(hit, union, out=np.zeros_like(hit), where=present)
    return iou.sum(-1) / present.sum(-1), hit.sum(-1) / counts.sum((-2, -1))


def iou_per_class(counts: np.ndarray) -> np.ndarray:
    """IoU of each class (C,) of a confusion matrix (C,C); NaN for a class that is nowhere."""
    hit = np.diagonal(counts).astype(np.float64)
    union = counts.sum(0) + counts.sum(1) - hit
    return np.divide(hit, union, out=np.full_like(hit, np.nan), where=union > 0)


def measure(
    pairs: Iterable[tuple[Tensor, Tensor]],
    classes: Classes,
    *,
    device: str | torch.device = "cpu",
    n_boot: int = 1000,
    seed: int = 0,
) -> list[Measurement]:
    """`mIoU[embedded]` and `Acc[embedded]`, with intervals over images.

    `pairs`: batches of image (N,3,H,W) in [-1,1] and the label_map int64 (N,H,W) it was made from.
    Raises SmisError when the shipped segmenter was not trained on these classes.
    """
    net = backbones.load("segmenter", device)
    trained = tuple(net.metadata["training"]["classes"])
    if trained != classes.names:
        raise SmisError(
            f"the embedded segmenter knows {len(trained)} classes ({', '.join(trained)}), the data have "
            f"{len(classes)} ({', '.join(classes.names[:8])}...): use the data it was trained on, or leave mIoU out."
        )
    ignore = classes.ignore_index
    with torch.no_grad():
        counts = torch.cat(
            [
                confusion(net(image.to(device)).argmax(1), label_map.to(device), len(classes), ignore).cpu()
                for image, label_map in pairs
            ]
        ).numpy()
    protocol = {
        "backbone": "embedded/segmenter",
        "weights": net.weight_hash,
        "image range": "[-1,1]",
        "n": len(counts),
        "ignore": "none" if ignore is None else f"label {ignore}",
        "classes averaged": "in a label map or a prediction",
        "seed": seed,
    }
    values = scores(counts.sum(0))
    resampled = scores(np.tensordot(bootstrap_weights(len(counts), n_boot, seed), counts, 1))
    return [
        Measurement(f"{name}[embedded]", float(value), protocol, **uncertainty(r))
        for name, value, r in zip(("mIoU", "Acc"), values, resampled, strict=True)
    ]
