"""The global generator of pix2pixHD (Wang et al. 2018, 1711.11585), as the SPADE authors trained it for comparison.

Convolutions down, residual blocks, transposed convolutions up; every convolution but the last with spectral and instance
norm. The labels enter once, at the bottom: where a label map is uniform, the first convolution gives a constant, and
instance norm subtracts it, whichever class it was. SPADE is the answer to that (SPADE section 3). One image per label map.
"""

from dataclasses import dataclass
from functools import partial
from itertools import pairwise

import torch.nn.functional as F
from torch import Tensor, nn

from ..errors import SmisError
from ..layers import check_labels, glorot_, spectral_norm
from .discriminators import MultiscaleDiscriminator


@dataclass(frozen=True)
class Schedule:
    """Everything that tells one pix2pixHD from another; the defaults are the released widths."""

    C: int
    height: int
    width: int
    channels: int = 64  # at full size; doubled with every halving of the grid
    halvings: int = 4
    blocks: int = 9
    instance_edge: bool = False  # labels carry the instance edge after the C classes
    spectral: bool = True
    init_gain: float = 0.02
    d_channels: int = 64
    d_layers: int = 4
    d_scales: int = 2

    def __post_init__(self):
        scale = 2**self.halvings
        if self.height % scale or self.width % scale or min(self.height, self.width) < 2 * scale:
            raise SmisError(
                f"image size {self.height}x{self.width} does not fit a generator that halves its grid {self.halvings} times: "
                f"height and width must be multiples of {scale}, and {2 * scale} or more."
            )

    @property
    def z_shape(self) -> None:
        """There is no code."""
        return None

    @property
    def label_channels(self) -> int:
        return self.C + self.instance_edge

    @property
    def controls_classes(self) -> bool:
        """There is no code that could."""
        return False


class ResidualBlock(nn.Module):
    """x + (conv, norm, ReLU, conv, norm)(x), 3x3 with reflected borders."""

    def __init__(self, channels: int, spectral: bool):
        super().__init__()
        self.conv_0, self.conv_1 = (_conv(nn.Conv2d(channels, channels, 3, bias=False), spectral) for _ in range(2))

    def forward(self, x: Tensor) -> Tensor:
        """(N,channels,h,w) -> likewise."""
        h = _reflected(self.conv_0, x, 1).relu()
        return x + _reflected(self.conv_1, h, 1)


class Generator(nn.Module):
    """Labels -> image in [-1,1]. pix2pixHD figure 3 (G1), SPADE's baseline."""

    def __init__(self, s: Schedule):
        super().__init__()
        self.schedule = s
        widths = [s.channels * 2**i for i in range(s.halvings + 1)]
        steps = list(pairwise(widths))
        self.first = _conv(nn.Conv2d(s.label_channels, widths[0], 7, bias=False), s.spectral)
        self.down = nn.ModuleList(_conv(nn.Conv2d(a, b, 3, stride=2, padding=1, bias=False), s.spectral) for a, b in steps)
        self.blocks = nn.ModuleList(ResidualBlock(widths[-1], s.spectral) for _ in range(s.blocks))
        self.up = nn.ModuleList(
            _conv(nn.ConvTranspose2d(b, a, 3, stride=2, padding=1, output_padding=1, bias=False), s.spectral)
            for a, b in reversed(steps)
        )
        self.to_rgb = nn.Conv2d(widths[0], 3, 7)

    def forward(self, labels: Tensor, z: None = None) -> Tensor:
        """labels (N,C,H,W) (+1 channel with `instance_edge`) -> (N,3,H,W)."""
        s = self.schedule
        check_labels(labels, s.label_channels, s.height, s.width)
        if z is not None:
            raise SmisError("pix2pixHD has no code: its z is None.")
        x = _reflected(self.first, labels, 3).relu()  # (N,channels,H,W)
        for conv in self.down:
            x = F.instance_norm(conv(x)).relu()  # (N,2^i channels,H/2^i,W/2^i)
        for block in self.blocks:
            x = block(x)
        for conv in self.up:
            x = F.instance_norm(conv(x)).relu()
        return self.to_rgb(F.pad(x, (3, 3, 3, 3), mode="reflect")).tanh()


def _conv(conv: nn.Module, spectral: bool) -> nn.Module:
    return spectral_norm(conv) if spectral else conv


def _reflected(conv: nn.Module, x: Tensor, border: int) -> Tensor:
    """`conv` of x with reflected borders, instance-normalised."""
    return F.instance_norm(conv(F.pad(x, (border,) * 4, mode="reflect")))


class Networks(nn.Module):
    """The players of one experiment: G and D; there is no encoder."""

    def __init__(self, s: Schedule):
        super().__init__()
        self.schedule = s
        self.E, self.G = None, Generator(s)
        self.D = MultiscaleDiscriminator(s.label_channels + 3, s.d_channels, s.d_layers, s.d_scales, s.spectral)
        self.apply(partial(glorot_, gain=s.init_gain))
