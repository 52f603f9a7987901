"""BigGAN's residual generator and projection discriminator as S3GAN trains them (1903.02271, tables 6 to 11).

Labels are distributions over K classes, y (N,K): one-hot where the class is known, soft where it is inferred. The code has
one part for each block and one for the start grid (hierarchical latent); block i is modulated by its part and by a class
embedding that all blocks share.
"""

import math
from dataclasses import dataclass
from functools import partial
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import parametrize

from ..errors import SmisError, did_you_mean
from ..layers import ParamFreeBatchNorm, he_, initialise_, spectral_norm

INITS = ("orthogonal", "normal")
START = 4  # rows and columns of the start grid


@dataclass(frozen=True)
class Schedule:
    """Everything that tells one BigGAN from another. At 128x128: width 96, (16, 16, 8, 4, 2, 1) and (1, 2, 4, 8, 16, 16)."""

    C: int  # classes K
    height: int
    width: int
    channels: tuple[int, ...]  # of the generator: at the start grid, then after each block, which doubles the grid
    d_channels: tuple[int, ...]  # of the discriminator after each block; those before the last d_same halve the grid
    d_same: int = 1
    attention: int = 64  # rows of the grid that has the non-local block; 0: none
    z_part: int = 20
    embedding: int = 128
    init: str = "orthogonal"  # or "normal": N(0, 0.02)
    spectral: bool = True  # norm of all weights; without it D starts from He's weights and its heads from 0
    rotations: bool = False  # D also tells by how many quarter turns an image was turned (self-supervision)
    classifier: bool = False  # D also tells the class of an image (co-training)

    def __post_init__(self):
        for name, size in (("generator", 2 ** (len(self.channels) - 1)), ("discriminator", 2**self.halvings)):
            if self.height != self.width or self.height != START * size:
                raise SmisError(
                    f"image size {self.height}x{self.width} does not fit the {name}: its {int(math.log2(size))} blocks that "
                    f"change the grid make {START * size}x{START * size} of {START}x{START}."
                )
        grids = [START * 2**i for i in range(len(self.channels))]
        if self.attention and self.attention not in grids[1:-1]:
            raise SmisError(f"attention={self.attention}: the non-local block stands on a grid of {grids[1:-1]}, or nowhere (0).")
        if self.init not in INITS:
            raise did_you_mean("init", self.init, INITS)

    @property
    def halvings(self) -> int:
        """Blocks of the discriminator that halve the grid."""
        return len(self.d_channels) - self.d_same

    @property
    def z_shape(self) -> tuple[int]:
        """Shape of one image's code: a part for the start grid and for each block."""
        return (self.z_part * len(self.channels),)

    @property
    def controls_classes(self) -> bool:
        """An image is of one class: there are no class parts."""
        return False


class ConditionalNorm(nn.Module):
    """Batch norm, then scale 1 + gamma and shift beta, linear in the condition (N,c)."""

    def __init__(self, channels: int, condition: int):
        super().__init__()
        self.norm = ParamFreeBatchNorm(channels)
        self.gamma, self.beta = (spectral_norm(nn.Linear(condition, channels, bias=False)) for _ in range(2))

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        """x (N,channels,h,w) -> likewise."""
        gamma, beta = self.gamma(condition), self.beta(condition)  # (N,channels)
        return self.norm(x) * (1 + gamma[..., None, None]) + beta[..., None, None]


