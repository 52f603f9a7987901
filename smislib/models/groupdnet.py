"""GroupDNet and its relatives (SMIS 3.3 and 3.4) as schedules of one encoder and one generator.

| variant   | encoder            | decoder groups                    | classes are fused by            |
|-----------|--------------------|-----------------------------------|---------------------------------|
| MulNet    | a network a class  | a network a class (C everywhere)  | label masks, then plain convs   |
| GroupNet  | C groups           | C everywhere                      | plain convs                     |
| GroupDNet | C groups           | decreasing from C to 1            | the decreasing groups           |
| GroupEnc  | C groups           | 1 everywhere                      | every conv                      |
| GroupDec  | plain, whole image | C everywhere                      | plain convs                     |
| VSPADE    | plain, whole image | 1 everywhere (SPADE)              | every conv                      |
"""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from ..errors import SmisError
from ..layers import CGBlock, crop_by_class, interleave_edge, split_by_class
from .discriminators import MultiscaleDiscriminator


@dataclass(frozen=True)
class Schedule:
    """Everything that tells one variant at one size from another. Table 4 of the paper is a view of this."""

    C: int
    height: int
    width: int
    channels: tuple[int, ...]  # of each generator block, head_0 first; the start grid doubles before every later one
    groups: tuple[int, ...]  # likewise
    hidden: tuple[int, ...]  # of each block's CG-Norm
    shared_groups: tuple[int, ...]  # of the CG-Norm's first convolution
    affine_groups: tuple[int, ...]  # of the ones that give gamma and beta
    encoder_channels: tuple[int, ...]  # of each stride-2 convolution
    encoder_groups: int = 1
    z_channels: int = 8  # per class
    code: str = "map"  # "map": z on the start grid (SMIS); "vector": one vector per class, the grid's mean
    class_view: str = "mask"  # what the encoder sees: "mask", "crop" (released code) or "whole" (VSPADE)
    mask_features: bool = False  # MulNet: each class network's features are masked by its label before they are summed
    fusion: int = 0  # plain 3x3 convolutions between the last block and the output
    fusion_channels: int = 0
    instance_edge: bool = False  # labels carry the instance edge after the C classes
    norm: str = "batch"  # of the CG-Norm: "batch" or "group" (appendix D)
    spectral: bool = True
    d_channels: int = 64
    d_layers: int = 4
    d_scales: int = 2

    def __post_init__(self):
        scale = 2 ** (len(self.channels) - 1)
        if self.height % scale or self.width % scale:
            raise SmisError(
                f"image size {self.height}x{self.width} does not fit a generator of {len(self.channels)} blocks: "
                f"height and width must be multiples of {scale}."
            )
        if len(self.encoder_channels) != len(self.channels) - 1:
            raise SmisError(
                f"{len(self.encoder_channels)} encoder strides end on another grid than the {len(self.channels) - 1} "
                "upsamplings of the generator start from; give one encoder width per upsampling."
            )
        for name in ("groups", "hidden", "shared_groups", "affine_groups"):
            if len(getattr(self, name)) != len(self.channels):
                raise SmisError(f"{name} has {len(getattr(self, name))} entries for {len(self.channels)} blocks.")

    @property
    def grid(self) -> tuple[int, int]:
        """(h, w) of the start grid."""
        scale = 2 ** (len(self.channels) - 1)
        return self.height // scale, self.width // scale

    @property
    def z_shape(self) -> tuple[int, int, int]:
        """Shape of one image's code: (z_channels * C, h, w), class c owning channels z_channels*c onwards."""
        return (self.z_channels * self.C, *(self.grid if self.code == "map" else (1, 1)))

    @property
    def label_channels(self) -> int:
        return self.C + self.instance_edge

    @property
    def controls_classes(self) -> bool:
        """Whether z_c belongs to class c. Where it does not (a plain encoder and decoder), only the whole code can change."""
        return self.encoder_groups == self.C or self.groups[0] == self.C


