"""The global generator of pix2pixHD (Wang et al. 2018, 1711.11585), as the SPADE authors trained it for comparison.

Convolutions down, residual blocks, transposed convolutions up; every convolution but the last with spectral and instance
norm. The labels enter once, at the bottom: where a label map is uniform, the first convolution gives a constant, and
instance norm subtracts it, whichever class it was. SPADE is the answer to that (SPADE section 3). One image per label map.

"pix2pixHD++" (SPADE 4.2) is the same network with sync batch norm, trained as SPADE is; in the rows of table 3 that are made
from it the labels also stand beside the input of each residual block, or modulate every norm.
"""

from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..config import ADDED
from ..errors import SmisError, did_you_mean
from ..layers import AffineBatchNorm, CGNorm, check_labels, glorot_, spectral_norm
from .discriminators import MultiscaleDiscriminator

NORMS = ("instance", "batch", "unsynced", "spade")


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
    norm: str = field(default="instance", metadata=ADDED)  # or "batch", "unsynced" of four devices, "spade" (every norm)
    hidden: int = field(default=128, metadata=ADDED)  # of every SPADE
    concat: bool = field(default=False, metadata=ADDED)  # the labels beside the input of each residual block

    def __post_init__(self):
        if self.norm not in NORMS:
            raise did_you_mean("norm", self.norm, NORMS)
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


class Norm(nn.Module):
    """The norm behind each convolution; `labels` (N,label_channels,H,W) at full size, which SPADE resizes to its input."""

    def __init__(self, channels: int, s: Schedule):
        super().__init__()
        match s.norm:
            case "instance":
                self.norm = nn.InstanceNorm2d(channels)
            case "spade":
                self.norm = CGNorm(channels, s.label_channels, hidden=s.hidden, shared_groups=1, affine_groups=1)
            case _:
                self.norm = AffineBatchNorm(channels, devices=4 if s.norm == "unsynced" else 1)

    def forward(self, x: Tensor, labels: Tensor) -> Tensor:
        """(N,channels,h,w) -> likewise."""
        if isinstance(self.norm, CGNorm):
            return self.norm(x, F.interpolate(labels, x.shape[-2:], mode="nearest"))
        return self.norm(x)


class ResidualBlock(nn.Module):
    """x + (conv, norm, ReLU, conv, norm)(x), 3x3 with reflected borders."""

    def __init__(self, channels: int, s: Schedule):
        super().__init__()
        self.concat = s.concat
        beside = s.label_channels if s.concat else 0
        self.conv_0 = spectral_norm(nn.Conv2d(channels + beside, channels, 3, bias=False), s.spectral)
        self.conv_1 = spectral_norm(nn.Conv2d(channels, channels, 3, bias=False), s.spectral)
        self.norm_0, self.norm_1 = Norm(channels, s), Norm(channels, s)

    def forward(self, x: Tensor, labels: Tensor) -> Tensor:
        """x (N,channels,h,w), labels (N,label_channels,H,W) at full size -> like x."""
        h = torch.cat([x, F.interpolate(labels, x.shape[-2:], mode="nearest")], 1) if self.concat else x
        h = self.norm_0(self.conv_0(_reflected(h, 1)), labels).relu()
        return x + self.norm_1(self.conv_1(_reflected(h, 1)), labels)


class Generator(nn.Module):
    """Labels -> image in [-1,1]. pix2pixHD figure 3 (G1), SPADE's baseline."""

    def __init__(self, s: Schedule):
        super().__init__()
        self.schedule = s
        widths = [s.channels * 2**i for i in range(s.halvings + 1)]
        steps = list(pairwise(widths))
        self.first = spectral_norm(nn.Conv2d(s.label_channels, widths[0], 7, bias=False), s.spectral)
        self.down = nn.ModuleList(
            spectral_norm(nn.Conv2d(a, b, 3, stride=2, padding=1, bias=False), s.spectral) for a, b in steps
        )
        self.blocks = nn.ModuleList(ResidualBlock(widths[-1], s) for _ in range(s.blocks))
        self.up = nn.ModuleList(
            spectral_norm(nn.ConvTranspose2d(b, a, 3, stride=2, padding=1, output_padding=1, bias=False), s.spectral)
            for a, b in reversed(steps)
        )
        self.norms = nn.ModuleList(Norm(width, s) for width in (*widths, *reversed(widths[:-1])))  # of first, down and up
        self.to_rgb = nn.Conv2d(widths[0], 3, 7)

    def forward(self, labels: Tensor, z: None = None) -> Tensor:
        """labels (N,C,H,W) (+1 channel with `instance_edge`) -> (N,3,H,W)."""
        s = self.schedule
        check_labels(labels, s.label_channels, s.height, s.width)
        if z is not None:
            raise SmisError("pix2pixHD has no code: its z is None.")
        norm_first, norms_down, norms_up = self.norms[0], self.norms[1 : 1 + s.halvings], self.norms[1 + s.halvings :]
        x = norm_first(self.first(_reflected(labels, 3)), labels).relu()  # (N,channels,H,W)
        for conv, norm in zip(self.down, norms_down, strict=True):
            x = norm(conv(x), labels).relu()  # (N,2^i channels,H/2^i,W/2^i)
        for block in self.blocks:
            x = block(x, labels)
        for conv, norm in zip(self.up, norms_up, strict=True):
            x = norm(conv(x), labels).relu()
        return self.to_rgb(_reflected(x, 3)).tanh()


def _reflected(x: Tensor, border: int) -> Tensor:
    return F.pad(x, (border,) * 4, mode="reflect")


class Networks(nn.Module):
    """The players of one experiment: G and D; there is no encoder."""

    def __init__(self, s: Schedule):
        super().__init__()
        self.schedule = s
        self.E, self.G = None, Generator(s)
        self.D = MultiscaleDiscriminator(s.label_channels + 3, s.d_channels, s.d_layers, s.d_scales, s.spectral)
        self.apply(partial(glorot_, gain=s.init_gain))
