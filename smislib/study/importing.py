"""Answers that another tool collected, from a CSV file."""

import csv
import math
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..errors import SmisError
from .answers import Answer, Session
from .protocol import Study, find


def import_answers(study: Study | str, file: Path | str) -> list[Session]:
    """Sessions from the CSV file of another tool: columns rater, trial (from 1, practice included), answer, and, if they are
    there, session (1) and seconds. An answer is one of the protocol's, or its key. `smis study trials` says what to show.

    All or nothing: raises SmisError, with the line, before anything is written.
    """
    study, file = find(study) if isinstance(study, str) else study, Path(file)
    protocol, found = study.protocol, defaultdict(dict)
    words = {**dict(zip(protocol.keys, protocol.answers, strict=True)), **{a: a for a in protocol.answers}}
    if not file.is_file():
        raise SmisError(f"there is no file {file}.")
    with _table(file) as rows:
        if missing := {"rater", "trial", "answer"} - set(rows.fieldnames or ()):
            lacks, has = ", ".join(sorted(missing)), ",".join(rows.fieldnames or ())
            raise SmisError(f"{file} lacks {lacks}: its first line must be rater,trial,answer, found {has!r}.")
        for row in rows:
            where = f"{file}, line {rows.line_num}"
            if None in row:
                n = len(rows.fieldnames or ())
                raise SmisError(f"{where}: found {n + len(row[None])} values under a first line of {n}.")
            try:
                trial, number = int(row["trial"]), int(row.get("session") or 1)
                seconds = float(row["seconds"]) if row.get("seconds") else None
            except (TypeError, ValueError) as error:
                raise SmisError(f"{where}: trial, session and seconds must be numbers ({error}).") from error
            if seconds is not None and not 0 <= seconds < math.inf:
                raise SmisError(f"{where}: seconds must be 0 or more, found {row['seconds']}.")
            word = (row["answer"] or "").strip().lower()
            if word not in words:
                raise SmisError(f"{where}: answer {row['answer']!r}; this study knows {', '.join(words)}.")
            given = found[(row["rater"] or "").strip(), number]
            if trial in given:
                raise SmisError(f"{where}: a second answer of rater {row['rater']!r} to trial {trial} of session {number}.")
            given[trial] = Answer(trial, words[word], seconds)
    if not found:
        raise SmisError(f"{file} has no answers.")
    imported = []
    for (rater, number), given in found.items():
        try:
            session = Session(study, rater, number)
        except SmisError as error:
            raise SmisError(f"{file}: {error}") from error
        if session.path.exists():
            raise SmisError(f"{session.path} is there already: an import never changes a session. Move one of the two away.")
        if wrong := sorted(set(given) ^ set(range(1, len(session.plan) + 1))):
            raise SmisError(
                f"{file}: rater {rater!r}, session {number} must answer trials 1 to {len(session.plan)}, "
                f"{'without' if wrong[0] not in given else 'found'} trial {wrong[0]} ({len(wrong)} in all)."
            )
        imported.append(session)
    for session in imported:
        given = found[session.rater, session.number]
        session._write(session._header(), tuple(given[trial] for trial in sorted(given)))
    return imported


@contextmanager
def _table(file: Path) -> Iterator[csv.DictReader]:
    """Its rows. Raises SmisError for a file that is no text, or no table."""
    try:
        with file.open(encoding="utf-8-sig", newline="") as lines:
            yield csv.DictReader(lines)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise SmisError(f"{file} is no table of comma-separated values in UTF-8 ({error}): export it as one.") from error
