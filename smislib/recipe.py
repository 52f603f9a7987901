"""A picture as a value: its label map, and where the code of each class comes from. Sliders, painter and scripts all make one.

A `Recipe` holds all that the picture needs but the weights, whose hash it names; as a JSON file it gives the same pixels again
on the same machine (`smis render`). A `studio.Studio` makes the picture.
"""

import base64
import io
import json
import math
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from . import atomic, config
from .errors import SmisError


@dataclass(frozen=True)
class Source:
    """Where a code comes from: drawn from N(0,1) by a `seed`, or encoded from a `picture` that the studio knows: "test/3"."""

    seed: int | None = None
    picture: str | None = None

    def __post_init__(self):
        if (self.seed is None) == (self.picture is None):
            raise SmisError(f"a code comes from a seed or from a picture, found seed {self.seed!r} and picture {self.picture!r}.")

    def __str__(self) -> str:
        return f"seed {self.seed}" if self.picture is None else self.picture


@dataclass(frozen=True)
class Part:
    """A point on the line from code a (t = 0) to code b (t = 1)."""

    a: Source
    b: Source
    t: float = 0.0

    def __post_init__(self):
        if not math.isfinite(self.t):
            raise SmisError(f"t, the place between two codes, must be finite, found {self.t}.")


@dataclass(frozen=True)
class Spot:
    """Another vector of 3-D noise (OASIS), drawn by a `seed`, in a region of the label map, whatever its classes."""

    region: str  # packed: 1 inside, 0 outside
    seed: int


@dataclass(frozen=True)
class Recipe:
    """One picture. `parts` has a `Part` for each class, one for all where the code belongs to the whole image, or none."""

    model: str  # name of the experiment
    weights: str  # hash of its networks, as `Studio.weights`
    label_map: str  # packed, see `pack`
    parts: tuple[Part, ...] = ()
    truncation: float | None = None  # of drawn codes, see `sample.draw`
    instance_map: str = ""  # packed, where the classes have instances
    pictures: tuple[tuple[str, str, str], ...] = ()  # (name, image as PNG, packed label map) of references from outside
    spots: tuple[Spot, ...] = ()  # later ones over earlier ones
    input: str = ""  # a PNG: what the picture is made from where that is no label map (pix2pix)

    def __post_init__(self):
        if self.truncation is not None and not self.truncation > 0:
            raise SmisError(f"truncation={self.truncation}: codes are drawn from [-t, t] for a t above 0.")

    def with_part(self, c: int, **changes) -> "Recipe":
        """With something else in part c."""
        parts = list(self.parts)
        parts[c] = replace(parts[c], **changes)
        return replace(self, parts=tuple(parts))

    @property
    def text(self) -> str:
        """As JSON."""
        return json.dumps(asdict(self), indent=1)

    def save(self, path: str | Path) -> None:
        """Write `text` to a file."""
        atomic.write(Path(path), lambda temporary: temporary.write_text(self.text))


def read(path: str | Path) -> Recipe:
    """The recipe of a JSON file. Raises SmisError for a file that is none."""
    try:
        recipe = config.from_dict(Recipe, json.loads(Path(path).read_text("utf-8")))
        maps = {"label_map": recipe.label_map, "instance_map": recipe.instance_map}
        maps |= {f"spots[{i}]": spot.region for i, spot in enumerate(recipe.spots)}
        maps |= {f"pictures[{i}], labels": labels for i, (_, _, labels) in enumerate(recipe.pictures)}
        images = {"input": recipe.input} | {f"pictures[{i}]": image for i, (_, image, _) in enumerate(recipe.pictures)}
        for what, text in [*maps.items(), *images.items()]:
            if text or not (what in ("instance_map", "input") or (what == "label_map" and recipe.input)):  # else there is none
                _decodable(what, text, unpack if what in maps else as_image)
        return recipe
    except (OSError, ValueError, RecursionError, SmisError) as error:
        raise SmisError(
            f"{path} is not a recipe of this version ({error}): the interface and `Recipe.save` write them."
        ) from error


def _decodable(what: str, text: str, decode: Callable[[str], object]) -> None:
    try:
        decode(text)
    except SmisError as error:
        raise SmisError(f"{what}: {error}") from error


def check_size(recipe: Recipe, height: int, width: int) -> None:
    """Raise SmisError when its maps are not of the networks' size."""
    for what, text in (("label map", recipe.label_map), ("instance map", recipe.instance_map)):
        if text and unpack(text).shape != (height, width):
            h, w = unpack(text).shape
            raise SmisError(f"the {what} of the recipe is {w}x{h} (width x height), the networks take {width}x{height}.")


def pack(values: Tensor) -> str:
    """Integers (H,W) from -1 to 65,534 -> a 16-bit PNG as text."""
    return as_text(Image.fromarray((values + 1).numpy().astype(np.uint16)))


@lru_cache(64)
def unpack(text: str) -> Tensor:
    """Text that `pack` made -> int64 (H,W). Raises SmisError for another."""
    image = as_image(text)
    if not image.mode.startswith("I"):
        raise SmisError(f"expected a 16-bit grey PNG, found {image.mode} pixels.")
    return torch.from_numpy(np.array(image).astype(np.int64)) - 1


def as_text(image: Image.Image) -> str:
    """An image as a PNG, as text."""
    written = io.BytesIO()
    image.save(written, "png", optimize=True)
    return base64.b64encode(written.getvalue()).decode()


def as_image(text: str) -> Image.Image:
    """The inverse. Raises SmisError for a text that is no image."""
    try:
        image = Image.open(io.BytesIO(base64.b64decode(text, validate=True)))
        image.load()
    except Exception as error:  # decoders raise what they like
        raise SmisError(f"expected a PNG in base64, found {text!r:.40}.") from error
    return image
