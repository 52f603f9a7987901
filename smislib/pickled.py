"""Files of torch.save from outside: their tensors and plain values. No code that such a file may hold ever runs."""

import re
import warnings
import zipfile
from pathlib import Path
from typing import Any

import torch

from .errors import SmisError


def read(path: Path) -> Any:
    """What the file holds, on the CPU. Raises SmisError for one that is damaged, or holds more than tensors and plain values."""
    try:
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                if bad := archive.testzip():  # torch does not look at the check sums of large parts
                    raise SmisError(f"{path} is damaged: its part {bad} is not as it was saved. Fetch or copy it again.")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of pickle's versions
            return torch.load(path, map_location="cpu", weights_only=True)
    except SmisError:
        raise
    except Exception as error:  # the unpickler raises what it likes; its own words advise to run the code
        if objects := re.search(r"GLOBAL ([\w.]+)", str(error)):
            raise SmisError(
                f"{path} holds {objects[1]}, which is code and no tensor; nothing of it was run. "
                "Expected tensors alone: a state dict."
            ) from error
        what = (
            "is empty"
            if path.stat().st_size == 0
            else "cannot be read as weights: it is cut short, damaged, or no file of torch.save"
        )
        raise SmisError(f"{path} {what}. Fetch or copy it again.") from error
