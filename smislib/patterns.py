"""What gamma and beta of CG-Norm really depend on: the labels in a 5x5 neighbourhood, of which a label map has few.

Two 3x3 convolutions lie between the label map and gamma or beta, so pixels whose 5x5 neighbourhoods are alike have the same. In a
layout of a person at 256x256 there are some 1,300 neighbourhoods for 65,536 pixels: computing gamma and beta once for each, and
handing them out, is exact, and so are the gradients.

What lies outside the frame is no class: it adds nothing at the first convolution *and* nothing at the second, which is not what
the first would give for pixels without a class (its bias). So it has a number of its own.
"""

import contextlib
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

LARGE = 128  # rows and columns of a picture: at less, layers are narrow and the dense path is as fast
PIECE = 2**17  # numbers that are modulated at a time: they stay in the cache of a core between two operations
SHARE = 0.5  # of the pixels: with more neighbourhoods than that little is saved


@dataclass(frozen=True)
class Patterns:
    """The neighbourhoods of label maps at one resolution. P3 of them are 3x3 and P5 are 5x5.

    patches: (P3,L,3,3), the labels in each 3x3 neighbourhood.
    near: int64 (P5,9), the 3x3 neighbourhoods of which each of size 5x5 is made; P3 stands for the outside.
    where: int64 (N,h,w), the 5x5 neighbourhood of each pixel.
    """

    patches: Tensor
    near: Tensor
    where: Tensor

    def table(self, shared: nn.Conv2d, gamma: nn.Conv2d, beta: nn.Conv2d) -> Tensor:
        """1 + gamma and beta of each neighbourhood, (P5, 2*channels): what the 3x3 convolutions make of relu(shared(labels))."""
        groups, channels = gamma.groups, gamma.out_channels
        hidden = F.conv2d(self.patches, shared.weight, shared.bias, groups=shared.groups).relu().flatten(1)  # (P3,hidden)
        hidden = F.pad(hidden, (0, 0, 0, 1)).view(len(hidden) + 1, groups, -1).transpose(0, 1)  # the outside gives 0
        around = hidden[:, self.near].flatten(2)  # (groups,P5,9*hidden/groups)
        weight = torch.stack([gamma.weight, beta.weight]).view(2, groups, channels // groups, -1, 9)
        weight = weight.permute(1, 4, 3, 0, 2).reshape(groups, around.shape[2], -1)  # (groups,9*hidden/groups,2*channels/groups)
        made = torch.bmm(around, weight).view(groups, len(self.near), 2, -1).permute(1, 2, 0, 3).flatten(1)
        return made + torch.cat([1 + gamma.bias, beta.bias])

    def modulate(
        self, x: Tensor, table: Tensor, slope: float = 1.0, statistics: tuple[Tensor, Tensor] | None = None, of_x: bool = False
    ) -> Tensor:
        """x (N,channels,h,w) times and plus what a table (P5, 2*channels) has for each pixel, then leaky ReLU; channels last.

        statistics: mean and 1/deviation, (channels,) each, by which x is normalised first; `of_x` where they are its own, so that
        they depend on it.
        """
        wide = torch.promote_types(x.dtype, table.dtype)
        x, table = x.to(wide), table.to(wide)
        mean, rstd = statistics or (x.new_zeros(x.shape[1]), x.new_ones(x.shape[1]))
        return _Modulate.apply(x, table, self.where, mean, rstd, of_x, slope)


class _Modulate(torch.autograd.Function):
    """Keeps x and the table for the backward pass: no map of gamma or beta, nor of what is normalised, each as large as x."""

    @staticmethod
    def forward(ctx, x: Tensor, table: Tensor, where: Tensor, mean: Tensor, rstd: Tensor, of_x: bool, slope: float) -> Tensor:
        ctx.save_for_backward(x, table, where, mean, rstd)
        ctx.of_x, ctx.slope = of_x, slope
        return _Modulate.made(x, table, where, mean, rstd, slope)

    @staticmethod
    def made(x: Tensor, table: Tensor, where: Tensor, mean: Tensor, rstd: Tensor, slope: float) -> Tensor:
        scale, shift = table.chunk(2, 1)
        scale = scale * rstd
        return modulate(x, scale, torch.addcmul(shift, scale, mean, value=-1), where, slope)

    @staticmethod
    @once_differentiable
    def backward(ctx, gradient: Tensor) -> tuple[Tensor | None, ...]:
        """One image after the other: the maps that are made on the way are what takes memory."""
        x, table, where, mean, rstd = ctx.saved_tensors
        where = where.expand(len(x), *where.shape[1:])  # several codes may share one label map
        of_table = torch.zeros_like(table)
        scale, (of_scale, of_shift) = table.chunk(2, 1)[0], of_table.chunk(2, 1)
        made, (to_x, to_table) = torch.empty_like(x), ctx.needs_input_grad[:2]
        for i in range(len(x)):
            image = slice(i, i + 1)
            g, at, xhat = gradient[image], where[image], (x[image] - mean[:, None, None]) * rstd[:, None, None]
            if ctx.slope != 1:
                y = _Modulate.made(x[image], table, at, mean, rstd, ctx.slope)
                g = torch.ops.aten.leaky_relu_backward(g, y, ctx.slope, True)
            if to_x:
                made[image] = modulate(g, scale * rstd, None, at)
            if to_table or (to_x and ctx.of_x):
                of_shift += _of_rows(g, at, len(table))
                of_scale += _of_rows(xhat.mul_(g), at, len(table))
        if to_x and ctx.of_x:  # the sums over pixels that batch norm's gradient has, over rows instead
            n = x.numel() // x.shape[1]
            slant = (scale * of_scale).sum(0) * rstd.square() / n
            level = (scale * of_shift).sum(0) * rstd / n - mean * slant
            made.addcmul_(x, slant[:, None, None], value=-1).sub_(level[:, None, None])
        return made if to_x else None, of_table if to_table else None, *[None] * 5


def _of_rows(gradient: Tensor, where: Tensor, rows: int) -> Tensor:
    """The sum of gradients (N,channels,h,w) over the pixels of each row, (rows,channels)."""
    return torch.ops.aten.embedding_dense_backward(gradient.permute(0, 2, 3, 1), where, rows, -1, False)


def convolve(conv: nn.Module, y: Tensor) -> Tensor:
    """conv(y), which keeps no y for its backward pass if `Patterns.modulate` made it: to make it again costs little."""
    node: Any = y.grad_fn
    if getattr(node, "_forward_cls", None) is not _Modulate:
        return conv(y)
    address = y.data_ptr()

    def keep(x: Tensor) -> Any:
        return node if x.data_ptr() == address else x

    def find(kept: Any) -> Tensor:
        return _Modulate.made(*kept.saved_tensors, kept.slope) if kept is node else kept

    with torch.autograd.graph.saved_tensors_hooks(keep, find):
        return conv(y)


def modulate(x: Tensor, scale: Tensor, shift: Tensor | None, where: Tensor, slope: float = 1.0) -> Tensor:
    """x * scale + shift with the row of `scale` and `shift` (P5,channels) that `where`, int64 (N,h,w) or (1,h,w), says.

    x (N,channels,h,w) -> like x, after leaky ReLU, in channels-last memory. Piece by piece: what is gathered stays in the cache.
    """
    made, step = torch.empty_like(x, memory_format=torch.channels_last), max(1, PIECE // x.shape[1])
    x, flat = (maps.permute(0, 2, 3, 1).flatten(1, 2) for maps in (x, made))  # (N,h*w,channels), of `made` the same memory
    for i, of_image in enumerate(where.flatten(1)):
        images = slice(i, i + 1) if len(where) > 1 else slice(None)  # one label map serves any number of codes
        for k in range(0, len(of_image), step):
            pixels, at = slice(k, k + step), of_image[k : k + step]
            if shift is None:
                torch.mul(x[images, pixels], scale[at], out=flat[images, pixels])
            else:
                torch.addcmul(shift[at], x[images, pixels], scale[at], out=flat[images, pixels])
            if slope != 1:
                F.leaky_relu_(flat[images, pixels], slope)
    return made


def conditions(labels: Tensor, C: int, sizes: list[tuple[int, int]], seen: Tensor | None = None) -> list["Tensor | Patterns"]:
    """What the CG-Norms at some resolutions are given: labels (N,L,H,W) resized (nearest), as patterns where these are few.

    `seen`: what the convolutions see in place of the labels (N,L',H,W), if it is that rearranged. Of small pictures, and on a
    GPU, where nobody has measured it, these are the labels themselves.
    """
    seen = labels if seen is None else seen
    of_size = {}
    for size in sizes:
        if size not in of_size:
            of_size[size] = F.interpolate(seen, size, mode="nearest")
            if min(labels.shape[2:]) >= LARGE and labels.device.type == "cpu":
                found = find(F.interpolate(labels, size, mode="nearest"), C, of_size[size])
                of_size[size] = of_size[size] if found is None else found
    return [of_size[size] for size in sizes]


@contextlib.contextmanager
def dense() -> Iterator[None]:
    """Within it conditions are the labels themselves, however large: the path that patterns are compared with."""
    global LARGE
    before, LARGE = LARGE, math.inf
    try:
        yield
    finally:
        LARGE = before


def find(labels: Tensor, C: int, seen: Tensor | None = None) -> Patterns | None:
    """The patterns of one-hot labels (N,L,h,w): C classes, then maps of 0 and 1 (the instance edge). `seen` as in `conditions`.

    None where they are more than `SHARE` of the pixels, and for labels that are not one-hot.
    """
    seen, classes = labels if seen is None else seen, labels[:, :C]
    if not (labels.square() == labels).all() or (classes.sum(1) > 1).any():
        return None
    code = torch.where(classes.any(1), classes.argmax(1), C) + 1  # (N,h,w); 0 is left for the outside
    for i in range(C, labels.shape[1]):
        code = 2 * code + labels[:, i].long()
    of_3, n_3 = _numbered(code, int(code.max()) + 1)
    of_5, n_5 = _numbered(of_3 + 1, n_3 + 1)
    if n_5 > SHARE * of_5.numel():
        return None
    patches = _around(F.pad(seen, (1, 1, 1, 1)), _first(of_3, n_3))
    near = _around(F.pad(of_3, (1, 1, 1, 1), value=n_3)[:, None], _first(of_5, n_5))
    return Patterns(patches, near.flatten(1), of_5)


def _numbered(code: Tensor, base: int) -> tuple[Tensor, int]:
    """Codes (N,h,w) in [1, base), and 0 for the outside -> numbers from 0 of their 3x3 neighbourhoods, and how many there are.

    First of the rows of three, then of three rows: nine codes would not fit into 64 bits.
    """
    code = F.pad(code, (1, 1, 1, 1))
    kinds, rows = ((code[..., :-2] * base + code[..., 1:-1]) * base + code[..., 2:]).unique(return_inverse=True)  # (N,h+2,w)
    n = len(kinds)
    kinds, numbers = ((rows[:, :-2] * n + rows[:, 1:-1]) * n + rows[:, 2:]).unique(return_inverse=True)  # (N,h,w)
    return numbers, len(kinds)


def _first(numbers: Tensor, n: int) -> tuple[Tensor, Tensor, Tensor]:
    """Image, row and column of a pixel for each number from 0 to n - 1 in (N,h,w)."""
    pixels = torch.arange(numbers.numel(), device=numbers.device)
    return torch.unravel_index(pixels.new_empty(n).scatter_(0, numbers.flatten(), pixels), numbers.shape)  # ty: ignore[invalid-explicit-return]


def _around(padded: Tensor, pixels: tuple[Tensor, Tensor, Tensor]) -> Tensor:
    """What is around P pixels, given as of (N,h,w): (N,L,h+2,w+2) -> (P,L,3,3)."""
    image, y, x = (index[:, None, None] for index in pixels)
    offset = torch.arange(3, device=padded.device)
    return padded.permute(0, 2, 3, 1)[image, y + offset[:, None], x + offset].permute(0, 3, 1, 2)
