"""The network that S3GAN's labels come from (1903.02271, section 3.1): a residual network with two heads.

One tells by how many quarter turns an image was turned, which needs no labels; the other its class. What both share is the
representation that is clustered where there are no labels at all.
"""

from dataclasses import dataclass
from itertools import pairwise

import torch.nn.functional as F
from torch import Tensor, nn

from ..errors import SmisError
from ..layers import BatchNorm2d


@dataclass(frozen=True)
class Schedule:
    """Everything that tells one labeller from another. At `paper` a ResNet-50 v2, 16 filters times its width."""

    C: int  # classes K
    height: int
    width: int
    stem: int  # channels of the first convolution
    channels: tuple[int, ...]  # after each stage; the grid halves in every one but the first
    blocks: tuple[int, ...]  # residual blocks of each stage
    bottleneck: int = 1  # a block's middle has so many times fewer channels, between 1x1 convolutions; 1: two 3x3 convolutions
    start: int = 1  # pixels per cell of the first stage: 1, 2 (a first convolution with stride 2) or 4 (and a max pooling)

    def __post_init__(self):
        if len(self.blocks) != len(self.channels):
            raise SmisError(f"{len(self.channels)} stages have channels and {len(self.blocks)} have blocks: give each both.")
        if self.height != self.width:
            raise SmisError(f"images of {self.height}x{self.width} change their size when turned: height and width must agree.")
        if self.start not in (1, 2, 4):
            raise SmisError(f"start={self.start}: the first stage has cells of 1, 2 or 4 pixels.")

    @property
    def z_shape(self) -> None:
        """There is no code."""
        return None

    @property
    def controls_classes(self) -> bool:
        """Nothing is generated."""
        return False


class Block(nn.Module):
    """Pre-activation residual block (1603.05027): (norm, ReLU, convolution) twice, or three times with a bottleneck."""

    def __init__(self, into: int, out: int, stride: int, bottleneck: int):
        super().__init__()
        middle = out // bottleneck
        widths, kernels = ((into, middle, middle, out), (1, 3, 1)) if bottleneck > 1 else ((into, out, out), (3, 3))
        self.norms = nn.ModuleList(BatchNorm2d(width) for width in widths[:-1])
        strided = kernels.index(3)
        self.convs = nn.ModuleList(
            nn.Conv2d(a, b, k, stride=stride if i == strided else 1, padding=k // 2, bias=False)
            for i, ((a, b), k) in enumerate(zip(pairwise(widths), kernels, strict=True))
        )
        self.shortcut = nn.Conv2d(into, out, 1, stride=stride, bias=False) if stride > 1 or into != out else None

    def forward(self, x: Tensor) -> Tensor:
        """(N,into,h,w) -> (N,out,h/stride,w/stride)."""
        h = self.norms[0](x).relu()
        skip = x if self.shortcut is None else self.shortcut(h)
        h = self.convs[0](h)
        for norm, conv in zip(self.norms[1:], self.convs[1:], strict=True):
            h = conv(norm(h).relu())
        return skip + h


class Labeller(nn.Module):
    """Image -> representation, and from it a class and a rotation."""

    def __init__(self, s: Schedule):
        super().__init__()
        kernel = 7 if s.start == 4 else 3
        self.stem = nn.Conv2d(3, s.stem, kernel, stride=min(s.start, 2), padding=kernel // 2, bias=False)
        self.pooled = s.start == 4
        widths = (s.stem, *s.channels)
        self.blocks = nn.Sequential(
            *(
                Block(a if j == 0 else b, b, 2 if i and j == 0 else 1, s.bottleneck)
                for i, ((a, b), n) in enumerate(zip(pairwise(widths), s.blocks, strict=True))
                for j in range(n)
            )
        )
        self.norm = BatchNorm2d(widths[-1])
        self.rotation, self.classifier = nn.Linear(widths[-1], 4), nn.Linear(widths[-1], s.C)

    def forward(self, image: Tensor) -> Tensor:
        """(N,3,H,W) in [-1,1] -> the representation (N,d), a mean over the grid."""
        x = self.stem(image)
        x = F.max_pool2d(x, 3, stride=2, padding=1) if self.pooled else x
        return self.norm(self.blocks(x)).relu().mean((2, 3))


class Networks(nn.Module):
    """One player: E, which reads images. Nothing is generated."""

    def __init__(self, s: Schedule):
        super().__init__()
        self.schedule = s
        self.G, self.D, self.E = None, None, Labeller(s)
