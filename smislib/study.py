"""The real-vs-fake study of pix2pix (section 4.1, Tables 4 and 5): its protocol as a value, its score from answers.

A rater sees a real and a generated image in turn, one second each, and says which was real. The answers are JSON files, one
for each rater, in SMIS_HOME/studies:

    {"study": "streets_from_labels", "rater": "r01", "protocol": {"display_seconds": 1.0, "practice": 10, "trials": 40},
     "answers": [{"model": "pix2pix", "image": "streets-test-00003", "real": true}, ...]}

`real` says whether the generated image was taken for the real one. Practice trials, which come with feedback, are not in
`answers`. A study is of one task, named by its data set.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from . import config, paths
from .errors import SmisError
from .metrics import Measurement, bootstrap_weights, uncertainty


@dataclass(frozen=True)
class RealVsFake:
    """How a session goes (section 4.1)."""

    display_seconds: float = 1.0  # of each image; then there is no limit to answer
    practice: int = 10  # trials with feedback, which do not count
    trials: int = 40


@dataclass(frozen=True)
class Answer:
    """One counted trial."""

    model: str
    image: str
    real: bool  # the generated image was taken for the real one


@dataclass(frozen=True)
class Session:
    """What one rater answered."""

    study: str
    rater: str
    protocol: RealVsFake
    answers: tuple[Answer, ...]


def folder() -> Path:
    """Where the answers are."""
    return paths.home() / "studies"


def sessions(study: str) -> list[Session]:
    """All sessions of a study that are in `folder()`; none where nobody has rated.

    Raises SmisError for a file that is no session, for one with another number of trials than its protocol says, and for two
    of one rater.
    """
    found: dict[str, Path] = {}
    read = []
    for path in sorted(folder().glob("*.json")):
        session = _read(path)
        if session.study != study:
            continue
        if len(session.answers) != session.protocol.trials:
            raise SmisError(f"{path} has {len(session.answers)} answers, its protocol {session.protocol.trials} trials.")
        if session.rater in found:
            raise SmisError(f"{path} and {found[session.rater]} are both of rater {session.rater!r}: keep one.")
        found[session.rater] = path
        read.append(session)
    return read


def score(sessions: list[Session], *, n_boot: int = 1000, seed: int = 0) -> dict[str, Measurement]:
    """Model -> share of trials, in %, in which its image was taken for the real one, with an interval over raters.

    Raises SmisError when the sessions are of different protocols, or of fewer than two raters.
    """
    protocols = {session.protocol for session in sessions}
    if len(protocols) > 1:
        raise SmisError(f"sessions of different protocols cannot be counted together: {', '.join(map(str, protocols))}.")
    weights = bootstrap_weights(len(sessions), n_boot, seed)
    described = {**asdict(protocols.pop()), "raters": len(sessions), "seed": seed}
    scores = {}
    for model in sorted({answer.model for session in sessions for answer in session.answers}):
        given = [[answer.real for answer in session.answers if answer.model == model] for session in sessions]
        asked, real = np.array([len(row) for row in given]), np.array([sum(row) for row in given])
        value, resampled = 100 * real.sum() / asked.sum(), 100 * (weights @ real) / (weights @ asked)
        scores[model] = Measurement(
            "Real", float(value), {**described, "trials of it": int(asked.sum())}, **uncertainty(resampled)
        )
    return scores


def table(study: str, rows: dict[str, str]) -> dict[str, str]:
    """Row name -> its score with its interval, or "no study"; `rows` maps a model to its row."""
    rated = sessions(study)
    scores = score(rated) if len(rated) > 1 else {}
    return {name: _shown(scores.get(model)) for model, name in rows.items()}


def beside(printed: dict, rated: dict[str, str]) -> pd.DataFrame:
    """What a paper prints of a study, and in the last column our scores by its row names."""
    table = pd.DataFrame.from_dict(printed["rows"], orient="index", columns=printed["columns"]).astype(str)
    table["here"] = [rated.get(row, "–") for row in table.index]
    return table


def _shown(found: Measurement | None) -> str:
    if found is None:
        return "no study"
    low, high = found.interval
    return f"{found.value:.1f} % [{low:.1f}, {high:.1f}]"


def _read(path: Path) -> Session:
    try:
        body = json.loads(path.read_text("utf-8"))
        answers = tuple(config.from_dict(Answer, answer) for answer in body["answers"])
        return Session(body["study"], body["rater"], config.from_dict(RealVsFake, body["protocol"]), answers)
    except (json.JSONDecodeError, KeyError, TypeError, SmisError) as error:
        raise SmisError(f"{path} is not a session of a study ({error}): see the top of smislib/study.py for its form.") from error
