"""SPADE (Park et al. 2019, 1903.07291), with and without the image encoder of its VAE.

CG-Norm with one group is SPADE, and a CG-Block with one group its residual block. Without an encoder the generator starts
from the label map resized to the start grid and gives one image per label map (z = None); with one it starts from a
linear layer on z (N,256). The rows of the paper's tables 3 and 4 are further values of the same schedule.
"""

from dataclasses import dataclass, field
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .. import patterns
from ..config import ADDED
from ..errors import SmisError, did_you_mean
from ..layers import AffineBatchNorm, CGBlock, check_labels, glorot_, he_, spectral_norm, strided_convs
from ..patterns import Patterns
from .discriminators import MultiscaleDiscriminator

ENCODER_NORMS = ("instance", "none")
NORMS = ("batch", "unsynced", "instance")
CONDITIONINGS = ("spade", "concat")
STARTS = ("labels", "noise")


@dataclass(frozen=True)
class Schedule:
    """Everything that tells one SPADE from another."""

    C: int
    height: int
    width: int
    channels: tuple[int, ...]  # of each generator block, head_0 first; the grid doubles before every later one ...
    same_size: tuple[int, ...] = ()  # ... but these: the released 256x256 network starts from 8x8 and skips block 2
    hidden: int = 128  # of every SPADE
    encoder_channels: tuple[int, ...] = ()  # of each stride-2 convolution; none: no encoder, and z = None
    encoder_norm: str = "instance"  # with spectral norm; or "none", with neither
    z_dim: int = 256
    instance_edge: bool = False  # labels carry the instance edge after the C classes
    spectral: bool = True
    init_gain: float = 0.02  # of Glorot's initialisation
    d_channels: int = 64
    d_layers: int = 4
    d_scales: int = 2
    conditioning: str = field(default="spade", metadata=ADDED)  # of the blocks: or "concat", labels beside each conv's input
    kernel: int = field(default=3, metadata=ADDED)  # of SPADE's convolutions over the label map
    norm: str = field(default="batch", metadata=ADDED)  # SPADE's parameter-free one: or "unsynced", "instance"
    start: str = field(default="labels", metadata=ADDED)  # without an encoder: or "noise", a code z from N(0,1)

    def __post_init__(self):
        if not set(self.same_size) <= set(range(1, len(self.channels))):
            raise SmisError(f"same_size={self.same_size} must name blocks of 1 .. {len(self.channels) - 1}.")
        if self.height % self.scale or self.width % self.scale:
            raise SmisError(
                f"image size {self.height}x{self.width} does not fit a generator that doubles its grid to {self.scale} times "
                f"the start: height and width must be multiples of {self.scale}."
            )
        if self.kernel % 2 == 0:
            raise SmisError(f"kernel={self.kernel} has no middle: gamma and beta would be shifted. Take an odd size.")
        known = {"encoder_norm": ENCODER_NORMS, "norm": NORMS, "conditioning": CONDITIONINGS, "start": STARTS}
        for name, names in known.items():
            if getattr(self, name) not in names:
                raise did_you_mean(name, getattr(self, name), names)

    @property
    def scale(self) -> int:
        """Output pixels per cell of the start grid, along one axis."""
        return 2 ** (len(self.channels) - 1 - len(self.same_size))

    @property
    def grid(self) -> tuple[int, int]:
        """(h, w) of the start grid."""
        return self.height // self.scale, self.width // self.scale

    @property
    def z_shape(self) -> tuple[int] | None:
        """Shape of one image's code; None where the generator starts from the labels."""
        return (self.z_dim,) if self.encoder_channels or self.start == "noise" else None

    @property
    def label_channels(self) -> int:
        return self.C + self.instance_edge

    @property
    def controls_classes(self) -> bool:
        """The code belongs to the whole image."""
        return False


