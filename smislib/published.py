"""What the papers print: results/published/published.json, typed in by hand, so checked whenever it is read."""

import json

from . import paths
from .errors import SmisError, did_you_mean

KEYS = ("columns", "rows", "source", "confidence")  # that every table has


def read(paper: str, table: str) -> dict:
    """One table. Raises SmisError for one that there is not, or whose rows do not fit its columns."""
    try:
        papers = json.loads(paths.PUBLISHED.read_text("utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise SmisError(f"{paths.PUBLISHED} cannot be read as JSON ({error}): correct it, or restore it by git.") from error
    found, where = papers, str(paths.PUBLISHED)
    for kind, name in (("paper", paper), ("table", table)):
        if not isinstance(found, dict):
            raise SmisError(f"{where} must be an object that has {kind} {name!r}, found {found!r:.80}.")
        if name not in found:
            raise did_you_mean(f"{kind} of {where}", name, found)
        found, where = found[name], f"{where}, {name}"
    _check(found, where)
    return found


def _check(found: object, where: str) -> None:
    if not isinstance(found, dict) or (missing := [key for key in KEYS if key not in found]):
        lacks = ", ".join(missing) if isinstance(found, dict) else f"everything, it is {found!r:.80}"
        raise SmisError(f"{where} must be an object with {', '.join(KEYS)}; it lacks {lacks}.")
    if not isinstance(found["columns"], list) or not isinstance(found["rows"], dict):
        raise SmisError(f"{where}: columns must be a list of names and rows an object, name: list of values.")
    n = len(found["columns"])
    for name, row in found["rows"].items():
        if not isinstance(row, list) or len(row) != n:
            has = f"{len(row)} values" if isinstance(row, list) else f"{row!r:.80}"
            raise SmisError(f"{where}: row {name!r} has {has} for {n} columns; write null for what no source gives.")
