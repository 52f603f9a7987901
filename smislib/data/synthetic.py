"""Embedded data as a torch data set: rendered once, cached as one file, held in memory as bytes."""

import numpy as np
import torch
from torch.utils.data import Dataset
from tqdm import tqdm

from .. import atomic, paths
from ..config import DataSpec, content_hash
from ..errors import SmisError
from . import mannequins, rooms, streets, tokens
from .pictures import as_tensor
from .renderer import Renderer

RENDERERS: dict[str, Renderer] = {module.RENDERER.name: module.RENDERER for module in (mannequins, streets, rooms, tokens)}
COUNTS = {"train": 2000, "test": 500}  # pictures where the spec gives no number: there are as many as one likes


class Pictures(Dataset):
    """The pictures of one split of an embedded data set: [i] gives `image` float32 (3,H,W) in [-1,1], `label_map` int64
    (H,W), `factors` float32 (C,K), `name` and, where classes have instances, `instance_map` int64 (H,W).
    """

    def __init__(self, spec: DataSpec, split: str):
        renderer = RENDERERS[spec.name]
        if spec.width != renderer.aspect * spec.height:
            shape = "square" if renderer.aspect == 1 else f"{renderer.aspect} times as wide as high"
            raise SmisError(f"{spec.name} are {shape}, found {spec.height}x{spec.width} (height x width).")
        n = spec.n_train if split == "train" else spec.n_test
        n = COUNTS[split] if n is None else n
        if n < 1:
            raise SmisError(f"n_{split} must be at least 1, found {n}.")
        self.arrays = rendered(renderer, spec.seed, split, n, spec.height)
        self.name = f"{spec.name}-{split}"

    def __len__(self) -> int:
        return len(self.arrays["image"])

    def __getitem__(self, index: int) -> dict:
        sample = {key: values[index] for key, values in self.arrays.items()}
        image = as_tensor(sample.pop("image"))
        maps = {
            key: torch.as_tensor(value, dtype=torch.float32 if key == "factors" else torch.long) for key, value in sample.items()
        }
        return {"image": image, **maps, "name": f"{self.name}-{index:05d}"}


def rendered(renderer: Renderer, seed: int, split: str, n: int, size: int) -> dict[str, np.ndarray]:
    """What `renderer.render` gives for the first n pictures of a split, each entry stacked, from the cache.

    The file is named by the content hash of what it holds.
    """
    width = renderer.aspect * size
    key = content_hash([renderer.name, renderer.version, size, width, seed, split, n])
    path = paths.cache() / "data" / f"{renderer.name}-{split}-{size}px-{n}-{key}.npz"

    def make() -> dict[str, np.ndarray]:
        bar = tqdm(range(n), f"rendering {n} {renderer.name} ({split}, {size}x{width})", delay=1, leave=False)
        pictures = [renderer.render(seed, split, i, size) for i in bar]
        return {name: np.stack([picture[name] for picture in pictures]) for name in pictures[0]}

    return atomic.arrays(path, make)
