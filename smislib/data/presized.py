"""A split decoded and resized once: arrays that are mapped into memory and shared by all workers, instead of files.

`smis data cache` makes it; `Folder` uses it wherever it is there. Its key holds the names, sizes and times of all files,
so that a changed folder is another cache.
"""

import os
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from tqdm import tqdm

from .. import atomic, paths
from ..errors import SmisError
from ..processes import cores

CHECKSUM = "checksum"  # the array with that of each sample


def decoders() -> int:
    """How many work at once: one for each core, at most 16: more outrun any GPU."""
    return min(16, cores())


def _checksum(sample: dict[str, np.ndarray]) -> int:
    """CRC-32 of the arrays of a sample, by name."""
    crc = 0
    for name in sorted(sample):
        crc = zlib.crc32(np.ascontiguousarray(sample[name]).data, zlib.crc32(name.encode(), crc))
    return crc


def _mapped(file: Path, dtype: np.dtype | type, shape: tuple[int, ...]) -> np.memmap:
    """An array in a new file, written through memory. Its place on the disk is taken now: later, a full one would be a SIGBUS."""
    array = np.lib.format.open_memmap(file, "w+", dtype, shape)
    if hasattr(os, "posix_fallocate"):
        with file.open("rb+") as whole:
            os.posix_fallocate(whole.fileno(), 0, array.offset + array.nbytes)
    return array


class Presized:
    """The n samples of one split as uint8 and integer arrays, mapped read-only when first asked for."""

    def __init__(self, key: str, n: int):
        self.folder, self.key, self.n = paths.cache() / "data" / key, key, n
        self.exists = self.folder.is_dir()
        self._arrays: dict[str, np.ndarray] | None = None

    def __reduce__(self):  # to a worker goes the name: a mapped array would travel as its bytes
        return Presized, (self.key, self.n)

    def __getitem__(self, index: int) -> dict[str, np.ndarray]:
        if not 0 <= index < self.n:
            raise IndexError(f"sample {index} of {self.n}")
        try:
            if self._arrays is None:
                self._arrays = {path.stem: np.load(path, mmap_mode="r") for path in self.folder.glob("*.npy")}
            sample = {name: np.array(values[index]) for name, values in self._arrays.items()}
            checksum = sample.pop(CHECKSUM, None)  # caches of earlier versions have none
            whole = checksum is None or checksum == _checksum(sample)
        except Exception:  # a damaged header does whatever it likes to numpy
            whole = False
        if not whole:
            raise SmisError(
                f"the cache {self.folder} is damaged (seen in sample {index}). Delete that folder: `smis data cache` makes it "
                "again, and without it the pictures themselves are read."
            )
        return sample

    def build(self, decode: Callable[[int], dict[str, np.ndarray]]) -> Path:
        """Fill it from `decode(index)`, all or nothing; a cache that is there is left alone."""
        if self.exists:
            return self.folder
        try:
            with atomic.folder(self.folder) as folder:
                self._fill(folder, decode)
        except SmisError:
            if not self.folder.is_dir():  # else another process has finished the same split meanwhile
                raise
        self.exists = True
        return self.folder

    def _fill(self, folder: Path, decode: Callable[[int], dict[str, np.ndarray]]) -> None:
        arrays, checksums = {}, np.zeros(self.n, np.uint32)
        with ThreadPoolExecutor(decoders()) as pool:  # Pillow decodes outside the interpreter's lock
            for index, sample in enumerate(tqdm(pool.map(decode, range(self.n)), self.key, self.n, delay=1, leave=False)):
                for name, values in sample.items():
                    if name not in arrays:
                        dtype = np.int32 if name == "instance_map" else values.dtype
                        arrays[name] = _mapped(folder / f"{name}.npy", dtype, (self.n, *values.shape))
                    arrays[name][index] = values
                checksums[index] = _checksum({name: values[index] for name, values in arrays.items()})
        np.save(folder / f"{CHECKSUM}.npy", checksums)
        for values in arrays.values():
            values.flush()
