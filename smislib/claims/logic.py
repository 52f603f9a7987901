"""Claims as checks over results: the three-valued logic in which records with intervals answer statements.

A check has three values: True or False where the intervals decide it, None where they overlap or where a record is
missing. Checks combine by Kleene's logic: one False decides an "all", one True an "any", whatever is open elsewhere.

Intervals are bootstraps: over the images of one training, over trainings and images where there are several seeds. Two values
differ where their intervals do not meet. That is stricter than an interval of their difference, on purpose: a row is often
one training, and images do not tell how another one would have gone.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from .. import provenance
from ..metrics import METRICS
from ..models import MODELS
from ..results import Cell, Record, significant

Truth = bool | None
Cells = Mapping[tuple[str, str], Cell]  # (model, metric) -> cell, as `results.cells` makes them
Name = Callable[[str], str]  # "FID" -> "FID[embedded]" where that is the metric which was measured
Test = Callable[[Cells, Name], Truth]
RESAMPLES = 4000
MARGIN = 0.1  # a share of the value that counts for nothing, where a paper calls two results alike

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


def estimate(cells: Cells, metric: str, model: str) -> Estimate | None:
    """A cell with its interval; None where it was not measured, or has no interval."""
    cell = cells.get((model, metric))
    if cell is None:
        return None
    interval = bootstrap(cell.records)
    return Estimate(cell.value, *interval, cell.records) if interval else None


def bootstrap(records: Sequence[Record]) -> tuple[float, float] | None:
    """The 95 % interval of the mean over seeds: of one record its own, which is over images; None where it has none.

    Of several, seeds are drawn with replacement, and for each that is drawn images, from its record's interval. Deviations
    between seeds are scaled by sqrt(n/(n-1)): few seeds resampled as they are vary less than trainings do (Davison & Hinkley
    1997, 2.4). None of our metrics can be negative, nor is an end of their interval.
    """
    if len(records) == 1:
        interval = records[0].interval
        return (interval[0], interval[1]) if interval else None
    values, n = np.array([r.value for r in records]), len(records)
    ends = np.array([r.interval or (r.value, r.value) for r in records])  # a count of one seed has no images to draw
    low, high = (np.abs(ends - values[:, None]) / 1.96).T
    rng = np.random.default_rng(0)
    drawn, z = rng.integers(n, size=(RESAMPLES, n)), rng.standard_normal((RESAMPLES, n))
    of_images = z * np.where(z < 0, low[drawn], high[drawn])
    of_seeds = (values - values.mean())[drawn] * np.sqrt(n / (n - 1))
    low_end, high_end = np.quantile(values.mean() + (of_seeds + of_images).mean(1), (0.025, 0.975))
    return max(float(low_end), min(0.0, float(values.min()))), float(high_end)


def quotient(cells: Cells, metric: str, a: str, b: str) -> Estimate | None:
    """How many times b's value a's is. From the ends of both intervals, so wider than a 95 % interval of its own."""
    x, y = estimate(cells, metric, a), estimate(cells, metric, b)
    if x is None or y is None:
        return None
    with np.errstate(divide="ignore", invalid="ignore"):
        ends = [float(np.divide(p, q)) for p, q in ((x.value, y.value), (x.low, y.high), (x.high, y.low))]
    return Estimate(*ends, x.records + y.records)


def exceeds(cells: Cells, metric: str, a: str, b: str, times: float = 1.0) -> Truth:
    """Whether a's value is more than `times` b's."""
    found = quotient(cells, metric, a, b)
    return found.above(times) if found else None


def better(cells: Cells, metric: str, a: str, b: str) -> Truth:
    """Whether a is better than b, in the metric's own direction."""
    return exceeds(cells, metric, *((a, b) if METRICS[metric].better == "up" else (b, a)))


def no_worse(cells: Cells, metric: str, a: str, b: str) -> Truth:
    """Whether a is about as good as b at least: not where b is better, surely where a misses less than `MARGIN` of it.

    Open in between: intervals so wide that they meet do not make two values alike.
    """
    missing = quotient(cells, metric, *((b, a) if METRICS[metric].better == "up" else (a, b)))
    if missing is None:
        return None
    return False if missing.low > 1 else True if missing.high < 1 + MARGIN else None


def level(cells: Cells, metric: str, a: str, b: str) -> Truth:
    """Whether neither of two is worse than the other."""
    return every([no_worse(cells, metric, a, b), no_worse(cells, metric, b, a)])


BETTER, LEVEL, NO_WORSE = "better than", "level with", "no worse than"
RELATIONS: dict[str, Callable[[Cells, str, str, str], Truth]] = {BETTER: better, LEVEL: level, NO_WORSE: no_worse}
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
