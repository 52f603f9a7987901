"""OASIS (Sushko et al. 2021, 2012.04781): a SPADE generator with 3-D noise, a discriminator that segments.

The noise z is a vector for each pixel: the generator reads [z, labels] wherever SPADE reads the labels. One vector for the
whole image, (N,z_dim), is what it is trained with; a map (N,z_dim,H,W) changes a part of the image.

The discriminator is a U-Net that gives each pixel one of C+1 classes: 0, generated, or c+1, a real one of class c.
"""

from dataclasses import dataclass
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..errors import SmisError, did_you_mean
from ..layers import CGBlock, check_labels, glorot_, spectral_norm
from .discriminators import MultiscaleDiscriminator

DISCRIMINATORS = ("segmentation", "patch")


@dataclass(frozen=True)
class Schedule:
    """Everything that tells one OASIS from another."""

    C: int
    height: int
    width: int
    channels: tuple[int, ...]  # of each generator block; the grid doubles before every one but the first
    z_dim: int = 64
    hidden: int = 128  # of every SPADE
    instance_edge: bool = False  # labels carry the instance edge after the C classes: not looked at, as published
    spectral: bool = True
    d_spectral: bool = True  # of the U-Net
    init_gain: float = 0.02  # of Glorot's initialisation
    discriminator: str = "segmentation"  # or "patch": the two-scale PatchGAN of SPADE, on [labels, image]
    d_channels: tuple[int, ...] = (128, 128, 256, 256, 512, 512)  # of each halving of the U-Net; a PatchGAN has the first
    d_last: int = 64  # of the U-Net's last block
    d_layers: int = 4  # of a PatchGAN

    def __post_init__(self):
        if self.discriminator not in DISCRIMINATORS:
            raise did_you_mean("discriminator", self.discriminator, DISCRIMINATORS)
        halvings = len(self.d_channels) if self.discriminator == "segmentation" else 0
        for what, scale in (("generator", self.scale), ("discriminator", 2**halvings)):
            if self.height % scale or self.width % scale:
                raise SmisError(
                    f"image size {self.height}x{self.width} does not fit a {what} with grids of 1/{scale}: "
                    f"height and width must be multiples of {scale}."
                )

    @property
    def scale(self) -> int:
        """Output pixels per cell of the start grid, along one axis."""
        return 2 ** (len(self.channels) - 1)

    @property
    def grid(self) -> tuple[int, int]:
        """(h, w) of the start grid."""
        return self.height // self.scale, self.width // self.scale

    @property
    def z_shape(self) -> tuple[int]:
        """Shape of one image's code: one vector for all pixels."""
        return (self.z_dim,)

    @property
    def label_channels(self) -> int:
        return self.C + self.instance_edge

    @property
    def controls_classes(self) -> bool:
        """The pixels of a class can be given another vector: see `sample.resample`."""
        return True


class Generator(nn.Module):
    """Labels and 3-D noise -> image in [-1,1]."""

    def __init__(self, s: Schedule):
        super().__init__()
        self.schedule = s
        condition = s.z_dim + s.C
        self.fc = nn.Conv2d(condition, s.channels[0], 3, padding=1)
        cgnorm = {"hidden": s.hidden, "shared_groups": 1, "affine_groups": 1}  # CG-Norm with one group is SPADE
        self.blocks = nn.ModuleList(
            CGBlock(s.channels[max(i - 1, 0)], s.channels[i], condition, 1, s.spectral, **cgnorm) for i in range(len(s.channels))
        )
        self.to_rgb = nn.Conv2d(s.channels[-1], 3, 3, padding=1)

    def forward(self, labels: Tensor, z: Tensor) -> Tensor:
        """labels (N,C,H,W) (+1 channel with `instance_edge`), z (N,z_dim) or (N,z_dim,H,W); either one for all -> (N,3,H,W)."""
        s = self.schedule
        check_labels(labels, s.label_channels, s.height, s.width)
        x = condition = self._condition(labels[:, : s.C], z)  # (N,z_dim + C,H,W)
        x = self.fc(F.interpolate(x, s.grid, mode="nearest"))  # (N,channels[0],h,w)
        for i, block in enumerate(self.blocks):
            if i:
                x = F.interpolate(x, scale_factor=2, mode="nearest")
            x = block(x, F.interpolate(condition, x.shape[-2:], mode="nearest"))  # (N,channels[i],...)
        return self.to_rgb(F.leaky_relu(x, 0.2)).tanh()

    def _condition(self, labels: Tensor, z: Tensor) -> Tensor:
        s = self.schedule
        if z is None or tuple(z.shape[1:]) not in ((s.z_dim,), (s.z_dim, s.height, s.width)):
            found = "None" if z is None else tuple(z.shape)
            raise SmisError(f"z is {found}, expected a vector (N,{s.z_dim}) or a map (N,{s.z_dim},{s.height},{s.width}).")
        if z.dim() == 2:
            z = z[:, :, None, None]
        N = max(len(labels), len(z))
        return torch.cat([z.expand(N, -1, s.height, s.width), labels.expand(N, -1, -1, -1)], dim=1)


