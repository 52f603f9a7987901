"""Embedded data as a torch data set: rendered once, cached as one file, held in memory as bytes."""

import os
import tempfile
import zipfile
from pathlib import Path

import numpy as np
import torch
from torch.utils.data import Dataset
from tqdm import tqdm

from .. import paths
from ..config import DataSpec, content_hash
from ..errors import SmisError
from . import mannequins

COUNTS = {"train": 2000, "test": 500}  # pictures where the spec gives no number: there are as many as one likes


class Mannequins(Dataset):
    """The pictures of one split: [i] gives `image` float32 (3,H,W) in [-1,1], `label_map` int64 (H,W), `factors`
    float32 (C,K) with the columns `mannequins.FACTOR_NAMES`, and `name`.
    """

    def __init__(self, spec: DataSpec, split: str):
        if spec.height != spec.width:
            raise SmisError(f"mannequins are square, found {spec.height}x{spec.width} (height x width).")
        n = spec.n_train if split == "train" else spec.n_test
        n = COUNTS[split] if n is None else n
        if n < 1:
            raise SmisError(f"n_{split} must be at least 1, found {n}.")
        arrays = rendered(spec.seed, split, n, spec.width)
        self.images, self.label_maps, self.factors = arrays["images"], arrays["label_maps"], arrays["factors"]
        self.split = split

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> dict:
        return {
            "image": torch.from_numpy(self.images[index]).movedim(-1, 0).float() / 127.5 - 1,
            "label_map": torch.from_numpy(self.label_maps[index]).long(),
            "factors": torch.from_numpy(self.factors[index]),
            "name": f"mannequins-{self.split}-{index:05d}",
        }


def rendered(seed: int, split: str, n: int, size: int) -> dict[str, np.ndarray]:
    """`images` uint8 (n,size,size,3), `label_maps` uint8 (n,size,size), `factors` float32 (n,C,K), from the cache.

    The file is named by the content hash of what it holds, written under another name and then moved, so that two
    processes may render it at once; one that cannot be read (truncated) is rendered again.
    """
    key = content_hash(["mannequins", mannequins.VERSION, size, seed, split, n])
    path = paths.cache() / "data" / f"mannequins-{split}-{size}px-{n}-{key}.npz"
    try:
        with np.load(path) as file:
            return {name: file[name] for name in ("images", "label_maps", "factors")}
    except (OSError, EOFError, KeyError, ValueError, zipfile.BadZipFile):
        pass
    bar = tqdm(range(n), f"rendering {n} mannequins ({split}, {size}x{size})", delay=1, leave=False)
    pictures = [mannequins.render(seed, split, i, size) for i in bar]
    arrays = {
        "images": np.stack([p["image"] for p in pictures]),
        "label_maps": np.stack([p["label_map"] for p in pictures]),
        "factors": np.stack([p["factors"] for p in pictures]),
    }
    _write(path, arrays)
    return arrays


def _write(path: Path, arrays: dict[str, np.ndarray]) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, suffix=".tmp")
        try:
            with os.fdopen(handle, "wb") as file:
                np.savez(file, **arrays)
            Path(temporary).replace(path)
        except BaseException:
            Path(temporary).unlink()
            raise
    except OSError as error:
        raise SmisError(
            f"cannot write the rendered data to {path.parent}: {error.strerror}. "
            "Free some space, or point SMIS_HOME to a folder that can be written."
        ) from error
