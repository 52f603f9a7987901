"""A split decoded and resized once: arrays that are mapped into memory and shared by all workers, instead of files.

`smis data cache` makes it; `Folder` uses it wherever it is there. Its key holds the names, sizes and times of all files,
so that a changed folder is another cache.
"""

import os
import shutil
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from tqdm import tqdm

from .. import paths
from ..errors import SmisError


def cores() -> int:
    """Cores that this process may use, at most 16: more decoders than that outrun any GPU."""
    available = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(16, available)


class Presized:
    """The n samples of one split as uint8 and integer arrays, mapped read-only when first asked for."""

    def __init__(self, key: str, n: int):
        self.folder, self.key, self.n = paths.cache() / "data" / key, key, n
        self.exists = self.folder.is_dir()
        self._arrays: dict[str, np.ndarray] | None = None

    def __reduce__(self):  # to a worker goes the name: a mapped array would travel as its bytes
        return Presized, (self.key, self.n)

    def __getitem__(self, index: int) -> dict[str, np.ndarray]:
        if self._arrays is None:
            self._arrays = {path.stem: np.load(path, mmap_mode="r") for path in self.folder.glob("*.npy")}
        return {name: np.array(values[index]) for name, values in self._arrays.items()}

    def build(self, decode: Callable[[int], dict[str, np.ndarray]]) -> Path:
        """Fill it from `decode(index)`, all or nothing; a cache that is there is left alone."""
        if self.exists:
            return self.folder
        temporary = None
        try:
            self.folder.parent.mkdir(parents=True, exist_ok=True)
            temporary = Path(tempfile.mkdtemp(dir=self.folder.parent, prefix=f".{self.folder.name}-"))
            arrays = {}
            with ThreadPoolExecutor(cores()) as pool:  # Pillow decodes outside the interpreter's lock
                for index, sample in enumerate(tqdm(pool.map(decode, range(self.n)), self.key, self.n, delay=1, leave=False)):
                    for name, values in sample.items():
                        if name not in arrays:
                            shape, file = (self.n, *values.shape), temporary / f"{name}.npy"
                            dtype = np.int32 if name == "instance_map" else values.dtype
                            arrays[name] = np.lib.format.open_memmap(file, "w+", dtype, shape)
                        arrays[name][index] = values
            for values in arrays.values():
                values.flush()
            temporary.rename(self.folder)
        except OSError as error:
            if self.folder.is_dir():  # another process has finished the same split meanwhile
                return self.folder
            raise SmisError(
                f"cannot write {self.folder}: {error.strerror}. Free some space, or point SMIS_HOME to a larger disk."
            ) from error
        finally:
            if temporary is not None:
                shutil.rmtree(temporary, ignore_errors=True)
        self.exists = True
        return self.folder
