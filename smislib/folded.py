"""A trained generator that draws faster: what does not change from picture to picture is computed once.

Weights after spectral norm; eval batch norm, folded into gamma and beta; and gamma and beta themselves, as long as the label map
stays the same, which for sliders, mCSD and sampling is most of the time. The result is the plain generator's but for rounding.
"""

import copy

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import parametrize

from .layers import CGNorm, ParamFreeBatchNorm
from .patterns import LARGE, Patterns, modulate


def fold(networks: nn.Module) -> nn.Module:
    """Networks, in eval mode, whose G is folded. Weights are shared with the given networks, and must not change from here on.

    Those of pictures smaller than `patterns.LARGE` gain little, those that skip classes have other weights for each label map:
    both come back as they are.
    """
    s = networks.schedule
    if min(getattr(s, "height", 0), getattr(s, "width", 0)) < LARGE or getattr(s, "skips", False):
        return networks
    folded = copy.copy(networks)
    folded._modules = networks._modules | {"G": Folded(networks.G)}
    return folded


class Folded(nn.Module):
    """G(labels, z) without gradients."""

    def __init__(self, G: nn.Module):
        super().__init__()
        self.G = copy.deepcopy(G, {id(tensor): tensor for tensor in (*G.parameters(), *G.buffers())}).eval()
        self._labels, self._conditions = None, None
        if hasattr(G, "conditions"):
            self.G.conditions = self._remembered
        for module in list(self.G.modules()):
            if isinstance(module, nn.Conv2d):
                weight = module.weight.detach().contiguous(memory_format=torch.channels_last)
                if parametrize.is_parametrized(module, "weight"):
                    module.parametrizations["weight"] = _Constant(weight)
                else:
                    module.weight = nn.Parameter(weight, requires_grad=False)
            for name, child in module.named_children():
                if isinstance(child, CGNorm):
                    setattr(module, name, _Folded(child))

    @torch.inference_mode()
    def forward(self, labels: Tensor, z: Tensor | None) -> Tensor:
        return self.G(labels, z)

    def forget(self) -> None:
        """The label map that was seen last."""
        self._labels = None

    def _remembered(self, labels: Tensor) -> list[Tensor | Patterns]:
        """The conditions of the last label maps, the same objects if they are asked for again: by that a norm knows them."""
        if self._labels is None or self._labels.shape != labels.shape or not torch.equal(self._labels, labels):
            self._labels, self._conditions = labels, type(self.G).conditions(self.G, labels)
        return self._conditions


class _Constant(nn.Module):
    """In the place of a parametrization: the weight that it gave."""

    def __init__(self, weight: Tensor):
        super().__init__()
        self.register_buffer("weight", weight)

    def forward(self) -> Tensor:
        return self.weight


class _Folded(nn.Module):
    """A CG-Norm that keeps gamma and beta of the last label maps: of patterns as a table, else as maps."""

    def __init__(self, of: CGNorm):
        super().__init__()
        self.of, self._last, self._scale, self._shift = of, None, None, None

    def forward(self, x: Tensor, labels: Tensor | Patterns, slope: float = 1.0) -> Tensor:
        """As `CGNorm.forward`."""
        norm = self.of.norm
        if labels is not self._last:
            self._scale, self._shift = self._modulation(labels)
            self._last = labels
        x = (x if isinstance(norm, ParamFreeBatchNorm) else norm(x)).contiguous(memory_format=torch.channels_last)
        if not isinstance(labels, Patterns):
            y = torch.addcmul(self._shift, x, self._scale)
            return y if slope == 1 else F.leaky_relu(y, slope, inplace=True)
        return modulate(x, self._scale, self._shift, labels.where, slope)

    def _modulation(self, labels: Tensor | Patterns) -> tuple[Tensor, Tensor]:
        """Scale and shift of what comes in: each (P5,channels), or (N,channels,h,w) of a label map without patterns."""
        if isinstance(labels, Patterns):
            scale, shift = labels.table(self.of.shared, self.of.gamma, self.of.beta).chunk(2, 1)
        else:
            scale, shift = self.of.modulation(labels)
        if isinstance(self.of.norm, ParamFreeBatchNorm):
            norm, every = self.of.norm, (slice(None),) + (None,) * (scale.dim() - 2)
            scale = scale * (norm.running_var + norm.eps).rsqrt()[every]
            shift = torch.addcmul(shift, scale, norm.running_mean[every], value=-1)
        return scale.contiguous(), shift.contiguous()
