"""pix2pix (Isola et al. 2017, 1611.07004): U-Net and encoder-decoder generators, PatchGANs, and its objective.

The input is an image or a label map, so `labels` here are any (N,K,H,W). The noise is dropout, at training and at test time
(section 3.1); z is what decides which units drop. Both players are fully convolutional: G takes any size whose sides can be
halved as often as it halves them (figure 8).
"""

import math
from dataclasses import dataclass
from itertools import pairwise
from statistics import NormalDist
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..errors import SmisError, did_you_mean
from ..layers import batch_statistics_norm
from ..losses import FromNoise, Perceptual, Terms, vanilla_d, vanilla_g
from ..sample import Noise

PATCHES = (7, 16, 34, 70, 142, 286)  # receptive field of a PatchGAN with 0, 1, 2 .. stride-2 convolutions
DISCRIMINATORS = ("conditional", "unconditional", "none")  # sees input and image; the image alone; there is none
STATISTICS = ("image", "batch")


@dataclass(frozen=True)
class Schedule:
    """Everything that tells one pix2pix from another; the defaults are the released 256x256 network."""

    C: int  # channels of the input: 3 for a picture
    height: int
    width: int
    channels: tuple[int, ...] = (64, 128, 256, 512, 512, 512, 512, 512)  # of G's levels, each half the grid of the one before
    skips: bool = True  # U-Net; without them it is the encoder-decoder
    dropout: int = 3  # levels of the way up with dropout, from the lowest on (appendix 6.1)
    rate: float = 0.5
    statistics: str = "image"  # of batch norm: of each image, as at the paper's batch size 1; or of the "batch" (Table 2: 10)
    instance_edge: bool = False  # the input carries the instance edge after C classes
    discriminator: str = "conditional"
    patch: int = 70  # D's receptive field in pixels: 1 or one of PATCHES
    d_channels: int = 64
    init_std: float = 0.02

    def __post_init__(self):
        self.check_size(self.height, self.width)
        for name, known in {"discriminator": DISCRIMINATORS, "statistics": STATISTICS}.items():
            if getattr(self, name) not in known:
                raise did_you_mean(name, getattr(self, name), known)
        if self.patch not in (1, *PATCHES):
            raise SmisError(f"patch={self.patch} is no receptive field of a PatchGAN: take 1, {', '.join(map(str, PATCHES))}.")
        if not (0 <= self.dropout < len(self.channels) and 0 < self.rate < 1):
            raise SmisError(
                f"dropout={self.dropout} levels at rate={self.rate}: "
                f"expected 0 .. {len(self.channels) - 1} levels, and a rate in (0, 1)."
            )
        least = 3 * 2 ** PATCHES.index(self.patch) if self.patch > 1 else 1  # then one logit is left
        if self.discriminator != "none" and min(self.height, self.width) < least:
            raise SmisError(
                f"image size {self.height}x{self.width} is too small for a PatchGAN of receptive field {self.patch}: "
                f"its grid would vanish below {least} pixels."
            )

    def check_size(self, height: int, width: int) -> None:
        """Raise SmisError for an image size that cannot be halved once for each level."""
        scale = 2 ** len(self.channels)
        if height % scale or width % scale or not height or not width:
            raise SmisError(
                f"image size {height}x{width} does not fit a generator of {len(self.channels)} levels: "
                f"height and width must be multiples of {scale}."
            )

    def noise_at(self, height: int, width: int) -> list[tuple[int, int, int]]:
        """(channels, h, w) of every level with dropout, for an image of that size."""
        n = len(self.channels)
        levels = range(n - 1, n - 1 - self.dropout, -1)  # level i makes channels[i-1] on a grid of 1/2^i
        return [(self.channels[i - 1], height >> i, width >> i) for i in levels]

    def units_at(self, height: int, width: int) -> int:
        """Numbers in the code of an image of that size."""
        return sum(math.prod(shape) for shape in self.noise_at(height, width))

    @property
    def z_shape(self) -> tuple[int] | None:
        """Shape of one image's code: a number for each unit that may drop. None without dropout."""
        return (self.units_at(self.height, self.width),) if self.dropout else None

    @property
    def label_channels(self) -> int:
        return self.C + self.instance_edge

    @property
    def controls_classes(self) -> bool:
        """The noise belongs to the whole image."""
        return False


