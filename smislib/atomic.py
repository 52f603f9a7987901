"""Files are written beside their final name and moved there: a crash leaves the old file or the new one, never half of one."""

import contextlib
import os
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError

from .errors import SmisError


@contextlib.contextmanager
def writing(path: Path | str) -> Iterator[None]:
    """What the disk refuses becomes a SmisError that names `path`."""
    try:
        yield
    except (OSError, SafetensorError) as error:
        raise cannot_write(path, error) from error
    except RuntimeError as error:  # torch.save's, on a full disk
        if "PytorchStreamWriter" not in str(error) and "unexpected pos" not in str(error):
            raise
        raise cannot_write(path, error) from error


def write(path: Path, make: Callable[[Path], Any]) -> None:
    """Run `make(temporary)` and move the result to `path`. A full or read-only disk leaves the old file untouched."""
    temporary = None
    try:
        with writing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=path.suffix)
            os.close(handle)
            temporary = Path(name)
            make(temporary)
            with temporary.open("rb") as file:
                os.fsync(file.fileno())
            temporary.chmod(0o644)
            temporary.replace(path)
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


def arrays(path: Path, make: Callable[[], dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """The arrays of a cache file (.npz); what `make` gives, written there, where it is missing or cannot be read (truncated).

    Two processes may make it at once.
    """
    with contextlib.suppress(OSError, EOFError, KeyError, ValueError, zipfile.BadZipFile), np.load(path) as file:
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
