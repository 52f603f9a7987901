"""mIoU and pixel accuracy: does a segmenter find, in the generated image, the label map that it was made from?

(SPADE 4.1, SMIS Table 2.) A pixel whose label is `ignore_index` counts nowhere, whatever the segmenter says there. A
class that is neither in any label map nor in any prediction has no IoU and is left out of the mean; one that is only
predicted has IoU 0.

A segmenter of photographs does not predict every class of a label map: one of Cityscapes knows 19 of the 35. In mIoU such
"don't care" pixels count nowhere. Accuracy has two readings, and for one model on Cityscapes the papers print 93.5 by the
first (SMIS) and 81.9 by the second (SPADE):

  Acc               they count nowhere
  Acc (all pixels)  they count as wrong

pix2pix's FCN-score (4.1) also has the mean over classes of a class's own accuracy: `class_accuracy`.
"""

from collections.abc import Iterable
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from ..data.spec import Classes
from ..errors import SmisError
from ..processes import in_order
from . import Measurement, bootstrap_weights, uncertainty


class Segment(Protocol):
    """What reads labels: images (N,3,H,W) in [-1,1] -> classes int64 (N,H,W), each of them one of `predicts`."""

    suffix: str
    protocol: dict
    predicts: tuple[int, ...]

    def __call__(self, images: Tensor) -> Tensor: ...


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


def accuracy_per_class(counts: np.ndarray) -> np.ndarray:
    """Mean over classes of the share of a class's pixels that are found, of confusion matrices (...,C,C) -> (...).

    A class without pixels has no accuracy and is left out, whatever is predicted.
    """
    counts = np.asarray(counts, dtype=np.float64)
    hit, pixels = np.diagonal(counts, axis1=-2, axis2=-1), counts.sum(-1)
    present = pixels > 0
    return np.divide(hit, pixels, out=np.zeros_like(hit), where=present).sum(-1) / present.sum(-1)


class NearestColour:
    """Reads labels from images that are label maps in colour: the class whose colour in the palette is nearest in RGB.

    Of classes of one colour, as Cityscapes has, it predicts the first.
    """

    suffix = ""

    def __init__(self, classes: Classes):
        self.palette = torch.tensor(classes.palette, dtype=torch.float32) / 127.5 - 1  # (C,3)
        self.predicts = tuple(sorted(map(classes.palette.index, set(classes.palette))))
        self.protocol = {"reader": "the class of the nearest colour in RGB", "image range": "[-1,1]"}

    def __call__(self, images: Tensor) -> Tensor:
        """images (N,3,H,W) -> classes int64 (N,H,W)."""
        return torch.cdist(images.flatten(2).movedim(1, 2), self.palette.to(images)).argmin(2).view(-1, *images.shape[2:])


def rare_classes(
    segment: Segment, pairs: Iterable[tuple[Tensor, Tensor]], classes: Classes, *, n_boot: int = 1000, seed: int = 0
) -> Measurement:
    """mIoU over the rarer half of the classes that are in the label maps, by their pixels there; arguments as `measure`."""
    counts, unknown, protocol = _counted(segment, pairs, classes)
    pixels = counts.sum((0, 2))
    known = [c for c in np.argsort(pixels, kind="stable") if pixels[c] and c not in unknown]
    rare = np.array(sorted(known[: max(1, len(known) // 2)]))
    summed = np.concatenate([counts.sum(0)[None], np.tensordot(bootstrap_weights(len(counts), n_boot, seed), counts, 1)])
    hit = np.diagonal(summed, axis1=-2, axis2=-1)
    iou = (hit / (summed.sum(-1) + summed.sum(-2) - hit).clip(1e-12))[:, rare].mean(1)
    protocol = {**protocol, "classes averaged": rare.tolist(), "seed": seed}
    return Measurement(f"mIoU (rare classes){segment.suffix}", float(iou[0]), protocol, **uncertainty(iou[1:]))


def measure(
    segment: Segment,
    pairs: Iterable[tuple[Tensor, Tensor]],
    classes: Classes,
    *,
    n_boot: int = 1000,
    seed: int = 0,
) -> list[Measurement]:
    """mIoU and Acc, with intervals over images; where `segment` cannot predict every class, also Acc (all pixels).

    `segment` is `backbones.EmbeddedSegmenter(names)` or `segformer.Segformer(data)`: it brings its `protocol`.
    `pairs`: batches of image (N,3,H,W) in [-1,1] and the label_map int64 (N,H,W) it was made from.
    """
    counts, unknown, protocol = _counted(segment, pairs, classes)
    known = counts.copy()
    known[:, unknown] = 0  # their pixels count nowhere
    protocol["seed"] = seed
    weights = bootstrap_weights(len(counts), n_boot, seed)
    values, resampled = scores(known.sum(0)), scores(np.tensordot(weights, known, 1))
    measured = [
        Measurement(f"{name}{segment.suffix}", float(value), protocol, **uncertainty(r))
        for name, value, r in zip(("mIoU", "Acc"), values, resampled, strict=True)
    ]
    if unknown:
        value, resampled = scores(counts.sum(0))[1], scores(np.tensordot(weights, counts, 1))[1]
        ignored = None if classes.ignore_index is None else f"label {classes.ignore_index}"
        protocol = {**protocol, "ignore": ignored or "none: what the segmenter does not predict counts as wrong"}
        measured.append(Measurement(f"Acc (all pixels){segment.suffix}", float(value), protocol, **uncertainty(resampled)))
    return measured


def class_accuracy(
    segment: Segment, pairs: Iterable[tuple[Tensor, Tensor]], classes: Classes, *, n_boot: int = 1000, seed: int = 0
) -> list[Measurement]:
    """Class acc, with its interval over images; arguments as of `measure`."""
    counts, unknown, protocol = _counted(segment, pairs, classes)
    counts[:, unknown] = 0
    protocol = {**protocol, "classes averaged": "in a label map", "seed": seed}
    resampled = accuracy_per_class(np.tensordot(bootstrap_weights(len(counts), n_boot, seed), counts, 1))
    value = float(accuracy_per_class(counts.sum(0)))
    return [Measurement(f"Class acc{segment.suffix}", value, protocol, **uncertainty(resampled))]


def _counted(segment: Segment, pairs: Iterable[tuple[Tensor, Tensor]], classes: Classes) -> tuple[np.ndarray, list[int], dict]:
    """Confusion of every image (N,C,C), the classes that `segment` does not predict, and the protocol."""
    found, C, ignore = [], len(classes), classes.ignore_index
    for image, label_map in pairs:
        prediction = segment(image)
        found.append(confusion(prediction, label_map.to(prediction.device), C, ignore).cpu().numpy())
    counts = np.concatenate(in_order(found))
    unknown = sorted(set(range(C)) - set(segment.predicts))
    ignored = [] if ignore is None else [f"label {ignore}"]
    rule = ", ".join(ignored + [f"{len(unknown)} classes that the segmenter does not predict"] * bool(unknown)) or "none"
    averaged = {"classes averaged": "in a label map or a prediction"}
    return counts, unknown, {**segment.protocol, "n": len(counts), "ignore": rule, **averaged}
