"""SPADE (Park et al. 2019, 1903.07291), with and without the image encoder of its VAE.

CG-Norm with one group is SPADE, and a CG-Block with one group its residual block. Without an encoder the generator starts
from the label map resized to the start grid and gives one image per label map (z = None); with one it starts from a
linear layer on z (N,256).
"""

from dataclasses import dataclass
from functools import partial

import torch.nn.functional as F
from torch import Tensor, nn

from ..errors import SmisError, did_you_mean
from ..layers import CGBlock, check_labels, glorot_, he_, strided_convs
from .discriminators import MultiscaleDiscriminator

ENCODER_NORMS = ("instance", "none")


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

    def __post_init__(self):
        if not set(self.same_size) <= set(range(1, len(self.channels))):
            raise SmisError(f"same_size={self.same_size} must name blocks of 1 .. {len(self.channels) - 1}.")
        if self.height % self.scale or self.width % self.scale:
            raise SmisError(
                f"image size {self.height}x{self.width} does not fit a generator that doubles its grid to {self.scale} times "
                f"the start: height and width must be multiples of {self.scale}."
            )
        if self.encoder_norm not in ENCODER_NORMS:
            raise did_you_mean("encoder_norm", self.encoder_norm, ENCODER_NORMS)

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
        """Shape of one image's code; None without an encoder."""
        return (self.z_dim,) if self.encoder_channels else None

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


class Generator(nn.Module):
    """Labels, and a code where there is an encoder -> image in [-1,1]. SPADE figure 4, appendix A."""

    def __init__(self, s: Schedule):
        super().__init__()
        self.schedule = s
        if s.z_shape:
            self.fc = nn.Linear(s.z_dim, s.channels[0] * s.grid[0] * s.grid[1])
        else:
            self.fc = nn.Conv2d(s.label_channels, s.channels[0], 3, padding=1)
        cgnorm = {"hidden": s.hidden, "shared_groups": 1, "affine_groups": 1}
        self.blocks = nn.ModuleList(
            CGBlock(s.channels[max(i - 1, 0)], s.channels[i], s.label_channels, 1, s.spectral, **cgnorm)
            for i in range(len(s.channels))
        )
        self.to_rgb = nn.Conv2d(s.channels[-1], 3, 3, padding=1)

    def forward(self, labels: Tensor, z: Tensor | None = None) -> Tensor:
        """labels (N,C,H,W) (+1 channel with `instance_edge`), or one for all, z (N,z_dim) or None -> (N,3,H,W)."""
        s = self.schedule
        check_labels(labels, s.label_channels, s.height, s.width)
        if (z is None) != (s.z_shape is None):
            raise SmisError(
                "this SPADE has no encoder: its z is None." if z is not None else f"z is None, expected a code (N,{s.z_dim})."
            )
        x = self.fc(F.interpolate(labels, s.grid, mode="nearest") if z is None else z)
        x = x.view(-1, s.channels[0], *s.grid)  # (N,channels[0],h,w)
        for i, block in enumerate(self.blocks):
            if i and i not in s.same_size:
                x = F.interpolate(x, scale_factor=2, mode="nearest")
            x = block(x, F.interpolate(labels, x.shape[-2:], mode="nearest"))  # (N,channels[i],...)
        return self.to_rgb(F.leaky_relu(x, 0.2)).tanh()


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
