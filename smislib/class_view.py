"""What an encoder sees of each class (SMIS 3.3): the image where that class is, X_c = M_c * image; perhaps that part enlarged.

Of the 151 classes of ADE20K an image has about ten. On a CPU only their views are made, in pieces that stay in its cache, and
the others are memory that nobody has touched. A GPU would have to be waited for to know which they are: it makes all at once.
"""

import math
import mmap
import os
from collections.abc import Callable, Iterator

import torch
from torch import Tensor

PIECE = 2**19  # pixels: 8 views of 256x256

# images (V,K,H,W) and regions (V,1,H,W), a pair for each view -> what is to be seen, tensors (V,..,H,W)
Look = Callable[[Tensor, Tensor], tuple[Tensor, ...]]


def split_by_class(image: Tensor, labels: Tensor) -> Tensor:
    """X_c = M_c * image, stacked class-major: (N,K,H,W), (N,C,H,W) -> (N,CK,H,W). SMIS 3.3, encoder input (K = 3)."""
    return _views(image, labels, lambda image, region: (image * region,), channels=(image.shape[1],))[0]


def crop_by_class(image: Tensor, labels: Tensor) -> tuple[Tensor, ...]:
    """As `split_by_class`, each class then cropped to its bounding box and resized to the frame (nearest).

    (N,3,H,W), (N,C,H,W) -> (N,3C,H,W), and the labels cropped likewise (N,C,H,W): where each class is in its own crop.

    The released SMIS encoder does this; the paper does not say so. As there, the box is that of the rows and columns
    whose sum over pixels and colours is not 0: a border whose values happen to cancel is left out, and a class none of
    whose columns has a sum, such as one that is absent, stays as it is.
    """
    return _views(image, labels, _cropped, channels=(3, 1))


def _cropped(image: Tensor, region: Tensor) -> tuple[Tensor, Tensor]:
    view = image * region  # (V,3,H,W)
    colour = view.sum(1)  # (V,H,W)
    columns = colour.sum(1) != 0  # (V,W)
    rows = (colour.sum(2) != 0) & columns.any(1, keepdim=True)  # (V,H)
    source = _stretched(rows)[:, :, None] * view.shape[3] + _stretched(columns)[:, None]  # (V,H,W): where a pixel comes from
    source = source.flatten(1)[:, None]
    view, region = (x.flatten(2).gather(2, source.expand(-1, x.shape[1], -1)).view_as(x) for x in (view, region))
    return view, region


def _stretched(occupied: Tensor) -> Tensor:
    """bool (V,size): for each output position its source, when the occupied range is stretched over the whole.

    Whole numbers: floor(position * range / size) as torch's nearest resize has it where `size` is a power of two.
    """
    size = occupied.shape[1]
    position = torch.arange(size, device=occupied.device)
    first = torch.where(occupied, position, size).amin(1, keepdim=True)  # `size` where nothing is occupied
    last = torch.where(occupied, position, -1).amax(1, keepdim=True)
    source = first + position * (last - first + 1).clamp(min=0) // size
    return torch.where(first < size, source, position)


def _views(image: Tensor, labels: Tensor, look: Look, channels: tuple[int, ...]) -> tuple[Tensor, ...]:
    """What `look` gives of every image and class, tensors (N,C*K,H,W) for each K of `channels`; 0 where a class is absent."""
    N, C, H, W = labels.shape
    stacked = [_zeros((N, C, K, H, W), image) for K in channels]
    for n, c in _pieces(labels, at_once=image.requires_grad or labels.requires_grad):
        for views, seen in zip(stacked, look(image[n], labels[n, c, None]), strict=True):
            views[n, c] = seen
    return tuple(views.flatten(1, 2) for views in stacked)


def _pieces(labels: Tensor, at_once: bool) -> Iterator[tuple[Tensor, Tensor]]:
    """Image and class, int64 (V,) each, of the views that have to be made, piece by piece."""
    N, C, H, W = labels.shape
    if labels.device.type != "cpu" or at_once:
        every = torch.arange(N * C, device=labels.device)
        return iter([(every // C, every % C)])
    size = math.ceil(PIECE / (H * W))
    return zip(*(i.split(size) for i in (labels.amax((2, 3)) != 0).nonzero(as_tuple=True)), strict=True)


def _zeros(shape: tuple[int, ...], like: Tensor) -> Tensor:
    """As `like.new_zeros(shape)`; on a CPU fresh pages of the system, which it holds to be zero until they are written to."""
    if like.device.type != "cpu" or os.name != "posix":
        return like.new_zeros(shape)
    pages = mmap.mmap(-1, math.prod(shape) * like.element_size(), flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    return torch.frombuffer(pages, dtype=like.dtype).view(shape)
