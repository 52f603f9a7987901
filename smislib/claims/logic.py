"""Claims as checks over results: the three-valued logic in which records with intervals answer statements.

A check has three values: True or False where the intervals decide it, None where they overlap or where a record is
missing. Checks combine by Kleene's logic: one False decides an "all", one True an "any", whatever is open elsewhere.

Intervals are of 95 %. Those of one training are bootstraps over images. Trainings are few, and a bootstrap of three is too
narrow, so several seeds have Student's t; what the images add is the same for all seeds, which are measured on the same ones.
Two values differ where the interval of their quotient, by Fieller, leaves out 1.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np
from scipy.special import stdtrit

from .. import provenance
from ..metrics import METRICS
from ..models import MODELS
from ..results import Cell, Record, significant

Truth = bool | None
Cells = Mapping[tuple[str, str], Cell]  # (model, metric) -> cell, as `results.cells` makes them
Name = Callable[[str], str]  # "FID" -> "FID[embedded]" where that is the metric which was measured
Test = Callable[[Cells, Name], Truth]
MARGIN = 0.1  # a share of the value that counts for nothing, where a paper calls two results alike
FAR = 1.5  # times the value, where a paper calls one result far from another

VERDICTS = {True: "reproduced", False: "not reproduced", None: "not decidable"}
OUTCOMES = {True: "met", False: "not met", None: "not decidable"}


@dataclass(frozen=True)
class Estimate:
    """A value and its 95 % interval, and the records that they are of."""

    value: float
    low: float
    high: float
    records: tuple[Record, ...] = field(default=(), compare=False, repr=False)

    def __str__(self) -> str:
        text = f"{significant(self.value)} [{significant(self.low)}, {significant(self.high)}]"
        return provenance.note(text, self.records)

    def above(self, bound: float) -> Truth:
        """Whether the quantity is above `bound`: decided where the whole interval is on one side."""
        return True if self.low > bound else False if self.high < bound else None


@dataclass(frozen=True)
class _Mean:
    """A mean over seeds; the variance that it has of seeds, by so many degrees of freedom; how far its images let it vary."""

    value: float
    of_seeds: float
    degrees: int
    of_images: float

    def reach(self, t: float) -> float:
        """The square of half its interval, where seeds have Student's t."""
        return t**2 * self.of_seeds + self.of_images**2


def _mean(records: Sequence[Record]) -> _Mean | None:
    """None where the spread is not known: of no record, or of one without an interval."""
    values, n = np.array([r.value for r in records]), len(records)
    halves = [(r.interval[1] - r.interval[0]) / 2 for r in records if r.interval]
    if n == 0 or (n == 1 and not halves):
        return None
    of_seeds = float(values.var(ddof=1)) / n if n > 1 else 0.0
    return _Mean(float(values.mean()), of_seeds, max(1, n - 1), float(np.mean(halves or 0)))


def _t(*means: _Mean) -> float:
    """Student's t of 95 % for the sum of what means vary between seeds; degrees of freedom by Welch and Satterthwaite."""
    few = sum(m.of_seeds**2 / m.degrees for m in means)
    return float(stdtrit(sum(m.of_seeds for m in means) ** 2 / few, 0.975)) if few else 0.0


def estimate(cells: Cells, metric: str, model: str) -> Estimate | None:
    """A cell with its interval; None where it was not measured, or has no interval."""
    cell = cells.get((model, metric))
    if cell is None:
        return None
    interval = interval_of(cell.records)
    return Estimate(cell.value, *interval, cell.records) if interval else None


def interval_of(records: Sequence[Record]) -> tuple[float, float] | None:
    """The 95 % interval of the mean over seeds; of one record its own, which is over images; None where it has none.

    None of our metrics can be negative, nor is an end of their interval.
    """
    if len(records) == 1:
        return (records[0].interval[0], records[0].interval[1]) if records[0].interval else None
    mean = _mean(records)
    if mean is None:
        return None
    half = mean.reach(_t(mean)) ** 0.5
    return max(mean.value - half, min(0.0, *(r.value for r in records))), mean.value + half


