"""What a step of training takes, known before anything is computed: operations and memory, counted on tensors without storage.

Of the dense path: label patterns (`patterns.py`) save some of it, depending on the label maps.
"""

import math
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from .config import Experiment
from .errors import SmisError
from .losses import perceptual_loss
from .models import MODELS
from .sample import Noise, generator

META = torch.device("meta")
T = TypeVar("T")


@dataclass(frozen=True)
class Cost:
    """Of one step of all players on one device.

    flops: floating-point operations of convolutions and matrix products, forward and backward; a multiply-add is two.
    activations: bytes in float32 that the forward pass of G's step keeps for its backward pass, weights not counted.
    parameters: of all players.
    """

    flops: int
    activations: int
    parameters: int


def of_step(experiment: Experiment, batch: int) -> Cost:
    """Count a step on `batch` images with label maps. Needs neither data nor weights, and takes seconds at any size.

    Raises SmisError for a model of images without label maps (the BigGAN family).
    """
    if not hasattr(experiment.network, "label_channels"):
        raise SmisError(f"{experiment.model} reads no label maps: `smis train {experiment.model} --dry-run` says what it takes.")
    spec, s, model = experiment.data, experiment.network, MODELS[experiment.model]
    with META:
        networks = model.networks(s)
        examples = {"image": torch.empty(batch, 3, spec.height, spec.width)}
        examples["labels"] = torch.empty(batch, s.label_channels, spec.height, spec.width)
    objective, noise = model.objective(experiment.loss, perceptual_loss(experiment.loss.backbone, META)), Noise(generator("cost"))
    with FlopCounterMode(display=False, custom_mapping={torch.ops.aten.convolution_backward: _backward}) as counter:
        if networks.D:
            networks.D.requires_grad_(False)
        (terms, fake), activations = keeping(networks, lambda: objective.generator(networks, examples, noise, 1.0))
        sum(terms.values()).backward()
        if networks.D:
            networks.D.requires_grad_(True)
            for i in range(experiment.train.d_steps):
                if i or not experiment.train.reuse_fake:
                    with torch.no_grad():
                        fake = objective.fake(networks, examples, noise)
                sum(objective.discriminator(networks, examples, fake.detach(), noise).values()).backward()
    return Cost(counter.get_total_flops(), activations, sum(p.numel() for p in networks.parameters()))


def keeping(networks: nn.Module, forward: Callable[[], T]) -> tuple[T, int]:
    """What `forward()` gives, and the bytes that it keeps for a backward pass, weights of the networks not counted."""
    holders = weakref.WeakSet()

    def keep(x: Tensor) -> _Holder:
        holders.add(holder := _Holder(x))
        return holder

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda holder: holder.x):
        made = forward()
    weights = {p.untyped_storage()._cdata for p in networks.parameters()}
    kept = {(storage := holder.x.untyped_storage())._cdata: storage.nbytes() for holder in holders}  # not what is free again
    return made, sum(n for key, n in kept.items() if key not in weights)


class _Holder:
    """What autograd keeps in the place of a tensor: it goes when the tensor would."""

    def __init__(self, x: Tensor):
        self.x = x


def _backward(
    gradient, x, weight, bias, stride, padding, dilation, transposed, output_padding, groups, wanted, out_shape=None
) -> int:  # fmt: skip
    """Operations of a convolution's backward pass, from shapes: as many as forward for each gradient that is wanted.

    torch's own rule leaves the groups out.
    """
    pixels = x if transposed else gradient
    return 2 * math.prod(weight) * pixels[0] * math.prod(pixels[2:]) * sum(wanted[:2])
