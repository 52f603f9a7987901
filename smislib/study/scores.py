"""From answers to the tables: scores with intervals, agreement, records.

Only finished sessions count. The score of a model is the share of its counted trials, in %, that count for it: "yes" to SHE, the
real image taken for the generated one in real-vs-fake (50 % is chance). The 95 % interval is a Bayesian bootstrap over raters;
of a single rater it is over the questions, and its protocol says so.
"""

import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from .. import results
from ..config import Experiment
from ..metrics import Measurement, bootstrap_weights, uncertainty
from ..results import Record
from ..versions import versions
from .answers import Session, sessions
from .protocol import Study, studies


@dataclass(frozen=True)
class Agreement:
    """Of raters who answered the same questions: the share of pairs of raters that agree, and Fleiss' kappa.

    Kappa is that share beyond what chance gives to the answers' overall shares: 1 for full agreement, 0 for chance; None where
    all gave one answer to everything, which chance then does too.
    """

    observed: float
    kappa: float | None


def agreement(counts: np.ndarray) -> Agreement:
    """`counts` (questions, answers): how many of the raters, equally many for each question, gave each answer (Fleiss 1971)."""
    n = counts.sum(1)[0]
    if n < 2 or (counts.sum(1) != n).any():
        raise ValueError(f"agreement is of 2 or more raters, equally many for each question, found {sorted(set(counts.sum(1)))}")
    observed = float(((counts * (counts - 1)).sum(1) / (n * (n - 1))).mean())
    chance = float((counts.mean(0) / n) @ (counts.mean(0) / n))
    return Agreement(observed, None if chance == 1 else (observed - chance) / (1 - chance))


def score(study: Study, *, n_boot: int = 1000, seed: int = 0) -> dict[str, Measurement]:
    """Model -> its score in %, of the models that have a finished session."""
    return {model: _measured(study, rated, n_boot, seed) for model, rated in _by_model(study).items()}


def records(metric: str, experiments: Iterable[Experiment], *, n_boot: int = 1000, seed: int = 0) -> list[Record]:
    """The scores "SHE" or "Real" that any study has of these very experiments, for the columns of a table."""
    wanted, found = {e.hash for e in experiments}, []
    for study in studies():
        asked = [s for s in study.sources if s.experiment in wanted] if study.protocol.metric == metric else []
        rated = _by_model(study) if asked else {}
        for source in asked:
            if source.model in rated:
                measured = _measured(study, rated[source.model], n_boot, seed)
                found.append(_record(study, source, rated[source.model], measured))
    return found


def table(metric: str, rows: dict[str, Experiment]) -> dict[str, str]:
    """Row name -> the score of its experiment with its interval, or "no study"."""
    cells = results.cells(records(metric, rows.values()), [e.model for e in rows.values()], [metric])
    return {name: _shown(cells.get((e.model, metric))) for name, e in rows.items()}


def beside(printed: dict, rated: dict[str, str]) -> pd.DataFrame:
    """What a paper prints of a study, said to be published, and in the last column our scores by its row names."""
    rows = printed["rows"]
    table = pd.DataFrame(
        {
            f"{re.sub('pm$', '±', column)}, published": [results.published_cell(printed, row, column) for row in rows]
            for column in printed["columns"]
        },
        index=list(rows),
    )
    table["here"] = [rated.get(row, "–") for row in table.index]
    return table


def _by_model(study: Study) -> dict[str, list[Session]]:
    rated = defaultdict(list)
    for session in sessions(study):
        if session.finished:
            rated[session.model].append(session)
    return dict(rated)


def _measured(study: Study, rated: list[Session], n_boot: int, seed: int) -> Measurement:
    counted = np.array([session.scored() for session in rated], dtype=float)  # (raters, questions)
    over = counted.mean(1) if len(rated) > 1 else counted[0]
    told = agreement(np.stack([(counted == 0).sum(0), (counted == 1).sum(0)], axis=1)) if len(rated) > 1 else None
    p = study.protocol
    protocol = {
        "trials": p.trials,
        "practice": p.practice,
        "display_seconds": p.display_seconds,
        "n_boot": n_boot,
        "seed": seed,
        "raters": len(rated),
        "resampled": "raters" if len(rated) > 1 else "questions",
        "agreement": told and told.observed,
        "kappa": told and told.kappa,
    }
    spread = uncertainty(100 * (bootstrap_weights(len(over), n_boot, seed) @ over)) if len(over) > 1 else {}
    return Measurement(p.metric, 100 * float(counted.mean()), protocol, **spread)


def _record(study: Study, source, rated: list[Session], measured: Measurement) -> Record:
    return Record(
        metric=measured.metric,
        value=measured.value,
        protocol=measured.protocol,
        model=source.model,
        data=study.data,
        preset=study.preset,
        seed=source.seed,
        experiment=source.experiment,
        weights=source.weights,
        interval=measured.interval,
        spread=measured.spread,
        device="people",
        versions=versions(),
        date=max(session.date for session in rated),
        seconds=round(sum(answer.seconds or 0 for session in rated for answer in session.answers), 2),
    )


def _shown(cell: results.Cell | None) -> str:
    if cell is None:
        return "no study"
    low, high = cell.interval or (np.nan, np.nan)
    return f"{cell.value:.1f} % [{low:.1f}, {high:.1f}]"