class NonLocal(nn.Module):
    """Self-attention over the grid, added with a learned weight sigma that starts at 0 (SAGAN, 1805.08318)."""

    def __init__(self, channels: int):
        super().__init__()

        def conv(into: int, out: int) -> nn.Module:
            return spectral_norm(nn.Conv2d(into, out, 1, bias=False))

        self.theta, self.phi = conv(channels, channels // 8), conv(channels, channels // 8)
        self.g, self.attn_g = conv(channels, channels // 2), conv(channels // 2, channels)
        self.sigma = nn.Parameter(torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        """(N,c,h,w) -> likewise; keys and values are of a grid half as fine."""
        queries = self.theta(x).flatten(2)  # (N,c/8,hw)
        keys = F.max_pool2d(self.phi(x), 2).flatten(2)  # (N,c/8,hw/4)
        values = F.max_pool2d(self.g(x), 2).flatten(2)  # (N,c/2,hw/4)
        weights = (queries.transpose(1, 2) @ keys).softmax(2)  # (N,hw,hw/4)
        attended = (values @ weights.transpose(1, 2)).unflatten(2, x.shape[2:])  # (N,c/2,h,w)
        return x + self.sigma * self.attn_g(attended)


class UpBlock(nn.Module):
    """Twice the grid: (conditional norm, ReLU, convolution) twice, beside a 1x1 convolution. Table 6."""

    def __init__(self, into: int, out: int, condition: int):
        super().__init__()
        self.norm_1, self.norm_2 = ConditionalNorm(into, condition), ConditionalNorm(out, condition)
        self.conv_1 = spectral_norm(nn.Conv2d(into, out, 3, padding=1))
        self.conv_2 = spectral_norm(nn.Conv2d(out, out, 3, padding=1))
        self.shortcut = spectral_norm(nn.Conv2d(into, out, 1))

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        """x (N,into,h,w), condition (N,c) -> (N,out,2h,2w)."""
        h = self.conv_1(F.interpolate(self.norm_1(x, condition).relu(), scale_factor=2, mode="nearest"))
        h = self.conv_2(self.norm_2(h, condition).relu())  # (N,out,2h,2w)
        return h + F.interpolate(self.shortcut(x), scale_factor=2, mode="nearest")  # 1x1: before or after is the same


class DownBlock(nn.Module):
    """(ReLU, convolution) twice and a mean over 2x2, beside a 1x1 convolution; `down` False keeps the grid. Table 7.

    The first block sees an image, which is not rectified; a block that keeps grid and width has a plain shortcut.
    """

    def __init__(self, into: int, out: int, *, down: bool, first: bool = False):
        super().__init__()
        self.down, self.first = down, first
        self.conv_1 = spectral_norm(nn.Conv2d(into, out, 3, padding=1))
        self.conv_2 = spectral_norm(nn.Conv2d(out, out, 3, padding=1))
        self.shortcut = spectral_norm(nn.Conv2d(into, out, 1)) if down or into != out else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """(N,into,h,w) -> (N,out,h/2,w/2), or (N,out,h,w)."""
        h = self.conv_2(self.conv_1(x if self.first else x.relu()).relu())
        if self.down:
            h, x = F.avg_pool2d(h, 2), F.avg_pool2d(x, 2)
        return h + self.shortcut(x)


class Generator(nn.Module):
    """Class distribution and code -> image in [-1,1]. Tables 6 and 11."""

    def __init__(self, s: Schedule):
        super().__init__()
        self.schedule = s
        condition = s.z_part + s.embedding
        self.embed = spectral_norm(nn.Linear(s.C, s.embedding, bias=False))
        self.fc = spectral_norm(nn.Linear(s.z_part, s.channels[0] * START**2))
        self.blocks = nn.ModuleList(UpBlock(a, b, condition) for a, b in pairwise(s.channels))
        self.attended = int(math.log2(s.attention // START)) - 1 if s.attention else -1  # the block before the non-local one
        self.attention = NonLocal(s.channels[self.attended + 1]) if s.attention else None
        self.norm = ParamFreeBatchNorm(s.channels[-1])
        self.gamma, self.beta = nn.Parameter(torch.ones(s.channels[-1])), nn.Parameter(torch.zeros(s.channels[-1]))
        self.to_rgb = spectral_norm(nn.Conv2d(s.channels[-1], 3, 3, padding=1))

    def forward(self, y: Tensor, z: Tensor) -> Tensor:
        """y (N,C), rows that sum to 1, or one for all, z (N,z_part * (blocks + 1)) -> (N,3,H,W)."""
        s = self.schedule
        if y.shape[1:] != (s.C,) or z.shape[1:] != s.z_shape:
            raise SmisError(f"found y {tuple(y.shape)} and z {tuple(z.shape)}; expected (N,{s.C}) and (N,{s.z_shape[0]}).")
        first, *parts = z.split(s.z_part, dim=1)
        embedded = self.embed(y).expand(len(z), -1)  # (N,embedding)
        x = self.fc(first).unflatten(1, (-1, START, START))  # (N,channels[0],4,4)
        for i, (block, part) in enumerate(zip(self.blocks, parts, strict=True)):
            x = block(x, torch.cat([part, embedded], dim=1))  # (N,channels[i+1],8*2^i,8*2^i)
            if i == self.attended:
                x = self.attention(x)
        x = self.norm(x) * self.gamma[:, None, None] + self.beta[:, None, None]
        return self.to_rgb(x.relu()).tanh()


class Discriminator(nn.Module):
    """Image and class distribution -> logits; how real the image is, and how well it fits the class. Tables 7 and 10."""

    def __init__(self, s: Schedule):
        super().__init__()
        self.schedule = s
        widths, n = (3, *s.d_channels), len(s.d_channels)
        self.blocks = nn.ModuleList(
            DownBlock(a, b, down=i < s.halvings, first=i == 0) for i, (a, b) in enumerate(pairwise(widths))
        )
        self.attended = int(math.log2(s.height // s.attention)) - 1 if s.attention else n
        self.attention = NonLocal(s.d_channels[self.attended]) if s.attention else None
        width = s.d_channels[-1]
        self.fc = spectral_norm(nn.Linear(width, 1))
        self.projection = spectral_norm(nn.Linear(s.C, width, bias=False))
        self.rotation = spectral_norm(nn.Linear(width, 4)) if s.rotations else None
        self.classifier = spectral_norm(nn.Linear(width, s.C)) if s.classifier else None

    def represent(self, image: Tensor) -> Tensor:
        """(N,3,H,W) -> the representation (N,d_channels[-1]) that all heads share: a sum over the grid."""
        x = image
        for i, block in enumerate(self.blocks):
            x = block(x)
            if i == self.attended:
                x = self.attention(x)
        return x.relu().sum((2, 3))

    def judge(self, representation: Tensor, y: Tensor) -> Tensor:
        """(N,d), (N,C) -> logits (N,): a class-free part plus the projection on the embedded class (1802.05637)."""
        return self.fc(representation)[:, 0] + (representation * self.projection(y)).sum(1)

    def forward(self, image: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """image (N,3,H,W) in [-1,1], y (N,C) -> logits (N,) and the representation (N,d)."""
        representation = self.represent(image)
        return self.judge(representation, y), representation


class Networks(nn.Module):
    """The players: G and D. There is no encoder. `prior` (C,) is the distribution of the labels that D saw with real images,
    from which those of fakes are drawn.
    """

    def __init__(self, s: Schedule):
        super().__init__()
        self.schedule = s
        self.G, self.D, self.E = Generator(s), Discriminator(s), None
        self.register_buffer("prior", torch.full((s.C,), 1 / s.C))
        if not s.spectral:
            for module in [m for m in self.modules() if parametrize.is_parametrized(m)]:
                parametrize.remove_parametrizations(module, "weight")
        fill = nn.init.orthogonal_ if s.init == "orthogonal" else partial(nn.init.normal_, std=0.02)
        self.apply(partial(initialise_, fill=fill))
        if not s.spectral:
            self.D.apply(he_)
            for head in filter(None, (self.D.fc, self.D.projection, self.D.rotation, self.D.classifier)):
                nn.init.zeros_(head.weight)
