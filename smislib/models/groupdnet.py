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

from dataclasses import dataclass, field
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .. import class_sparse, patterns
from ..class_view import crop_by_class, split_by_class
from ..config import ADDED
from ..errors import SmisError, did_you_mean
from ..layers import CGBlock, check_labels, glorot_, he_, interleave_edge, strided_convs
from ..patterns import Patterns
from .discriminators import MultiscaleDiscriminator

CODES, CLASS_VIEWS = ("map", "vector"), ("mask", "crop", "whole")
NORMS, ENCODER_NORMS = ("batch", "unsynced", "group"), ("instance", "none")


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
    encoder_norm: str = "instance"  # with spectral norm; or "none", with neither: see `Encoder`
    code: str = "map"  # "map": z on the start grid (SMIS); "vector": one vector per class, the mean over its region
    class_view: str = "mask"  # what each group of the encoder sees: "mask", "crop" (released code) or "whole"
    mask_features: bool = False  # MulNet: each class network's features are masked by its label before they are summed
    fusion: int = 0  # plain 3x3 convolutions between the last block and the output
    fusion_channels: int = 0
    unused_channels: int = field(default=0, metadata=ADDED)  # of a block built after the last and never used (ADE20K)
    instance_edge: bool = False  # labels carry the instance edge after the C classes
    sparse: bool = field(
        default=False, metadata=ADDED
    )  # skip the classes that a batch lacks, where layers have C groups throughout
    norm: str = "batch"  # of the CG-Norm: "batch", or of appendix D "unsynced" or "group"
    spectral: bool = True
    init_gain: float = 0.02  # of Glorot's initialisation. With spectral norm it sets the effective learning rate, lr / |W|
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
        if self.encoder_norm == "instance" and self.grid[0] * self.grid[1] < 2:
            raise SmisError(
                f"image size {self.height}x{self.width} leaves a start grid of {self.grid[0]}x{self.grid[1]}, where the "
                f"encoder's instance norm has nothing to average: the smallest size is {2 * scale}x{scale}."
            )
        for kind, known in (("code", CODES), ("class_view", CLASS_VIEWS), ("norm", NORMS), ("encoder_norm", ENCODER_NORMS)):
            if getattr(self, kind) not in known:
                raise did_you_mean(kind, getattr(self, kind), known)
        if len(self.encoder_channels) != len(self.channels) - 1:
            raise SmisError(
                f"{len(self.encoder_channels)} encoder strides end on another grid than the {len(self.channels) - 1} "
                "upsamplings of the generator start from; give one encoder width per upsampling."
            )
        for name in ("groups", "hidden", "shared_groups", "affine_groups"):
            if len(getattr(self, name)) != len(self.channels):
                raise SmisError(f"{name} has {len(getattr(self, name))} entries for {len(self.channels)} blocks.")
        if not 0 <= self.fusion <= len(self.channels):
            raise SmisError(f"fusion is from 0 to {len(self.channels)}, one convolution for each block; found {self.fusion}.")
        if self.fusion and self.fusion_channels < 1:
            raise SmisError(f"fusion={self.fusion} convolutions need fusion_channels of 1 or more, found {self.fusion_channels}.")
        self._check_divisibility()
        for name in ("affine_groups", "shared_groups"):
            if any(own < groups for own, groups in zip(getattr(self, name), self.groups, strict=True)):
                raise SmisError(
                    f"{name}={list(getattr(self, name))} is coarser than groups={list(self.groups)}: the CG-Norm would mix "
                    "classes that its block keeps apart. Set network.shared_groups and network.affine_groups too, to no fewer in "
                    "any block, and network.hidden to multiples of them; or change GROUPS of smislib/schedules.py, from which "
                    "all of them follow."
                )

    def _check_divisibility(self) -> None:
        """Every convolution's channels must be multiples of its groups."""
        label_channels = self.C * (2 if self.instance_edge else 1)
        convolutions: list[tuple] = [("fc", (self.z_channels * self.C, self.channels[0]), self.groups[0])]
        for i, into in enumerate((self.channels[0], *self.channels[:-1])):
            convolutions += [
                (f"block {i}", (into, self.channels[i]), self.groups[i]),
                (f"block {i}'s CG-Norm", (label_channels, self.hidden[i]), self.shared_groups[i]),
                (f"block {i}'s gamma and beta", (self.hidden[i], into, self.channels[i]), self.affine_groups[i]),
            ]
        convolutions.append(("encoder", (self.seen, *self.encoder_channels, self.z_channels * self.C), self.encoder_groups))
        if self.mask_features:
            convolutions.append(("mask of the last features", (self.channels[-1],), self.C))
        for name, channels, groups in convolutions:
            if groups < 1 or any(n < 1 or n % groups for n in channels):
                raise SmisError(f"{name}: {' -> '.join(map(str, channels))} channels do not divide into {groups} groups.")

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
    def seen(self) -> int:
        """Channels of what the encoder sees: the image of each class, or the whole image once for each group."""
        return 3 * (self.encoder_groups if self.class_view == "whole" else self.C)

    @property
    def label_channels(self) -> int:
        return self.C + self.instance_edge

    @property
    def skips(self) -> bool:
        """Whether the decoder leaves out the classes that a batch lacks: all of its layers but the fusing ones have C groups."""
        return self.sparse and {*self.groups, *self.shared_groups, *self.affine_groups} == {self.C}

    @property
    def controls_classes(self) -> bool:
        """Whether z_c belongs to class c. Where it does not (a plain encoder and decoder), only the whole code can change."""
        return self.encoder_groups == self.C or self.groups[0] == self.C


