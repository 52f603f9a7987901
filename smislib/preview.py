"""A rough picture at once: the same generator at a half or a quarter of its size, for sliders over networks that take seconds.

The networks are fully convolutional but for their start grid, so a smaller label map and a pooled code give a smaller picture:
coarser and not the full one made small, but with its colours. What does not change from picture to picture is kept: weights after
spectral norm, and gamma and beta of a label map, which are two thirds of the work.
"""

import copy

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import parametrize

from .layers import CGNorm
from .models import groupdnet, oasis, spade

FACTORS = (4, 2)
LEAST = 128  # rows or columns: smaller pictures are quick enough, and a quarter of them would show nothing


class Preview:
    """G at 1/factor of its height and width. It shares the weights of the networks."""

    def __init__(self, networks: nn.Module, factor: int):
        G, s = networks.G, networks.schedule
        self.factor, self._of = factor, ""
        self.G = copy.deepcopy(G, {id(tensor): tensor for tensor in (*G.parameters(), *G.buffers())})
        self.G.schedule = smaller = copy.copy(s)
        for side in ("height", "width"):  # by hand: the schedule would also refuse what its encoder cannot do at this size
            object.__setattr__(smaller, side, getattr(s, side) // factor)
        self._modulation = []
        for module in list(self.G.modules()):
            if parametrize.is_parametrized(module):
                module.parametrizations["weight"] = _Kept(module.parametrizations["weight"])
            if isinstance(module, CGNorm) and not isinstance(G, oasis.Generator):  # which modulates by its noise, too
                for name in ("shared", "gamma", "beta"):
                    setattr(module, name, _Kept(getattr(module, name)))
                    self._modulation.append(getattr(module, name))

    @torch.inference_mode()
    def image(self, labels: Tensor, z: Tensor | None, of: str) -> Tensor:
        """A picture (3,H,W) in [-1,1], rough; labels (1,C,H,W) and z as G takes them, `of` tells label maps apart."""
        if of != self._of:
            for kept in self._modulation:
                kept.value = None
            self._of = of
        s, device = self.G.schedule, next(self.G.parameters()).device
        small = labels[..., :: self.factor, :: self.factor].clone()
        if s.instance_edge:  # a line one pixel wide, which every other pixel may miss
            small[:, s.C :] = F.max_pool2d(labels[:, s.C :], self.factor)
        if z is not None and isinstance(self.G, groupdnet.Generator) and z.shape[-2:] != (1, 1):
            z = F.adaptive_avg_pool2d(z, s.grid)
        elif z is not None and z.dim() == 4 and isinstance(self.G, oasis.Generator):
            z = z[:, :, :: self.factor, :: self.factor]
        image = self.G(small.to(device), None if z is None else z.to(device)).float().cpu()
        return F.interpolate(image, labels.shape[-2:], mode="bilinear")[0].clamp(-1, 1)


def factors(networks: nn.Module) -> list[int]:
    """By how much G can be made smaller, the most first; nothing where its layers fix the size, or its pictures are small."""
    s, G = networks.schedule, networks.G
    free = isinstance(G, groupdnet.Generator | oasis.Generator) or (isinstance(G, spade.Generator) and s.z_shape is None)
    free = free and min(s.height, s.width) >= LEAST
    return [k for k in FACTORS if free and all(side % k == 0 for side in s.grid)]


class _Kept(nn.Module):
    """What a module gave the first time, until `value` is cleared."""

    def __init__(self, of: nn.Module):
        super().__init__()
        self.of, self.value = of, None

    def forward(self, *inputs: Tensor) -> Tensor:
        if self.value is None:
            self.value = self.of(*inputs)
        return self.value