class _Block(nn.Module):
    """Residual block of two 3x3 convolutions that halves ("down") or doubles ("up") the grid.

    The shortcut's 1x1 convolution runs on the smaller grid: it commutes with the mean of 2x2 pixels and with repeating them.
    """

    def __init__(self, in_channels: int, out_channels: int, way: str, spectral: bool, first: bool = False):
        super().__init__()
        self.way, self.first = way, first
        self.conv_0 = spectral_norm(nn.Conv2d(in_channels, out_channels, 3, padding=1), spectral)
        self.conv_1 = spectral_norm(nn.Conv2d(out_channels, out_channels, 3, padding=1), spectral)
        self.shortcut = nn.Identity()
        if in_channels != out_channels:
            self.shortcut = spectral_norm(nn.Conv2d(in_channels, out_channels, 1), spectral)

    def forward(self, x: Tensor) -> Tensor:
        """x (N,in,h,w) -> (N,out,h/2,w/2) or (N,out,2h,2w)."""
        h = x if self.first else F.leaky_relu(x, 0.2)  # the first block reads the image itself
        if self.way == "up":
            h = F.interpolate(h, scale_factor=2, mode="nearest")
        h = self.conv_1(F.leaky_relu(self.conv_0(h), 0.2))
        if self.way == "down":
            return self.shortcut(F.avg_pool2d(x, 2)) + F.avg_pool2d(h, 2)
        return F.interpolate(self.shortcut(x), scale_factor=2, mode="nearest") + h


class SegmentationDiscriminator(nn.Module):
    """Image -> per-pixel logits of C+1 classes, that of generated pixels first. A U-Net of residual blocks."""

    def __init__(self, C: int, channels: tuple[int, ...], last: int, spectral: bool):
        super().__init__()
        n = len(channels)
        ins = (3, *channels[:-1])
        self.down = nn.ModuleList(_Block(ins[i], channels[i], "down", spectral, first=i == 0) for i in range(n))
        ins = (channels[-1], *(2 * width for width in channels[-2::-1]))  # but for the first, beside the encoder's features
        outs = (*channels[-2::-1], last)
        self.up = nn.ModuleList(_Block(ins[i], outs[i], "up", spectral) for i in range(n))
        self.to_classes = nn.Conv2d(last, C + 1, 1)

    def forward(self, image: Tensor) -> Tensor:
        """image (N,3,H,W) -> (N,C+1,H,W)."""
        features = [image]
        for block in self.down:
            features.append(block(features[-1]))
        x = self.up[0](features.pop())
        for block in self.up[1:]:
            x = block(torch.cat([features.pop(), x], dim=1))
        return self.to_classes(x)


class Networks(nn.Module):
    """The players of one experiment: G and D; there is no encoder."""

    def __init__(self, s: Schedule):
        super().__init__()
        self.schedule = s
        self.E = None
        self.G = Generator(s)
        if s.discriminator == "patch":
            self.D = MultiscaleDiscriminator(s.label_channels + 3, s.d_channels[0], s.d_layers, 2, s.spectral)
        else:
            self.D = SegmentationDiscriminator(s.C, s.d_channels, s.d_last, s.d_spectral)
        self.apply(partial(glorot_, gain=s.init_gain))
        if s.discriminator == "segmentation" and not s.d_spectral:
            self.D.apply(_he_)


def _he_(module: nn.Module) -> None:
    """He's initialisation: with neither norm nor spectral norm the signal must keep its size by itself."""
    if isinstance(module, nn.Conv2d):
        nn.init.kaiming_normal_(module.weight, a=0.2)