class Encoder(nn.Module):
    """Image and labels -> (mu, logvar) of the code, each (N, *z_shape). SMIS figure 8, appendix A.

    Instance norm keeps only signs of a flat region's colour. With 32 channels a class (paper) that is enough; with the
    few of a small network the code collapses, so `encoder_norm="none"` drops it, starting from He's initialisation.
    """

    def __init__(self, s: Schedule):
        super().__init__()
        self.schedule = s
        width = s.encoder_channels[-1]
        self.layers = strided_convs(
            (s.seen, *s.encoder_channels), groups=s.encoder_groups, norm=s.encoder_norm == "instance", spectral=s.spectral
        )
        self.mu = nn.Conv2d(width, s.z_channels * s.C, 3, padding=1, groups=s.encoder_groups)
        self.logvar = nn.Conv2d(width, s.z_channels * s.C, 3, padding=1, groups=s.encoder_groups)

    def forward(self, image: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        s = self.schedule
        classes = labels[:, : s.C]
        if self._may_skip(labels) and len(kept := class_sparse.kept(classes)) < s.C:
            return self._of_kept(kept, image, classes)
        match s.class_view:
            case "mask":
                x = split_by_class(image, classes)  # (N,3C,H,W)
            case "crop":
                x, classes = crop_by_class(image, classes)  # (N,3C,H,W), (N,C,H,W)
            case _:
                x = image.repeat(1, s.encoder_groups, 1, 1)  # (N,3,H,W), or (N,3C,H,W): the same for every class
        x = self.layers(x)  # (N,encoder_channels[-1],h,w)
        mu, logvar = self.mu(x), self.logvar(x)  # (N,8C,h,w)
        if s.code == "vector":
            where = self._region(classes, mu.shape[-2:])
            mu, logvar = ((v * where).sum((2, 3), keepdim=True) for v in (mu, logvar))  # (N,8C,1,1)
        return mu, logvar

    def _may_skip(self, labels: Tensor) -> bool:
        """Whether absent classes, which see nothing, are left out: the numbers are the same but for rounding."""
        s = self.schedule
        large = labels.device.type == "cpu" and min(labels.shape[2:]) >= patterns.LARGE
        return (s.sparse or large) and s.encoder_groups == s.C and s.class_view != "whole"

    def _of_kept(self, kept: Tensor, image: Tensor, classes: Tensor) -> tuple[Tensor, Tensor]:
        """(mu, logvar) with the biases for the classes that were not kept; in a vector code 0, as theirs is."""
        made, s = class_sparse.run(self, kept, image, classes[:, kept]), self.schedule
        own, size = class_sparse.owned(kept, s.z_channels * s.C, s.C), made[0].shape[2:]
        absent = (conv.bias * (s.code == "map") for conv in (self.mu, self.logvar))
        return tuple(
            bias.to(part)[:, None, None].expand(len(part), -1, *size).index_copy(1, own, part)
            for bias, part in zip(absent, made, strict=True)
        )

    def _region(self, classes: Tensor, grid: tuple[int, int]) -> Tensor:
        """Weights (N,8C,h,w) of a mean over the grid: each class over its own region, or over everything with one group.

        A class that is absent has weight 0 everywhere: its code is N(0,1), and its KL 0.
        """
        s = self.schedule
        if s.encoder_groups == 1:
            return classes.new_full((1, 1, 1, 1), 1 / (grid[0] * grid[1]))
        share = F.adaptive_avg_pool2d(classes, grid)  # (N,C,h,w)
        share = share / share.sum((2, 3), keepdim=True).clamp(min=1e-8)
        return share.repeat_interleave(s.z_channels, dim=1)


class Generator(nn.Module):
    """Labels and code -> image in [-1,1]. SMIS figures 2, 9, 10."""

    def __init__(self, s: Schedule):
        super().__init__()
        self.schedule = s
        label_channels = 2 * s.C if s.instance_edge else s.C
        self.fc = nn.Conv2d(s.z_channels * s.C, s.channels[0], 3, padding=1, groups=s.groups[0])

        def block(into: int, out: int, i: int) -> CGBlock:
            cgnorm = {"hidden": s.hidden[i], "shared_groups": s.shared_groups[i], "affine_groups": s.affine_groups[i]}
            return CGBlock(into, out, label_channels, s.groups[i], s.spectral, norm=s.norm, **cgnorm)

        self.blocks = nn.ModuleList(block(s.channels[max(i - 1, 0)], s.channels[i], i) for i in range(len(s.channels)))
        self.unused = block(s.channels[-1], s.unused_channels, -1) if s.unused_channels else None
        width, fusion = s.channels[-1] // (s.C if s.mask_features else 1), []
        for _ in range(s.fusion):
            fusion += [nn.Conv2d(width, s.fusion_channels, 3, padding=1), nn.LeakyReLU(0.2)]
            width = s.fusion_channels
        self.fusion = nn.Sequential(*fusion)
        self.to_rgb = nn.Conv2d(width, 3, 3, padding=1)

    def features(self, labels: Tensor, z: Tensor) -> list[Tensor]:
        """The output of `fc` and of each block: what the isolation of classes is measured on."""
        features = [self.fc(z.expand(-1, -1, *self.schedule.grid))]  # (N,channels[0],h,w)
        for i, (block, condition) in enumerate(zip(self.blocks, self.conditions(labels), strict=True)):
            x = features[-1] if i == 0 else F.interpolate(features[-1], scale_factor=2, mode="nearest")
            features.append(block(x, condition))  # (N,channels[i],2^i h,2^i w)
        return features

    def conditions(self, labels: Tensor) -> list[Tensor | Patterns]:
        """The labels as each block's CG-Norms take them."""
        s = self.schedule
        (h, w), seen = s.grid, interleave_edge(labels, s.C) if s.instance_edge else labels  # (N,2C,H,W)
        return patterns.conditions(labels, s.C, [(h * 2**i, w * 2**i) for i in range(len(self.blocks))], seen)

    def forward(self, labels: Tensor, z: Tensor) -> Tensor:
        """labels (N,C,H,W) (+1 channel with `instance_edge`), or one for all, z (N,*z_shape) -> (N,3,H,W)."""
        s = self.schedule
        check_labels(labels, s.label_channels, s.height, s.width)
        if s.skips and len(kept := class_sparse.kept(labels[:, : s.C], training=self.training)) < s.C:
            seen = torch.cat([labels[:, kept], labels[:, s.C :]], dim=1)
            return class_sparse.run(self, kept, seen, z[:, class_sparse.owned(kept, z.shape[1], s.C)])
        x = F.leaky_relu(self.features(labels, z)[-1], 0.2)  # (N,channels[-1],H,W)
        if s.mask_features:
            N, _, H, W = x.shape
            x = (x.view(N, s.C, -1, H, W) * labels[:, : s.C, None]).sum(1)  # (N,channels[-1]/C,H,W)
        elif s.skips:  # what another image of the batch shows
            x = x * class_sparse.shown(labels[:, : s.C]).repeat_interleave(x.shape[1] // s.C, 1)[:, :, None, None]
        return self.to_rgb(self.fusion(x)).tanh()


class Networks(nn.Module):
    """The players of one experiment: G, D, and E where there is one."""

    def __init__(self, s: Schedule):
        super().__init__()
        self.schedule = s
        self.E, self.G = Encoder(s), Generator(s)
        self.D = MultiscaleDiscriminator(s.label_channels + 3, s.d_channels, s.d_layers, s.d_scales, s.spectral)
        self.apply(partial(glorot_, gain=s.init_gain))
        if s.encoder_norm == "none":
            self.E.apply(he_)
            nn.init.constant_(self.E.logvar.bias, -3.0)  # little noise at first: G learns to read a code that is there
