"""Files are written beside their final name and moved there: a crash leaves the old file or the new one, never half of one.

What a killed process had begun is left in a hidden folder, which no pattern like *.json finds.
"""

import contextlib
import errno
import json
import os
import shutil
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from safetensors import SafetensorError

from .errors import SmisError

if TYPE_CHECKING:
    from torch import Tensor


@contextlib.contextmanager
def writing(path: Path | str) -> Iterator[None]:
    """What the disk refuses becomes a SmisError that names `path`."""
    try:
        yield
    except (OSError, SafetensorError) as error:
        raise cannot_write(path, error) from error
    except RuntimeError as error:  # torch.save's, on a full disk
        if not any(words in str(error) for words in ("PytorchStreamWriter", "unexpected pos", "iostream error")):
            raise
        raise cannot_write(path, OSError(errno.EIO, "the disk took only a part of it, as a full one does")) from error


def write(path: Path, make: Callable[[Path], Any]) -> None:
    """Run `make(temporary)` and move the result to `path`. A full or read-only disk leaves the old file untouched."""
    draft = None
    try:
        with writing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            draft = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}."))
            temporary = draft / path.name
            make(temporary)
            with temporary.open("rb") as file:
                os.fsync(file.fileno())
            temporary.chmod(0o644)
            temporary.replace(path)
    finally:
        if draft is not None:
            shutil.rmtree(draft, ignore_errors=True)


def write_tensors(path: Path, tensors: dict[str, "Tensor"], metadata: dict[str, str]) -> None:
    """A safetensors file. Its metadata, whose order safetensors leaves to chance, is sorted: equal contents are equal files."""
    from safetensors.torch import save  # not above: it imports torch, for which what writes text alone need not wait

    written = save(tensors, metadata)
    end = 8 + int.from_bytes(written[:8], "little")
    header = json.loads(written[8:end])
    header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
    text = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)  # tensors stay aligned
    write(path, lambda temporary: temporary.write_bytes(len(text).to_bytes(8, "little") + text + written[end:]))


@contextlib.contextmanager
def folder(path: Path) -> Iterator[Path]:
    """A new folder to fill, which becomes `path` when it is full. Raises SmisError where `path` exists."""
    if path.exists():
        raise SmisError(f"{path} exists; choose a new folder or remove it.")
    draft = None
    try:
        with writing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            draft = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}."))
            (draft / path.name).mkdir()
            yield draft / path.name
            (draft / path.name).rename(path)
    finally:
        if draft is not None:
            shutil.rmtree(draft, ignore_errors=True)


def arrays(path: Path, make: Callable[[], dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """The arrays of a cache file (.npz); what `make` gives, written there, where it is missing or damaged.

    Two processes may make it at once.
    """
    with contextlib.suppress(Exception), zipfile.ZipFile(path) as archive:  # damage raises whatever it likes
        with path.open("rb") as file:
            file.seek(-12, os.SEEK_END)
            n = int.from_bytes(file.read(2), "little")  # entries: zipfile goes by the length of its directory alone
        # numpy stops where its header says, which is before the check sum where that header is damaged: first testzip
        if archive.testzip() is None and n == len(archive.namelist()):
            with np.load(path) as file:
                return {name: file[name] for name in file.files}
    made = make()
    write(path, lambda temporary: np.savez(temporary, **made))  # ty: ignore[invalid-argument-type]
    return made


def cannot_write(path: Path | str, error: Exception) -> SmisError:
    """The error for a disk that is full or must not be written."""
    return SmisError(
        f"cannot write {path}: {first_line(error)}. Free some space, or set SMIS_HOME to a writable folder, and run again; "
        "what was finished is kept."
    )


def first_line(error: Exception) -> str:
    """What an error says, in a line that fits into another message."""
    first, *rest = (getattr(error, "strerror", None) or str(error).strip() or type(error).__name__).splitlines()
    return (rest[0].strip() if first.endswith(":") and rest else first)[:160].rstrip(".")
