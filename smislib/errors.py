"""The one exception of the library: a message that names what was found, what was expected and what to do."""

import difflib
from collections.abc import Iterable


class SmisError(Exception):
    """Bad input. The command line prints the message alone and exits with status 2."""


def did_you_mean(kind: str, name: str, known: Iterable[str]) -> SmisError:
    """An error for an unknown `name` of some `kind`, with the nearest known name first."""
    known = sorted(known)
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    return SmisError(f"unknown {kind} {name!r}.{hint} Known: {', '.join(known)}.")