class BatchNorm(nn.Module):
    """Batch norm that always uses the statistics of what it is given, at test time too (section 3.3): nothing is averaged.

    With `statistics` "image" those of each image by itself. That is the paper's batch norm at batch size 1, which it calls
    instance normalization, for any batch: no image depends on what else is in its batch.
    """

    def __init__(self, channels: int, statistics: str):
        super().__init__()
        self.statistics = statistics
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        """(N,channels,h,w) -> likewise."""
        if self.statistics == "image":
            return F.instance_norm(x, weight=self.weight, bias=self.bias)
        return batch_statistics_norm(x, self.weight, self.bias, shared=self.training)  # samples are made by one alone


class Generator(nn.Module):
    """Input picture or labels, and dropout noise -> image in [-1,1]. Sections 3.1 and 3.2.1, figure 3, appendix 6.1.1."""

    def __init__(self, s: Schedule):
        super().__init__()
        self.schedule = s
        n, into, out = len(s.channels), (s.label_channels, *s.channels), (3, *s.channels)
        self.down = nn.ModuleList(nn.Conv2d(a, b, 4, stride=2, padding=1, bias=False) for a, b in pairwise(into))
        self.up = nn.ModuleList(  # with skips, above the lowest level each also takes what went down there
            nn.ConvTranspose2d(
                s.channels[i] * (2 if s.skips and i < n - 1 else 1), out[i], 4, stride=2, padding=1, bias=i == 0
            )
            for i in range(n)
        )  # fmt: skip
        # None before the first features, after the lowest (1x1 at 256x256: nothing to average) and on the image
        self.norm_down = nn.ModuleList(BatchNorm(width, s.statistics) for width in s.channels[1:-1])
        self.norm_up = nn.ModuleList(BatchNorm(width, s.statistics) for width in s.channels[:-1])

    def forward(self, labels: Tensor, z: Tensor | None = None) -> Tensor:
        """labels (N,K,H,W), z (N,units) standard normal (units as `noise_at` counts them), or one of either for all
        -> (N,3,H,W). A unit drops where its number is below the quantile `rate`. z is None without dropout.

        Raises SmisError for other channels, for a size that does not fit and for a z of another size.
        """
        s, lowest = self.schedule, len(self.down) - 1
        keeps = self._keeps(labels, z)
        if z is not None:
            labels = labels.expand(max(len(labels), len(z)), -1, -1, -1)
        x, levels = labels, []
        for i, conv in enumerate(self.down):
            x = conv(F.leaky_relu(x, 0.2) if i else x)  # (N,channels[i],H/2^(i+1),W/2^(i+1))
            x = self.norm_down[i - 1](x) if 0 < i < lowest else x
            levels.append(x)
        for i in reversed(range(lowest + 1)):
            x = self.up[i](x.relu())  # (N,channels[i-1],H/2^i,W/2^i)
            if i:
                x = self.norm_up[i - 1](x)
                x = x * keeps[lowest - i] / (1 - s.rate) if lowest - i < len(keeps) else x
                x = torch.cat([x, levels[i - 1]], dim=1) if s.skips else x
        return x.tanh()

    def _keeps(self, labels: Tensor, z: Tensor | None) -> list[Tensor]:
        """For every level with dropout which units stay, bool (N,channels,h,w)."""
        s, (K, height, width) = self.schedule, labels.shape[1:]
        if s.label_channels != K:
            raise SmisError(f"the input has {K} channels, this generator takes {s.label_channels}: it was made for other data.")
        s.check_size(height, width)
        shapes = s.noise_at(height, width)
        units = s.units_at(height, width)
        if (z is None) != (not shapes) or (z is not None and z.shape[1:] != (units,)):
            found = None if z is None else tuple(z.shape)
            raise SmisError(f"z is {found}, expected {f'(N,{units})' if shapes else None} for an image of {height}x{width}.")
        if z is None:
            return []
        kept = z > NormalDist().inv_cdf(s.rate)
        parts = kept.split([math.prod(shape) for shape in shapes], dim=1)
        return [part.view(-1, *shape) for part, shape in zip(parts, shapes, strict=True)]


