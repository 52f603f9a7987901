"""What an image file holds, whatever its name says: format, orientation, frames, bits. For folders and for uploads alike."""

from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image, ImageFile, ImageOps
from torch import Tensor

from ..errors import SmisError

ORIENTATION = 0x0112  # the EXIF tag: 1 upright, 2 to 4 mirrored or upside down, 5 to 8 on its side
SPREAD = {"L;2": 85, "L;4": 17}  # what Pillow multiplies grey values of 2 and 4 bits by, to fill 0..255


@dataclass(frozen=True)
class Stored:
    """A file as it is stored; `spread`: a label map's values are to be divided by it."""

    format: str
    size: tuple[int, int]
    bands: tuple[str, ...]
    orientation: int
    spread: int

    @property
    def upright(self) -> tuple[int, int]:
        """(width, height) as it is to be shown."""
        return self.size if self.orientation < 5 else self.size[::-1]


def stored(image: ImageFile.ImageFile, name: object) -> Stored:
    """Of an image that was opened and not yet decoded. Raises SmisError for an animation: which frame is meant is not known."""
    frames = getattr(image, "n_frames", 1)
    if frames > 1 and image.format != "MPO":  # of a camera: the picture, and its preview or other eye
        raise SmisError(f"{name} is an animation of {frames} frames, expected a picture. Save the frame that is meant.")
    mode = image.tile[0].args if image.tile else None
    orientation = image.getexif().get(ORIENTATION, 1)
    orientation = orientation if orientation in range(1, 9) else 1  # what viewers make of any other
    return Stored(
        image.format or "", image.size, image.getbands(), orientation, SPREAD.get(mode if isinstance(mode, str) else "", 1)
    )


def as_rgb(image: Image.Image, name: object) -> Image.Image:
    """A decoded image as 8-bit RGB, upright; grey, palette and CMYK ones are converted. Raises SmisError where that would lose
    what it shows."""
    if image.mode.startswith(("I", "F")):
        raise SmisError(f"{name} has {image.mode} pixels; images must have 8 bits a channel. Convert it.")
    if image.has_transparency_data and image.convert("RGBA").getextrema()[3][0] < 255:  # ty: ignore[index-out-of-bounds]
        raise SmisError(f"{name} has transparent pixels, whose colour is undefined. Flatten it onto a background.")
    return ImageOps.exif_transpose(image).convert("RGB")


def as_tensor(pixels: np.ndarray) -> Tensor:
    """8 bits (H,W,K) -> (K,H,W) in [-1,1]; `viz.to_pil` is the inverse."""
    return torch.from_numpy(pixels).movedim(-1, 0).float() / 127.5 - 1


def refuse_turned(found: Stored, name: object) -> None:
    """Raise SmisError for a label map that is to be turned: no two programs agree on whether it is."""
    if found.orientation != 1:
        raise SmisError(
            f"{name} has EXIF orientation {found.orientation}; a label map is stored upright. Save it without the tag."
        )
