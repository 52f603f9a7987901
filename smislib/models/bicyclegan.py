"""BicycleGAN's networks (Zhu et al. 2017, 1711.11586), which DSCGAN (Yang et al. 2019, 1901.09024) shares but for the encoder.

A U-Net on the labels, with the code z (N,8) spread over the grid and concatenated before every convolution of its way down
(the second alternative of BicycleGAN's figure 3); a residual encoder of the whole image; PatchGANs of two scales with
instance norm.
"""

import math
from dataclasses import dataclass
from functools import partial
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..errors import SmisError
from ..layers import check_labels, glorot_
from .discriminators import MultiscaleDiscriminator


@dataclass(frozen=True)
class Schedule:
    """Everything that tells one network from another; the released 256x256 widths stand in `papers/baselines.py`."""

    C: int
    height: int
    width: int
    channels: tuple[int, ...]  # of the U-Net's levels, each half the grid of the one before
    encoder_channels: tuple[int, ...] = ()  # of the encoder's levels; none: no encoder (DSCGAN)
    z_dim: int = 8
    instance_edge: bool = False  # labels carry the instance edge after the C classes
    init_gain: float = 0.02  # of Glorot's initialisation
    d_channels: int = 64
    d_layers: int = 4
    d_scales: int = 2

    def __post_init__(self):
        scale = 2 ** len(self.channels)
        if self.height % scale or self.width % scale:
            raise SmisError(
                f"image size {self.height}x{self.width} does not fit a U-Net of {len(self.channels)} levels: "
                f"height and width must be multiples of {scale}."
            )

    @property
    def z_shape(self) -> tuple[int]:
        """Shape of one image's code."""
        return (self.z_dim,)

    @property
    def label_channels(self) -> int:
        return self.C + self.instance_edge

    @property
    def controls_classes(self) -> bool:
        """The code belongs to the whole image."""
        return False


def levels(height: int, width: int) -> int:
    """The most levels that a U-Net can have: as often as the image can be halved, at 256x256 down to one cell; at least 1."""
    divisor = math.gcd(height, width)
    return max(1, (divisor & -divisor).bit_length() - 1)


class ResidualBlock(nn.Module):
    """Half the grid: (norm, leaky ReLU, conv) twice and a mean over 2x2, beside a mean and a 1x1 convolution."""

    def __init__(self, in_channels: int, out_channels: int):
        super().__init__()
        self.conv_0 = nn.Conv2d(in_channels, in_channels, 3, padding=1)
        self.conv_1 = nn.Conv2d(in_channels, out_channels, 3, padding=1)
        self.shortcut = nn.Conv2d(in_channels, out_channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(N,in,h,w) -> (N,out,h/2,w/2)."""
        h = self.conv_0(F.leaky_relu(F.instance_norm(x), 0.2))
        h = self.conv_1(F.leaky_relu(F.instance_norm(h), 0.2))
        return F.avg_pool2d(h, 2) + self.shortcut(F.avg_pool2d(x, 2))


class Encoder(nn.Module):
    """Image -> (mu, logvar) of the code, each (N, z_dim): the residual encoder of BicycleGAN, section 4."""

    def __init__(self, s: Schedule):
        super().__init__()
        widths = s.encoder_channels
        self.first = nn.Conv2d(3, widths[0], 4, stride=2, padding=1)
        self.blocks = nn.Sequential(*(ResidualBlock(a, b) for a, b in pairwise(widths)))
        self.mu, self.logvar = (nn.Linear(widths[-1], s.z_dim) for _ in range(2))

    def forward(self, image: Tensor, labels: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """image (N,3,H,W) in [-1,1]; the labels are not looked at."""
        x = F.leaky_relu(self.blocks(self.first(image)), 0.2).mean((2, 3))  # (N,encoder_channels[-1])
        return self.mu(x), self.logvar(x)


class Generator(nn.Module):
    """Labels and code -> image in [-1,1]: a U-Net."""

    def __init__(self, s: Schedule):
        super().__init__()
        self.schedule = s
        n, into, out = len(s.channels), (s.label_channels, *s.channels), (3, *s.channels)
        self.down = nn.ModuleList(nn.Conv2d(into[i] + s.z_dim, into[i + 1], 4, stride=2, padding=1) for i in range(n))
        self.up = nn.ModuleList(  # above the lowest level each also takes what went down there
            nn.ConvTranspose2d(s.channels[i] * (1 if i == n - 1 else 2), out[i], 4, stride=2, padding=1) for i in range(n)
        )

    def forward(self, labels: Tensor, z: Tensor) -> Tensor:
        """labels (N,C,H,W) (+1 channel with `instance_edge`), or one for all, z (N,z_dim) -> (N,3,H,W)."""
        s, lowest = self.schedule, len(self.down) - 1
        check_labels(labels, s.label_channels, s.height, s.width)
        x, levels = labels.expand(len(z), -1, -1, -1), []
        for i, conv in enumerate(self.down):
            x = F.leaky_relu(x, 0.2) if i else x
            x = conv(torch.cat([x, z[:, :, None, None].expand(-1, -1, *x.shape[2:])], dim=1))  # (N,channels[i],H/2^i+1,...)
            x = F.instance_norm(x) if 0 < i < lowest else x  # a 1x1 grid has nothing to average
            levels.append(x)
        for i in reversed(range(lowest + 1)):
            x = self.up[i](x.relu())
            x = torch.cat([F.instance_norm(x), levels[i - 1]], dim=1) if i else x
        return x.tanh()


class Networks(nn.Module):
    """The players: G, E and one discriminator for each of its two cycles (BicycleGAN), or G and one D (DSCGAN)."""

    def __init__(self, s: Schedule):
        super().__init__()
        self.schedule = s

        def discriminator() -> MultiscaleDiscriminator:
            return MultiscaleDiscriminator(s.label_channels + 3, s.d_channels, s.d_layers, s.d_scales, spectral=False)

        self.E = Encoder(s) if s.encoder_channels else None
        self.G = Generator(s)
        self.D = nn.ModuleDict({"vae": discriminator(), "lr": discriminator()}) if self.E else discriminator()
        self.apply(partial(glorot_, gain=s.init_gain))
