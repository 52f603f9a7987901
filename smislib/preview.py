"""A rough picture at once: the same generator at a half or a quarter of its size, for sliders over networks that take seconds.

The networks are fully convolutional but for their start grid, so a smaller label map and a pooled code give a smaller picture:
coarser and not the full one made small, but with its colours.
"""

import copy

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .folded import Folded
from .models import groupdnet, oasis, spade
from .patterns import LARGE

FACTORS = (4, 2)


class Preview:
    """G at 1/factor of its height and width. It shares the weights of the networks."""

    def __init__(self, networks: nn.Module, factor: int):
        s = networks.schedule
        self.factor, self.G, self.schedule = factor, Folded(networks.G), copy.copy(s)
        for side in ("height", "width"):  # by hand: the schedule would also refuse what its encoder cannot do at this size
            object.__setattr__(self.schedule, side, getattr(s, side) // factor)
        self.G.G.schedule = self.schedule

    @torch.inference_mode()
    def image(self, labels: Tensor, z: Tensor | None) -> Tensor:
        """A picture (3,H,W) in [-1,1], rough; labels (1,C,H,W) and z as G takes them."""
        G, s, device = self.G.G, self.schedule, next(self.G.parameters()).device
        small = labels[..., :: self.factor, :: self.factor].clone()
        if s.instance_edge:  # a line one pixel wide, which every other pixel may miss
            small[:, s.C :] = F.max_pool2d(labels[:, s.C :], self.factor)
        if z is not None and isinstance(G, groupdnet.Generator) and z.shape[-2:] != (1, 1):
            z = F.adaptive_avg_pool2d(z, s.grid)
        elif z is not None and z.dim() == 4 and isinstance(G, oasis.Generator):
            z = z[:, :, :: self.factor, :: self.factor]
        image = self.G(small.to(device), None if z is None else z.to(device)).float().cpu()
        return F.interpolate(image, labels.shape[-2:], mode="bilinear")[0].clamp(-1, 1)


def factors(networks: nn.Module) -> list[int]:
    """By how much G can be made smaller, the most first; nothing where its layers fix the size, or its pictures are small: they
    are quick enough, and a quarter of them would show nothing.
    """
    s, G = networks.schedule, networks.G
    free = isinstance(G, groupdnet.Generator | oasis.Generator) or (isinstance(G, spade.Generator) and s.z_shape is None)
    free = free and min(s.height, s.width) >= LARGE
    return [k for k in FACTORS if free and all(side % k == 0 for side in s.grid)]
