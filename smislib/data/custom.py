"""The `custom` data set: any folder of images with index label PNGs and a class list.

ROOT/classes.json            {"names": [...], "palette": [[r, g, b], ...], "ignore_index": 255}, the last two optional
ROOT/classes.txt             or only the names, one a line
ROOT/{train,test}/images/    NAME.png or NAME.jpg
ROOT/{train,test}/labels/    NAME.png, one channel (or a palette) whose value is the class
"""

import json
from pathlib import Path
from typing import Any

from ..errors import SmisError, did_you_mean
from .canvas import oklch
from .spec import Classes

LARGEST = 65535  # value that a label PNG can hold


def read_classes(root: Path) -> Classes:
    """The class list of a folder. Without a palette, hues are spread evenly."""
    structured, plain = root / "classes.json", root / "classes.txt"
    if structured.exists():
        values = _read_json(structured)
    elif plain.exists():
        values = {"names": [line.strip() for line in _text(plain).splitlines() if line.strip()]}
    else:
        raise SmisError(
            f'{root} has no class list. Write classes.json, e.g. {{"names": ["sky", "tree"]}}, '
            "or classes.txt with one name a line."
        )
    names, ignore_index = values.get("names"), values.get("ignore_index")
    if not isinstance(names, list) or not names or not all(isinstance(n, str) for n in names) or len(set(names)) < len(names):
        raise SmisError(f"the class list of {root} must be a list of different names, found {names!r}.")
    if ignore_index is not None and (type(ignore_index) is not int or not len(names) <= ignore_index <= LARGEST):
        raise SmisError(
            f"ignore_index in {structured} must be an integer from {len(names)} to {LARGEST}, which is no class; "
            f"found {ignore_index!r}."
        )
    palette: Any = spread_palette(len(names)) if values.get("palette") is None else values["palette"]
    if not isinstance(palette, list | tuple) or not all(map(_is_colour, palette)):
        raise SmisError(f"the palette in {structured} must hold [red, green, blue] with integers 0..255, found {palette!r}.")
    return Classes(tuple(names), tuple(tuple(c) for c in palette), ignore_index)


def _is_colour(c: object) -> bool:
    return isinstance(c, list | tuple) and len(c) == 3 and all(type(v) is int and 0 <= v <= 255 for v in c)


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except (OSError, ValueError) as error:
        raise SmisError(f"{path} cannot be read as UTF-8 text: {error}.") from error


def _read_json(path: Path) -> dict:
    text = _text(path)
    try:
        values = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise SmisError(f"{path} is not valid JSON: {error}.") from error
    if isinstance(values, list):
        values = {"names": values}
    if not isinstance(values, dict):
        raise SmisError(f"{path} must hold an object with the key names, found {type(values).__name__}.")
    for key in values:
        if key not in ("names", "palette", "ignore_index"):
            raise did_you_mean(f"key in {path}", key, ("names", "palette", "ignore_index"))
    return values


def spread_palette(n: int) -> tuple[tuple[int, ...], ...]:
    """n distinct colours: hues one golden section apart, so that neighbours in the list differ the most."""
    return tuple(
        tuple(int(255 * v + 0.5) for v in oklch(0.62 + 0.16 * (i % 3 - 1), 0.13, i * 0.6180339887 % 1)) for i in range(n)
    )