class Encoder(nn.Module):
    """Image -> (mu, logvar) of the code, each (N, z_dim). SPADE appendix A.

    The image is resized to a square of 4 * 2^n pixels for n convolutions (256 as released), so that 4x4 cells are left.
    """

    def __init__(self, s: Schedule):
        super().__init__()
        self.side = 4 * 2 ** len(s.encoder_channels)
        self.layers = strided_convs((3, *s.encoder_channels), norm=s.encoder_norm == "instance", spectral=s.spectral)
        self.mu = nn.Linear(s.encoder_channels[-1] * 16, s.z_dim)
        self.logvar = nn.Linear(s.encoder_channels[-1] * 16, s.z_dim)

    def forward(self, image: Tensor, labels: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """image (N,3,H,W) in [-1,1]; the labels are not looked at."""
        if image.shape[2:] != (self.side, self.side):
            image = F.interpolate(image, (self.side, self.side), mode="bilinear")
        x = self.layers(image).flatten(1)  # (N,16 * encoder_channels[-1])
        return self.mu(x), self.logvar(x)


class ConcatBlock(nn.Module):
    """The residual block without SPADE: the labels stand beside the input of each convolution (SPADE table 3, w/ Concat).

    At each of them, and not once a block: so the decoder has the 79 M parameters that the table prints.
    """

    def __init__(self, in_channels: int, out_channels: int, label_channels: int, spectral: bool):
        super().__init__()
        middle = min(in_channels, out_channels)
        self.norm_0, self.norm_1 = AffineBatchNorm(in_channels), AffineBatchNorm(middle)
        self.conv_0 = spectral_norm(nn.Conv2d(in_channels + label_channels, middle, 3, padding=1), spectral)
        self.conv_1 = spectral_norm(nn.Conv2d(middle + label_channels, out_channels, 3, padding=1), spectral)
        self.shortcut = None
        if in_channels != out_channels:
            self.norm_s = AffineBatchNorm(in_channels)
            conv = nn.Conv2d(in_channels + label_channels, out_channels, 1, bias=False)
            self.shortcut = spectral_norm(conv, spectral)

    def forward(self, x: Tensor, labels: Tensor) -> Tensor:
        """x (N,in,h,w), labels (N,label_channels,h,w) -> (N,out,h,w)."""
        labels = labels.expand(len(x), -1, -1, -1)
        skip = x if self.shortcut is None else self.shortcut(torch.cat([self.norm_s(x), labels], 1))
        h = self.conv_0(torch.cat([F.leaky_relu(self.norm_0(x), 0.2), labels], 1))  # (N,middle,h,w)
        h = self.conv_1(torch.cat([F.leaky_relu(self.norm_1(h), 0.2), labels], 1))  # (N,out,h,w)
        return skip + h


class Generator(nn.Module):
    """Labels, and a code where there is one -> image in [-1,1]. SPADE figure 4, appendix A."""

    def __init__(self, s: Schedule):
        super().__init__()
        self.schedule = s
        if s.z_shape:
            self.fc = nn.Linear(s.z_dim, s.channels[0] * s.grid[0] * s.grid[1])
        else:
            self.fc = nn.Conv2d(s.label_channels, s.channels[0], 3, padding=1)
        cgnorm = {"hidden": s.hidden, "shared_groups": 1, "affine_groups": 1, "norm": s.norm, "kernel": s.kernel}
        block = ConcatBlock if s.conditioning == "concat" else partial(CGBlock, groups=1, **cgnorm)
        self.blocks = nn.ModuleList(
            block(s.channels[max(i - 1, 0)], s.channels[i], s.label_channels, spectral=s.spectral) for i in range(len(s.channels))
        )
        self.to_rgb = nn.Conv2d(s.channels[-1], 3, 3, padding=1)

    def forward(self, labels: Tensor, z: Tensor | None = None) -> Tensor:
        """labels (N,C,H,W) (+1 channel with `instance_edge`), or one for all, z (N,z_dim) or None -> (N,3,H,W)."""
        s = self.schedule
        check_labels(labels, s.label_channels, s.height, s.width)
        if (z is None) != (s.z_shape is None):
            raise SmisError(
                "this SPADE has no code: its z is None." if z is not None else f"z is None, expected a code (N,{s.z_dim})."
            )
        x = self.fc(F.interpolate(labels, s.grid, mode="nearest") if z is None else z)
        x = x.view(-1, s.channels[0], *s.grid)  # (N,channels[0],h,w)
        for i, (block, condition) in enumerate(zip(self.blocks, self.conditions(labels), strict=True)):
            if i and i not in s.same_size:
                x = F.interpolate(x, scale_factor=2, mode="nearest")
            x = block(x, condition)  # (N,channels[i],...)
        return self.to_rgb(F.leaky_relu(x, 0.2)).tanh()

    def conditions(self, labels: Tensor) -> list[Tensor | Patterns]:
        """The labels as each block takes them."""
        s = self.schedule
        doublings = [sum(j not in s.same_size for j in range(1, i + 1)) for i in range(len(self.blocks))]
        sizes = [(s.grid[0] * 2**k, s.grid[1] * 2**k) for k in doublings]
        if s.conditioning == "spade" and s.kernel == 3:
            return patterns.conditions(labels, s.C, sizes)
        return [F.interpolate(labels, size, mode="nearest") for size in sizes]


class Networks(nn.Module):
    """The players of one experiment: G, D, and E where there is one."""

    def __init__(self, s: Schedule):
        super().__init__()
        self.schedule = s
        self.E = Encoder(s) if s.encoder_channels else None
        self.G = Generator(s)
        self.D = MultiscaleDiscriminator(s.label_channels + 3, s.d_channels, s.d_layers, s.d_scales, s.spectral)
        self.apply(partial(glorot_, gain=s.init_gain))
        if self.E and s.encoder_norm == "none":
            self.E.apply(he_)
            nn.init.constant_(self.E.logvar.bias, -3.0)  # little noise at first: G learns to read a code that is there
