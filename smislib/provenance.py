"""Where the numbers of a table come from: beside figures/NAME.csv stands NAME.records.json, which names the records of each cell.

Whatever prints a number that stands for records says so by `note`; `results.save_table` then finds what was noted in the texts
of its cells, so a table needs nothing said about it. `why.py` reads the file back.
"""

import collections
import json
import re
from collections.abc import Callable, Hashable, Iterable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from . import atomic

SUFFIX = ".records.json"
IDENTITY = ("metric", "value", "model", "data", "preset", "seed", "experiment", "weights", "protocol_hash")
KEPT = 20_000  # texts: far more than a notebook prints

# text -> the records behind each number of this process that was printed so
_noted: dict[str, list[tuple[Hashable, ...]]] = collections.OrderedDict()


def note(text: str, records: Iterable[Any]) -> str:
    """`text` as it is, remembered as what these `results.Record`s look like in a table of this process."""
    records = tuple(records)
    known = _noted.setdefault(text, [])
    if records and not any(_same(records, other) for other in known):
        known.append(records)
    if len(_noted) > KEPT:
        _noted.pop(next(iter(_noted)))
    return text


def identity(record: Any) -> dict[str, Any]:
    """What finds a record again among others, and tells whether it has changed."""
    return {name: getattr(record, name) for name in IDENTITY}


def _same(some: Sequence[Any], others: Sequence[Any]) -> bool:
    return [identity(r) for r in some] == [identity(r) for r in others]


def behind(table: pd.DataFrame, title_of: Callable[[str], str]) -> dict[str, Any]:
    """{"records": [identity, ...], "cells": {row: {column: [numbers of records]}}} of a table with flat columns; rows are "0",
    "1", ... in its order. `title_of` a model: what a row calls it.

    Where one text was printed for several records, those count whose metric the column, and whose model the row, names.
    """
    listed: list[dict[str, Any]] = []
    cells: dict[str, dict[str, list[int]]] = {}
    for number, (label, row) in enumerate(zip(table.index, table.itertuples(index=False), strict=True)):
        for column, text in zip(table.columns, row, strict=True):
            beside = " ".join(map(str, [label, column, *row]))
            found = [r for printed in _numbers(str(text)) for r in _narrowed(_noted[printed], beside, title_of)]
            for record in map(identity, found):
                if record not in listed:
                    listed.append(record)
                places = cells.setdefault(str(number), {}).setdefault(str(column), [])
                if (place := listed.index(record)) not in places:
                    places.append(place)
    return {"records": listed, "cells": cells}


def _numbers(text: str) -> list[str]:
    """What was noted and stands in `text`, in its order; the longest first count, so that none is part of another."""
    if text in _noted:
        return [text] if _noted[text] else []
    found, left = [], text
    for known in sorted((k for k in _noted if k in text and _noted[k]), key=len, reverse=True):
        pattern = rf"(?<![\w.]){re.escape(known)}(?![\w%]|\.\d| [\[±])"
        if re.search(pattern, left):
            found.append(known)
            left = re.sub(pattern, "", left)
    return sorted(found, key=text.index)


def _narrowed(candidates: Sequence[tuple[Any, ...]], beside: str, title_of: Callable[[str], str]) -> list[Any]:
    """Of the records that are printed alike those that the rest of the row and the head of the column fit best."""

    def fit(records: tuple[Any, ...]) -> float:
        return sum((r.metric in beside) + (title_of(r.model) in beside) + (r.data in beside) for r in records) / len(records)

    most = max(map(fit, candidates))
    return [record for records in candidates if fit(records) == most for record in records]


def leave(path: Path, table: pd.DataFrame, title_of: Callable[[str], str]) -> Path:
    """Write what stands behind a table beside its .csv; the file."""
    target = path.with_suffix(SUFFIX)
    text = json.dumps(behind(table, title_of), indent=None, separators=(",", ":")) + "\n"
    atomic.write(target, lambda file: file.write_text(text))
    return target
