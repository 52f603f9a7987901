"""Figures: one look for all."""

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from .data import Classes


def colour(label_map: Tensor, classes: Classes) -> Tensor:
    """label_map (N,H,W) -> RGB (N,3,H,W) in [-1,1] by the data set's palette; ignored pixels black."""
    palette = torch.tensor([*classes.palette, (0, 0, 0)], dtype=torch.float32) / 127.5 - 1
    inside = (label_map >= 0) & (label_map < len(classes))
    return palette[label_map.where(inside, torch.tensor(len(classes)))].movedim(-1, 1)


def grid(images: Tensor, columns: int, gap: int = 2) -> Tensor:
    """Images (N,3,H,W) row by row as one (3,H',W'), white between."""
    N, _, H, W = images.shape
    rows = -(-N // columns)
    sheet = torch.ones(3, rows * (H + gap) - gap, columns * (W + gap) - gap)
    for i, image in enumerate(images):
        y, x = (i // columns) * (H + gap), (i % columns) * (W + gap)
        sheet[:, y : y + H, x : x + W] = image
    return sheet


def to_pil(image: Tensor) -> Image.Image:
    """(3,H,W) in [-1,1] -> 8-bit RGB."""
    return Image.fromarray(((image.clamp(-1, 1) + 1) * 127.5).round().byte().movedim(0, -1).cpu().numpy().astype(np.uint8))