class Encoder(nn.Module):
    """Image and labels -> (mu, logvar) of the code, each (N, *z_shape). SMIS figure 8, appendix A."""

    def __init__(self, s: Schedule):
        super().__init__()
        self.schedule = s
        layers, width = [], 3 if s.class_view == "whole" else 3 * s.C
        for wider in s.encoder_channels:
            conv = nn.Conv2d(width, wider, 3, stride=2, padding=1, groups=s.encoder_groups, bias=False)
            layers += [spectral_norm(conv) if s.spectral else conv, nn.InstanceNorm2d(wider), nn.LeakyReLU(0.2)]
            width = wider
        self.layers = nn.Sequential(*layers)
        self.mu = nn.Conv2d(width, s.z_channels * s.C, 3, padding=1, groups=s.encoder_groups)
        self.logvar = nn.Conv2d(width, s.z_channels * s.C, 3, padding=1, groups=s.encoder_groups)

    def forward(self, image: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        s = self.schedule
        classes = labels[:, : s.C]
        match s.class_view:
            case "mask":
                x = split_by_class(image, classes)  # (N,3C,H,W)
            case "crop":
                x = crop_by_class(image, classes)  # (N,3C,H,W)
            case _:
                x = image  # (N,3,H,W)
        x = self.layers(x)  # (N,encoder_channels[-1],h,w)
        mu, logvar = self.mu(x), self.logvar(x)  # (N,8C,h,w)
        if s.code == "vector":
            mu, logvar = mu.mean((2, 3), keepdim=True), logvar.mean((2, 3), keepdim=True)  # (N,8C,1,1)
        return mu, logvar


class Generator(nn.Module):
    """Labels and code -> image in [-1,1]. SMIS figures 2, 9, 10."""

    def __init__(self, s: Schedule):
        super().__init__()
        self.schedule = s
        label_channels = 2 * s.C if s.instance_edge else s.C
        self.fc = nn.Conv2d(s.z_channels * s.C, s.channels[0], 3, padding=1, groups=s.groups[0])
        self.blocks = nn.ModuleList(
            CGBlock(
                s.channels[max(i - 1, 0)],
                s.channels[i],
                label_channels,
                s.groups[i],
                s.spectral,
                hidden=s.hidden[i],
                shared_groups=s.shared_groups[i],
                affine_groups=s.affine_groups[i],
                norm=s.norm,
            )
            for i in range(len(s.channels))
        )
        width, fusion = s.channels[-1] // (s.C if s.mask_features else 1), []
        for _ in range(s.fusion):
            fusion += [nn.Conv2d(width, s.fusion_channels, 3, padding=1), nn.LeakyReLU(0.2)]
            width = s.fusion_channels
        self.fusion = nn.Sequential(*fusion)
        self.to_rgb = nn.Conv2d(width, 3, 3, padding=1)

    def features(self, labels: Tensor, z: Tensor) -> list[Tensor]:
        """The output of `fc` and of each block: what the isolation of classes is measured on."""
        s = self.schedule
        if s.instance_edge:
            labels = interleave_edge(labels, s.C)  # (N,2C,H,W)
        features = [self.fc(z.expand(-1, -1, *s.grid))]  # (N,channels[0],h,w)
        for i, block in enumerate(self.blocks):
            x = features[-1] if i == 0 else F.interpolate(features[-1], scale_factor=2, mode="nearest")
            features.append(block(x, F.interpolate(labels, x.shape[-2:], mode="nearest")))  # (N,channels[i],2^i h,2^i w)
        return features

    def forward(self, labels: Tensor, z: Tensor) -> Tensor:
        """labels (N,C,H,W) (+1 channel with `instance_edge`), z (N,*z_shape) -> (N,3,H,W)."""
        s = self.schedule
        if labels.shape[1:] != (s.label_channels, s.height, s.width):
            raise SmisError(
                f"labels are {tuple(labels.shape[1:])}, this generator takes ({s.label_channels}, {s.height}, {s.width})."
            )
        x = F.leaky_relu(self.features(labels, z)[-1], 0.2)  # (N,channels[-1],H,W)
        if s.mask_features:
            N, _, H, W = x.shape
            x = (x.view(N, s.C, -1, H, W) * labels[:, : s.C, None]).sum(1)  # (N,channels[-1]/C,H,W)
        return self.to_rgb(self.fusion(x)).tanh()


class Networks(nn.Module):
    """The players of one experiment: G, D, and E where there is one."""

    def __init__(self, s: Schedule):
        super().__init__()
        self.schedule = s
        self.E, self.G = Encoder(s), Generator(s)
        self.D = MultiscaleDiscriminator(s.label_channels + 3, s.d_channels, s.d_layers, s.d_scales, s.spectral)
        self.apply(_glorot)


def _glorot(module: nn.Module) -> None:
    """Glorot's normal initialisation with gain 0.02, zero biases, as SPADE and SMIS start (appendix A)."""
    if isinstance(module, nn.Conv2d):
        weight = module.parametrizations.weight.original if hasattr(module, "parametrizations") else module.weight
        nn.init.xavier_normal_(weight, gain=0.02)
        if module.bias is not None:
            nn.init.zeros_(module.bias)


def decreasing(C: int, blocks: int) -> tuple[int, ...]:
    """C, C, C/2, C/2, C/4, ... 1: the DeepFashion schedule of groups, for any power of two C."""
    halvings = int(math.log2(C))
    return tuple(max(1, C >> max(0, min(halvings, i * halvings // max(blocks - 1, 1)))) for i in range(blocks))