def quotient(cells: Cells, metric: str, a: str, b: str) -> Estimate | None:
    """How many times b's value a's is, with the interval of a quotient of means, which are not negative (Fieller 1954).

    Both may be measured on the same images, which would make their quotient surer than two samples do: that is not counted.
    """
    records = [cell.records if (cell := cells.get((model, metric))) else () for model in (a, b)]
    x, y = map(_mean, records)
    if x is None or y is None:
        return None
    sure_x, sure_y = (m.value**2 - m.reach(_t(x, y)) for m in (x, y))  # above 0 where a mean is above 0 for sure
    both = x.value * y.value
    far = both + max(0.0, both**2 - sure_x * sure_y) ** 0.5
    with np.errstate(divide="ignore", invalid="ignore"):
        value, low, high = (float(np.divide(*of)) for of in ((x.value, y.value), (sure_x, far), (far, sure_y)))
    low, high = low if sure_x > 0 else 0.0, high if sure_y > 0 else float("inf")
    return Estimate(value, low, high, records[0] + records[1])


def exceeds(cells: Cells, metric: str, a: str, b: str, times: float = 1.0) -> Truth:
    """Whether a's value is more than `times` b's."""
    found = quotient(cells, metric, a, b)
    return found.above(times) if found else None


def better(cells: Cells, metric: str, a: str, b: str, times: float = 1.0) -> Truth:
    """Whether a is better than b, by more than `times`, in the metric's own direction."""
    return exceeds(cells, metric, *((a, b) if METRICS[metric].better == "up" else (b, a)), times)


def no_worse(cells: Cells, metric: str, a: str, b: str) -> Truth:
    """Whether a misses b's value by less than `MARGIN` of it.

    Open where the interval has both sides of that: intervals so wide that they meet do not make two values alike.
    """
    missing = quotient(cells, metric, *((b, a) if METRICS[metric].better == "up" else (a, b)))
    if missing is None:
        return None
    beyond = missing.above(1 + MARGIN)
    return None if beyond is None else not beyond


def level(cells: Cells, metric: str, a: str, b: str) -> Truth:
    """Whether neither of two is worse than the other by `MARGIN`."""
    return every([no_worse(cells, metric, a, b), no_worse(cells, metric, b, a)])


BETTER, FAR_BETTER, LEVEL, NO_WORSE = "better than", "far better than", "level with", "no worse than"
RELATIONS: dict[str, Callable[[Cells, str, str, str], Truth]] = {
    BETTER: better,
    FAR_BETTER: partial(better, times=FAR),
    LEVEL: level,
    NO_WORSE: no_worse,
}
Comparison = tuple[str, str, str]  # (model, relation, model)


@dataclass(frozen=True)
class Claim:
    """One sentence of ours about what a paper says, and its test. The records that it needs are those its test looks up."""

    paper: str  # a key of papers.CITED
    where: str  # section, table or figure
    text: str
    data: str  # what the records are of
    tested_as: str  # how the words are read
    test: Test
    reading: str = "masked"  # of diversity: see `results.in_reading`

    @property
    def sentence(self) -> str:
        """The text from its capital to its full stop."""
        return f"{self.text[0].upper()}{self.text[1:].rstrip('.')}."


def comparing(*comparisons: Comparison, metrics: Sequence[str]) -> tuple[str, Test]:
    """`tested_as` and `test` of a claim that holds when all comparisons do, in all metrics."""
    said = "; ".join(f"{MODELS[a].title} {relation} {MODELS[b].title}" for a, relation, b in comparisons)
    return f"{', '.join(metrics)}: {said}", lambda cells, name: every(
        RELATIONS[relation](cells, name(metric), a, b) for metric in metrics for a, relation, b in comparisons
    )


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
