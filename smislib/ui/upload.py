"""Files from a reader's disk: label maps and photographs, in and out. What is not one gets one sentence, not a stack trace.

A label map is a PNG of class numbers (grey or indexed) or of the palette's colours (RGB, or indexed as paint programs reorder
them). A colour that is not exactly of the palette is an error: the nearest one would be a guess. Sizes are looked at before
anything is decoded, so neither a large file nor a small one that unpacks to gigabytes costs memory.
"""

import io

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ..data.pictures import Stored, as_rgb, as_tensor, refuse_turned, stored
from ..data.spec import Classes
from ..errors import SmisError

MAX_BYTES = 10 * 2**20  # of a file
MAX_PIXELS = 2**25  # of a picture
NAMED = 40  # classes that a message names


def label_map(content: bytes, name: str, classes: Classes, size: tuple[int, int]) -> tuple[Tensor, str]:
    """The label map of a PNG file, int64 (H,W) of `size`, and a sentence on what was read.

    A whole multiple of the size is reduced by nearest. Raises SmisError for anything else: a file that is no PNG, is cut short
    or too large, another size, a number that is no class, a colour that is not of the palette.
    """
    image, found = _open(content, name, ("PNG",), "a label map is a PNG: JPEG changes colours")
    refuse_turned(found, name)
    image = image if found.spread == 1 else image.point(lambda value: value // found.spread)
    factor = _factor(image, name, size)
    if factor > 1:
        image = _thinned(image, factor)
    values, how = _classes(image, name, classes)
    reduced = f", one pixel of each {factor}x{factor} of the file" if factor > 1 else ""
    return values, f"{name}: {image.width}x{image.height}, {how}{reduced}"


def photo(content: bytes, name: str, size: tuple[int, int]) -> tuple[Tensor, str]:
    """A photograph (3,H,W) in [-1,1] of `size`, and a sentence on what was read.

    A larger one of the same proportions is reduced by averaging. Raises SmisError for anything else.
    """
    image = as_rgb(_open(content, name, ("PNG", "JPEG", "MPO"), "a photo is a PNG or a JPEG")[0], name)
    (H, W), (w, h) = size, image.size
    if w < W or h < H or abs(w * H - h * W) > max(w, h):  # a pixel of rounding
        raise SmisError(
            f"{name} is {w}x{h} (width x height); the networks take {W}x{H}, or larger in the same proportions: crop it."
        )
    said = f"{name}: {w}x{h}" + ("" if (w, h) == (W, H) else f", reduced to {W}x{H} by averaging")
    return as_tensor(np.array(image.resize((W, H), Image.Resampling.BOX))), said


def written(values: Tensor, classes: Classes) -> bytes:
    """A label map (H,W) as a PNG that `label_map` reads: class numbers, in the palette's colours; 16-bit grey from 256 on."""
    pixels = values.numpy()
    if pixels.max() < 256:
        image = Image.fromarray(pixels.astype(np.uint8))
        levels = [level for colour in classes.palette[:256] for level in colour]
        image.putpalette(levels + [0] * (768 - len(levels)))  # all 256: a shorter one would cut larger numbers off
    else:
        image = Image.fromarray(pixels.astype(np.uint16))
    file = io.BytesIO()
    image.save(file, "png")
    return file.getvalue()


def _open(content: bytes, name: str, formats: tuple[str, ...], wanted: str) -> tuple[Image.Image, Stored]:
    if len(content) > MAX_BYTES:
        raise SmisError(f"{name} has {len(content) / 2**20:.1f} MB; the most is {MAX_BYTES // 2**20} MB: make it smaller.")
    try:
        image = Image.open(io.BytesIO(content))
    except Image.DecompressionBombError as error:
        raise SmisError(
            f"{name} unpacks to too many pixels; the most is {MAX_PIXELS / 1e6:.0f} million: make it smaller."
        ) from error
    except Exception as error:  # decoders raise what they like
        raise SmisError(f"{name} is not a picture that can be read: {wanted}.") from error
    if image.format not in formats:
        raise SmisError(f"{name} is a {image.format} file; {wanted}.")
    if image.width * image.height > MAX_PIXELS:
        raise SmisError(
            f"{name} is {image.width}x{image.height}; the most is {MAX_PIXELS / 1e6:.0f} million pixels: make it smaller."
        )
    try:
        found = stored(image, name)
        image.load()
    except SmisError:
        raise
    except Exception as error:
        raise SmisError(f"{name} cannot be decoded: it is cut short or damaged. Save or copy it again.") from error
    return image, found


def _factor(image: Image.Image, name: str, size: tuple[int, int]) -> int:
    (H, W), (w, h) = size, image.size
    factor = w // W
    if factor < 1 or (w, h) != (factor * W, factor * H):
        raise SmisError(
            f"{name} is {w}x{h} (width x height); the networks take {W}x{H}, or a whole multiple such as {2 * W}x{2 * H}: "
            "resize it by nearest neighbour."
        )
    return factor


def _thinned(image: Image.Image, factor: int) -> Image.Image:
    """The middle pixel of each block; an indexed picture stays one."""
    middles = slice(factor // 2, None, factor)
    thin = Image.fromarray(np.ascontiguousarray(np.asarray(image)[middles, middles]))
    if image.mode == "P":
        thin.putpalette(image.getpalette("RGB"))  # ty: ignore[invalid-argument-type]
    return thin


def _classes(image: Image.Image, name: str, classes: Classes) -> tuple[Tensor, str]:
    """Pixels as classes, int64 (H,W), and whether they were numbers or colours."""
    if image.mode in ("RGBA", "LA", "PA"):
        if image.getchannel("A").getextrema() != (255, 255):
            raise SmisError(f"{name} has transparent pixels: save it without an alpha channel.")
        image = image.convert({"RGBA": "RGB", "LA": "L", "PA": "RGB"}[image.mode])
    if image.mode == "RGB":
        return _by_colour(np.asarray(image), name, classes), "by colour"
    numbers = np.asarray(image).astype(np.int64)
    if image.mode == "P" and _reordered(image, numbers, classes):
        return _by_colour(np.asarray(image.convert("RGB")), name, classes), "by colour"
    known = (numbers >= 0) & (numbers < len(classes)) | (numbers == classes.ignore_index)
    if not known.all():
        values, counts = np.unique(numbers[~known], return_counts=True)
        found = ", ".join(f"{v} ({n} pixels)" for v, n in list(zip(values, counts, strict=True))[:5])
        raise SmisError(
            f"{name} has numbers that are no class: {found}. A grey or indexed PNG holds 0 to {len(classes) - 1}: "
            f"{_listed(classes, lambda c: str(c))}."
        )
    return torch.from_numpy(numbers), "by class number"


def _reordered(image: Image.Image, numbers: np.ndarray, classes: Classes) -> bool:
    """Whether an indexed picture has the palette's colours in an order of its own."""
    stored = np.array(image.getpalette("RGB")).reshape(-1, 3)
    used = [int(k) for k in np.unique(numbers) if k < len(stored)]
    colours = {k: tuple(stored[k].tolist()) for k in used}
    in_order = all(k == classes.ignore_index or (k < len(classes) and colours[k] == tuple(classes.palette[k])) for k in used)
    return not in_order and set(colours.values()) <= set(map(tuple, classes.palette))


def _by_colour(pixels: np.ndarray, name: str, classes: Classes) -> Tensor:
    """RGB uint8 (H,W,3) -> classes int64 (H,W), each pixel exactly of the palette; black is ignored where no class has it."""
    codes = pixels.astype(np.int64) @ (65536, 256, 1)
    palette = [(r << 16) + (g << 8) + b for r, g, b in classes.palette]
    numbers = np.full(codes.shape, -1, np.int64)
    found, counts = np.unique(codes, return_counts=True)
    shared = [code for code in found.tolist() if palette.count(code) > 1]
    if shared:
        names = ", ".join(classes.names[c] for c, code in enumerate(palette) if code == shared[0])
        raise SmisError(f"{name}: the colour {_rgb(shared[0])} is that of {names}: save class numbers instead of colours.")
    unknown = [(n, code) for code, n in zip(found.tolist(), counts.tolist(), strict=True) if code not in palette]
    if classes.ignore_index is not None and 0 in (code for _, code in unknown):
        numbers[codes == 0] = classes.ignore_index
        unknown = [(n, code) for n, code in unknown if code]
    if unknown:
        first = ", ".join(f"{_rgb(code)} at {n} pixels" for n, code in sorted(unknown, reverse=True)[:3])
        raise SmisError(
            f"{name}: {len(unknown)} of its {len(found)} colours not in the palette: {first}. "
            f"The palette: {_listed(classes, lambda c: f'{classes.palette[c]}')}. Save without smoothing or compression."
        )
    for c, code in enumerate(palette):
        numbers[codes == code] = c
    return torch.from_numpy(numbers)


def _listed(classes: Classes, text) -> str:
    named = ", ".join(f"{text(c)} {name}" for c, name in enumerate(classes.names[:NAMED]))
    return named if len(classes) <= NAMED else f"{named} ... ({len(classes)} classes)"


def _rgb(code: int) -> tuple[int, int, int]:
    return code >> 16, code >> 8 & 255, code & 255
