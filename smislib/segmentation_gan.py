"""The objective of OASIS (2012.04781, section 3): adversarial supervision by segmentation, and LabelMix.

D gives every pixel of a real image its class and every pixel of a fake the class `FAKE`; G wants each pixel of its image to
be given the class of the label map. Both losses weigh a class by the inverse of its pixels in the batch. LabelMix pastes
classes of the fake into the real image, along the borders of the label map; what D says of the mixture shall be the mixture
of what it says of the two.

A pixel without a label (zero in every class, or of the class `unlabelled`) counts in none of the cross entropies.
"""

from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from . import processes
from .errors import SmisError
from .losses import FromNoise, Perceptual, Terms
from .sample import Noise

FAKE = 0  # D's class for generated pixels; class c of the labels is its class c + 1


@dataclass(frozen=True)
class SegmentationGan:
    """The loss weights of OASIS. The two switches and `perceptual` are its ablations."""

    balanced: bool = True  # classes weighed by the inverse of their pixels
    labelmix: float = 10.0  # of the consistency loss; 0: no LabelMix
    perceptual: float = 0.0  # of a perceptual loss, which OASIS does without
    unlabelled: int | None = None  # a class that stands for "no label"
    backbone: str = "none"  # of the perceptual loss: "vgg19", "embedded" or "none"

    def __post_init__(self):
        if bool(self.perceptual) != (self.backbone != "none"):
            raise SmisError(
                f"loss.perceptual={self.perceptual} and loss.backbone={self.backbone!r} train nothing together: set both, e.g. "
                "loss.perceptual=10 and loss.backbone=embedded (or vgg19), or neither (0 and none)."
            )

    def check(self, network: Any) -> None:
        """Raise SmisError for a schedule whose D gives pixels no classes, or that does not have the class `unlabelled`."""
        if network.discriminator != "segmentation":
            raise SmisError(
                f"network.discriminator={network.discriminator!r} gives pixels no classes, which the loss of OASIS needs: leave "
                "it 'segmentation', or train oasis_patch."
            )
        if self.unlabelled is not None and not 0 <= self.unlabelled < network.C:
            raise SmisError(
                f"loss.unlabelled={self.unlabelled} is none of the {network.C} classes: set one of 0 to {network.C - 1}, or null."
            )


def pixel_weights(labels: Tensor, *, balanced: bool = True, unlabelled: int | None = None) -> Tensor:
    """What each pixel counts, (N,H,W), of `labels` (N,C,H,W): 0 without a label; the sum is the number of pixels, N*H*W.

    The batch is that of all processes: a rare class may be in the share of one alone. So a loss that is a mean over each share,
    and then over the processes, is the mean over the batch.

    balanced: every class that is in the batch has the same total, so each of its pixels the inverse of their number;
    otherwise every labelled pixel counts alike. A batch without labels has weight 0 everywhere.
    """
    if unlabelled is not None:  # multiplied: to fill a channel, its number would first have to reach the device
        labels = labels * (torch.arange(labels.shape[1], device=labels.device) != unlabelled)[:, None, None]
    per_class = processes.total(labels.sum((0, 2, 3)))  # (C,) pixels
    counts = per_class if balanced else per_class.sum().expand_as(per_class)
    classes = (per_class > 0).sum() if balanced else 1
    share = torch.where(per_class > 0, 1 / (counts * classes).clamp(min=1), 0)  # of the batch, for one pixel of the class
    return torch.einsum("nchw,c->nhw", labels, share) * (labels[:, 0].numel() * processes.world())


def segmentation_loss(logits: Tensor, labels: Tensor, weights: Tensor, *, fake: bool = False) -> Tensor:
    """Cross entropy of D's logits (N,C+1,H,W) with the labels (N,C,H,W), or, for `fake`, with `FAKE`; mean over pixels."""
    target = torch.full_like(weights, FAKE, dtype=torch.long) if fake else labels.argmax(1) + 1
    return (F.cross_entropy(logits, target, reduction="none") * weights).mean()


def labelmix_mask(labels: Tensor, noise: Noise) -> Tensor:
    """Where the mixture shows the real image: bool (N,1,H,W), for each class of each image one throw of a coin."""
    N, C = labels.shape[:2]
    coins = noise.normal((N, C + 1)).to(labels.device) > 0  # the last: of the pixels without a label
    region = torch.cat([labels, 1 - labels.sum(1, keepdim=True)], dim=1).argmax(1)  # (N,H,W)
    return coins.gather(1, region.flatten(1)).view_as(region)[:, None]


def consistency(mixed: Tensor, real: Tensor, fake: Tensor, mask: Tensor) -> Tensor:
    """Mean squared difference of D's logits for the mixed image and the mixture of its logits, all (N,C+1,H,W)."""
    return F.mse_loss(mixed, torch.where(mask, real, fake))


class SegmentationGanObjective(FromNoise):
    """Segmentation, LabelMix and, where it has a weight, perceptual loss on (G, D): OASIS."""

    def __init__(self, weights: SegmentationGan, perceptual: Perceptual | None):
        self.weights, self.perceptual = weights, perceptual

    def _classes(self, networks: nn.Module, batch: dict) -> Tensor:
        return batch["labels"][:, : networks.schedule.C]  # without the instance edge

    def generator(self, networks: nn.Module, batch: dict, noise: Noise, progress: float) -> tuple[Terms, Tensor]:
        """The terms of G for one vector of noise an image, and the fake (N,3,H,W)."""
        w, labels = self.weights, self._classes(networks, batch)
        fake = self.fake(networks, batch, noise)
        counted = pixel_weights(labels, balanced=w.balanced, unlabelled=w.unlabelled)
        terms = {"segmentation": segmentation_loss(networks.D(fake), labels, counted)}
        if self.perceptual:
            terms["perceptual"] = w.perceptual * self.perceptual(fake, batch["image"])
        return terms, fake

    def discriminator(self, networks: nn.Module, batch: dict, fake: Tensor, noise: Noise) -> Terms:
        """`fake` carries no gradient. Real, fake and mixture go through D together, as one batch."""
        w, labels, image = self.weights, self._classes(networks, batch), batch["image"]
        seen = [image, fake]
        if w.labelmix:
            mask = labelmix_mask(labels, noise)
            seen.append(torch.where(mask, image, fake))
        real, fake, *mixed = networks.D(torch.cat(seen)).chunk(len(seen))
        counted = pixel_weights(labels, balanced=w.balanced, unlabelled=w.unlabelled)
        alike = pixel_weights(labels, balanced=False, unlabelled=w.unlabelled)
        terms = {"real": segmentation_loss(real, labels, counted), "fake": segmentation_loss(fake, labels, alike, fake=True)}
        if mixed:
            terms["labelmix"] = w.labelmix * consistency(mixed[0], real, fake, mask)
        return terms
