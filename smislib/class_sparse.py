"""Networks whose cost follows the classes that a batch shows, not those of the data set: of ADE20K's 151 an image has about ten.

Where every layer is grouped by class, the classes that are there have a network of their own within the whole one. Its weights
are rows of the whole one's: they are cut out at each step, after spectral norm, and gradients go back to where they came from.

Encoder and MulNet: the same numbers. An absent class feeds zeros through convolutions without bias and instance norm, so its mu
and logvar are biases; MulNet's label masks let nothing of it through. (In training the running statistics of its norms rest.)
GroupNet, GroupDec: another function. There an absent class is heard: its code reaches the fusing convolutions through constant
gamma and beta. Here it is 0 at their input.
"""

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

from . import processes


def shown(classes: Tensor) -> Tensor:
    """bool (N,C): the classes that each image has; one-hot (N,C,H,W)."""
    return classes.amax((2, 3)) > 0


def kept(classes: Tensor, *, training: bool = False) -> Tensor:
    """int64 (K,): the classes that some image has, one-hot (N,C,H,W); the first where there is none.

    `training`: of the images on all processes, whose batch norms work together. A GPU has to be waited for.
    """
    some = shown(classes).any(0).int()
    some = processes.total(some) if training else some
    return some.nonzero().flatten() if some.any() else some.new_zeros(1, dtype=torch.int64)


def owned(classes: Tensor, channels: int, C: int) -> Tensor:
    """The channels, of so many class-major ones of C classes, that some classes own."""
    each = channels // C
    return (classes[:, None] * each + torch.arange(each, device=classes.device)).flatten()


def run(whole: nn.Module, classes: Tensor, *inputs: Tensor) -> Any:
    """What the network of K `classes`, cut out of the one of all, makes of `inputs`, which are for these classes alone.

    whole: an Encoder or a Generator of a `Schedule` whose groups are the classes.
    """
    s, tensors, statistics = whole.schedule, {}, []
    for name, module in whole.named_modules():
        if isinstance(module, nn.Conv2d):
            weight, bias = module.weight, module.bias
            if module.groups == s.C:
                own = owned(classes, len(weight), s.C)
                weight, bias = weight[own], None if bias is None else bias[own]
            elif name == "fusion.0" and not s.mask_features:
                weight = weight[:, owned(classes, weight.shape[1], s.C)]
            tensors[f"{name}.weight"] = weight
            tensors |= {} if bias is None else {f"{name}.bias": bias}
        elif getattr(module, "running_mean", None) is not None:
            own = owned(classes, len(module.running_mean), s.C)
            for key in ("running_mean", "running_var"):
                tensors[f"{name}.{key}"] = getattr(module, key)[own]
                statistics.append((getattr(module, key), own, tensors[f"{name}.{key}"]))
    with torch.device("meta"):
        part = type(whole)(of_some(s, len(classes))).train(whole.training)
    made = functional_call(part, tensors, inputs, strict=True)
    if whole.training:
        for all_of_it, own, moved in statistics:
            all_of_it[own] = moved
    return made


def of_some(s: Any, K: int) -> Any:
    """The schedule of K classes that are as wide as those of `s`."""

    def fewer(name: str) -> tuple[int, ...]:
        return tuple(K * max(1, n // s.C) for n in getattr(s, name))

    widths = {name: fewer(name) for name in ("channels", "hidden") + ("encoder_channels",) * (s.encoder_groups == s.C)}
    groups = {name: (K,) * len(s.groups) for name in ("groups", "shared_groups", "affine_groups")}
    return replace(s, C=K, **widths, **groups, encoder_groups=K if s.encoder_groups == s.C else 1, spectral=False)
