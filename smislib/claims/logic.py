"""Claims as checks over results: the three-valued logic in which records with intervals answer statements.

A check has three values: True or False where the intervals decide it, None where they overlap or where a record is
missing. Checks combine by Kleene's logic: one False decides an "all", one True an "any", whatever is open elsewhere.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from ..metrics import METRICS
from ..results import Cell, significant

Truth = bool | None
Cells = Mapping[tuple[str, str], Cell]  # (model, metric) -> cell, as `results.cells` makes them

VERDICTS = {True: "reproduced", False: "not reproduced", None: "not decidable"}
OUTCOMES = {True: "met", False: "not met", None: "not decidable"}


@dataclass(frozen=True)
class Estimate:
    """A value and its 95 % interval."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{significant(self.value)} [{significant(self.low)}, {significant(self.high)}]"

    def above(self, bound: float) -> Truth:
        """Whether the quantity is above `bound`: decided where the whole interval is on one side."""
        return True if self.low > bound else False if self.high < bound else None


def estimate(cells: Cells, metric: str, model: str) -> Estimate | None:
    """A cell with its interval; None where it was not measured, or has no interval."""
    cell = cells.get((model, metric))
    return Estimate(cell.value, *cell.interval) if cell and cell.interval else None


def quotient(cells: Cells, metric: str, a: str, b: str) -> Estimate | None:
    """How many times b's value a's is. From the ends of both intervals, so wider than a 95 % interval of its own."""
    x, y = estimate(cells, metric, a), estimate(cells, metric, b)
    if x is None or y is None:
        return None
    with np.errstate(divide="ignore", invalid="ignore"):
        return Estimate(*(float(np.divide(p, q)) for p, q in ((x.value, y.value), (x.low, y.high), (x.high, y.low))))


def exceeds(cells: Cells, metric: str, a: str, b: str, times: float = 1.0) -> Truth:
    """Whether a's value is more than `times` b's."""
    found = quotient(cells, metric, a, b)
    return found and found.above(times)


def better(cells: Cells, metric: str, a: str, b: str) -> Truth:
    """Whether a is better than b, in the metric's own direction."""
    return exceeds(cells, metric, *((a, b) if METRICS[metric].better == "up" else (b, a)))


def level(cells: Cells, metric: str, a: str, b: str) -> Truth:
    """Whether each of two values lies within the other's interval."""
    x, y = estimate(cells, metric, a), estimate(cells, metric, b)
    return None if x is None or y is None else x.low <= y.value <= x.high and y.low <= x.value <= y.high


def no_worse(cells: Cells, metric: str, a: str, b: str) -> Truth:
    """Whether a is better than b or level with it."""
    return some([better(cells, metric, a, b), level(cells, metric, a, b)])


BETTER, LEVEL, NO_WORSE = "better than", "level with", "no worse than"
RELATIONS: dict[str, Callable[[Cells, str, str, str], Truth]] = {BETTER: better, LEVEL: level, NO_WORSE: no_worse}


def found(cells: Cells, metric: str, *models: str) -> str:
    """The estimates of models, as a statement about them prints what it found."""
    return " | ".join(str(estimate(cells, metric, model) or "not run") for model in models)


def every(truths: Iterable[Truth]) -> Truth:
    """True if all are, False if one is, else None."""
    truths = list(truths)
    return False if False in truths else None if None in truths else True


def some(truths: Iterable[Truth]) -> Truth:
    """True if one is, False if all are, else None."""
    truths = list(truths)
    return True if True in truths else None if None in truths else False


def most(truths: list[Truth]) -> Truth:
    """Whether more than half are true, whatever the open ones turn out to be."""
    if sum(t is True for t in truths) * 2 > len(truths):
        return True
    return False if sum(t is not False for t in truths) * 2 <= len(truths) else None