class PatchGAN(nn.Sequential):
    """Whether each patch of an image is real (section 3.2.2, appendix 6.1.2); `patch` 1 is the PixelGAN, 286 the ImageGAN.

    `forward` returns every layer's output as the one scale of a list, the logits (N,1,h,w) last.
    """

    def __init__(self, in_channels: int, patch: int, width: int, statistics: str):
        # (kernel, stride) of each before the logits
        convs = [(1, 1)] * 2 if patch == 1 else [*[(4, 2)] * PATCHES.index(patch), (4, 1)]
        stages = []
        for i, (kernel, stride) in enumerate(convs):
            wider = width * min(2**i, 8)
            conv = nn.Conv2d(in_channels, wider, kernel, stride, padding=kernel // 4, bias=i == 0)
            norm = [BatchNorm(wider, statistics)] if i else []
            stages.append(nn.Sequential(conv, *norm, nn.LeakyReLU(0.2)))
            in_channels = wider
        kernel = convs[-1][0]
        super().__init__(*stages, nn.Conv2d(in_channels, 1, kernel, padding=kernel // 4))

    def forward(self, x: Tensor) -> list[list[Tensor]]:
        features = []
        for stage in self:
            x = stage(x)
            features.append(x)
        return [features]


def receptive_field(net: nn.Module) -> int:
    """Pixels, along one axis, that one output of a chain of convolutions sees: 1 + sum (kernel - 1) x strides before it."""
    field, jump = 1, 1
    for conv in (m for m in net.modules() if isinstance(m, nn.Conv2d)):
        field += (conv.kernel_size[0] - 1) * jump
        jump *= conv.stride[0]
    return field


class Networks(nn.Module):
    """The players of one experiment: G, and D where the objective has one; there is no encoder."""

    def __init__(self, s: Schedule):
        super().__init__()
        self.schedule = s
        self.E, self.G = None, Generator(s)
        seen = {"conditional": s.label_channels + 3, "unconditional": 3}
        self.D = None
        if s.discriminator != "none":
            self.D = PatchGAN(seen[s.discriminator], s.patch, s.d_channels, s.statistics)
            if receptive_field(self.D) != s.patch:
                raise SmisError(f"this PatchGAN sees {receptive_field(self.D)} pixels, its name says {s.patch}.")
        self.apply(lambda module: _initialise(module, s.init_std))


def _initialise(module: nn.Module, std: float) -> None:
    """N(0, std) for weights, N(1, std) for the scales of batch norm, 0 for biases (section 3.3, appendix 6.2)."""
    if isinstance(module, nn.Conv2d | nn.ConvTranspose2d | BatchNorm):
        nn.init.normal_(module.weight, 1.0 if isinstance(module, BatchNorm) else 0.0, std)
        if module.bias is not None:
            nn.init.zeros_(module.bias)


@dataclass(frozen=True)
class Pix2Pix:
    """The loss weights of pix2pix (equation 4): GAN + lambda L1. Whether there is a GAN, and what its D sees, says D."""

    l1: float = 100.0  # lambda
    backbone: ClassVar[str] = "none"  # no perceptual loss


class Pix2PixObjective(FromNoise):
    """Equations 1 to 4 with the non-saturating loss of G; the loss of D is halved (section 3.3)."""

    def __init__(self, weights: Pix2Pix, perceptual: Perceptual | None):
        self.weights = weights

    def generator(self, networks: nn.Module, batch: dict, noise: Noise, progress: float) -> tuple[Terms, Tensor]:
        """The terms of G, and the fake (N,3,H,W). Without a discriminator there is the L1 term alone."""
        fake, terms = self.fake(networks, batch, noise), {}
        if networks.D is not None:
            terms["gan"] = vanilla_g(_logits(networks, batch["labels"], fake))
        if self.weights.l1:
            terms["l1"] = self.weights.l1 * F.l1_loss(fake, batch["image"])
        return terms, fake

    def discriminator(self, networks: nn.Module, batch: dict, fake: Tensor, noise: Noise) -> Terms:
        """`fake` carries no gradient. Real and fake are batches of their own, each with its own statistics."""
        real, fake = (_logits(networks, batch["labels"], image) for image in (batch["image"], fake))
        return {"gan": 0.5 * vanilla_d(real, fake)}


def _logits(networks: nn.Module, labels: Tensor, image: Tensor) -> Tensor:
    """D's verdict on images; an unconditional one does not see their input."""
    seen = torch.cat([labels, image], dim=1) if networks.schedule.discriminator == "conditional" else image
    return networks.D(seen)[0][-1]
