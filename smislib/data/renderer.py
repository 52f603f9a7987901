"""Embedded data as a value: what a picture shows, drawn from (seed, split, index) and nothing else.

A picture's geometry and the appearance of each class come from separate random streams, so one class can be repainted
while nothing else changes.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from ..errors import SmisError
from .canvas import Canvas
from .spec import Classes

SPLITS = ("train", "test")
SIZES = (32, 256)  # the smallest and the largest height
OWN, OTHER, GEOMETRY = range(3)  # the random streams of a picture
INSTANCE = 1000  # marks the streams of further instances


class Looks:
    """The appearance of every class of one picture, and of every instance."""

    def __init__(self, draw: Callable[[list[int], int], np.ndarray], streams: list[list[int]]):
        self._draw, self._streams = draw, streams
        self.factors = np.stack([draw(stream, c) for c, stream in enumerate(streams)])  # (C,K)

    def instance(self, label: int, k: int) -> np.ndarray:
        """The factors (K,) of instance k of a class. Those of the class are those of its instance 0."""
        return self._draw([*self._streams[label], INSTANCE + k], label) if k else self.factors[label]


@dataclass(frozen=True)
class Renderer:
    """One embedded data set."""

    name: str
    version: int  # of the pictures: raise it when a pixel changes, so that caches are rendered anew
    classes: Classes
    factor_names: tuple[str, ...]
    draw: Callable[[list[int], int], np.ndarray]  # (stream, class) -> its factors (K,)
    paint: Callable[[np.random.Generator, Looks, Canvas], None]  # the geometry is drawn from the generator
    aspect: int = 1  # width / height
    fineness: int = 192  # see Canvas
    stretch: float = 1.0

    def render(
        self, seed: int, split: str, index: int, size: int, appearance_seed: Mapping[int, int] | None = None
    ) -> dict[str, np.ndarray]:
        """One picture of height `size`: `image` uint8 (H,W,3), `label_map` uint8 (H,W), `factors` float32 (C,K) with the
        columns `factor_names`, and, where classes have instances, `instance_map` uint16 (H,W).

        `appearance_seed` {class: seed} repaints those classes; the geometry, and with it the maps and all shadows, stays.

        Raises SmisError for an unknown split, a size outside 32..256 or a class outside 0..C-1.
        """
        if split not in SPLITS:
            raise SmisError(f"split must be one of {', '.join(SPLITS)}, found {split!r}.")
        if not SIZES[0] <= size <= SIZES[1]:
            raise SmisError(f"{self.name} are drawn {SIZES[0]} to {SIZES[1]} pixels high, found {size}.")
        looks = self._looks(seed, split, index, appearance_seed)
        canvas = Canvas(size, self.aspect * size, len(self.classes), fineness=self.fineness, stretch=self.stretch)
        self.paint(np.random.default_rng([GEOMETRY, seed, SPLITS.index(split), index]), looks, canvas)
        label_map, instance_map = canvas.maps()
        picture = {"image": canvas.image(), "label_map": label_map, "factors": looks.factors}
        return picture | ({"instance_map": instance_map} if self.classes.things else {})

    def factors(self, seed: int, split: str, index: int, appearance_seed: Mapping[int, int] | None = None) -> np.ndarray:
        """The factors float32 (C,K) of a picture without painting it; arguments as of `render`."""
        return self._looks(seed, split, index, appearance_seed).factors

    def _looks(self, seed: int, split: str, index: int, appearance_seed: Mapping[int, int] | None) -> Looks:
        other, C = appearance_seed or {}, len(self.classes)
        if not set(other) <= set(range(C)):
            raise SmisError(f"appearance_seed takes classes 0..{C - 1}, found {sorted(other)}.")
        own = [OWN, seed, SPLITS.index(split), index]
        return Looks(self.draw, [[OTHER, other[c]] if c in other else own for c in range(C)])
