"""Claims as checks over results: what the papers say in words, tested on our records with their intervals.

A check has three values: True or False where the intervals decide it, None where they overlap or where a record is
missing. Checks combine by Kleene's logic: one False decides an "all", one True an "any", whatever is open elsewhere.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from .errors import SmisError
from .models import MODELS
from .results import Cell, published, significant

Truth = bool | None
Cells = Mapping[tuple[str, str], Cell]  # (model, metric) -> cell, as `results.cells` makes them

GROUPED_ENCODER, PLAIN_ENCODER = ("mulnet", "groupnet", "groupenc", "groupdnet"), ("groupdec", "vspade")
WHOLE_IMAGE = ("bicyclegan", "dscgan")  # baselines with a code of the whole image
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


def every(truths: Iterable[Truth]) -> Truth:
    """True if all are, False if one is, else None."""
    truths = list(truths)
    return False if False in truths else None if None in truths else True


def some(truths: Iterable[Truth]) -> Truth:
    """True if one is, False if all are, else None."""
    truths = list(truths)
    return True if True in truths else None if None in truths else False


# The statements of SMIS 4.4.1, in the order of results/published: how we read the words, and the test. `m` completes a
# metric's name ("FID" -> "FID[embedded]"); a row or a metric that nobody measured leaves its claim undecided.
Test = Callable[[Cells, Callable[[str], str]], Truth]
SMIS_TABLE_1: tuple[tuple[str, Test], ...] = (
    (
        "FID below, LPIPS above that of every other row",
        lambda t, m: every(
            truth
            for other in (*GROUPED_ENCODER[:3], *PLAIN_ENCODER, *WHOLE_IMAGE)
            for truth in (exceeds(t, m("FID"), other, "groupdnet"), exceeds(t, m("LPIPS"), "groupdnet", other))
        ),
    ),
    (
        "for both: mCSD above or mOCD below GroupDNet's, and FID above it",
        lambda t, m: every(
            truth
            for row in ("mulnet", "groupnet")
            for truth in (
                some([exceeds(t, m("mCSD"), row, "groupdnet"), exceeds(t, m("mOCD"), "groupdnet", row)]),
                exceeds(t, m("FID"), row, "groupdnet"),
            )
        ),
    ),
    (
        "GroupDNet's FPS more than twice MulNet's; ours runs MulNet as groups of one call, and FPS has no interval",
        lambda t, m: exceeds(t, "FPS", "groupdnet", "mulnet", 2),
    ),
    ("a human study, not run", lambda t, m: exceeds(t, "SHE", "groupdnet", "mulnet")),
    (
        "all three: mCSD and mOCD above GroupDNet's",
        lambda t, m: every(
            exceeds(t, m(metric), row, "groupdnet") for row in ("vspade", *WHOLE_IMAGE) for metric in ("mCSD", "mOCD")
        ),
    ),
    (
        "VSPADE's FID below both",
        lambda t, m: every(exceeds(t, m("FID"), row, "vspade") for row in WHOLE_IMAGE),
    ),
    (
        "mOCD of both above that of every row with a grouped encoder",
        lambda t, m: every(exceeds(t, m("mOCD"), plain, row) for plain in PLAIN_ENCODER for row in GROUPED_ENCODER),
    ),
    ("mCSD/mOCD above GroupEnc's", lambda t, m: exceeds(t, m("mCSD/mOCD"), "groupdnet", "groupenc")),
)


def smis_table_1(cells: Cells, suffix: str = "") -> pd.DataFrame:
    """The statements about SMIS Table 1: claim, tested as, verdict. `suffix` of the metrics, e.g. "[embedded]"."""
    statements = published("SMIS_2003.12697", "table_1")["ordering_stated_in_text"]
    if len(statements) != len(SMIS_TABLE_1):
        raise SmisError(f"{len(statements)} statements about Table 1 but {len(SMIS_TABLE_1)} tests: write what is missing.")
    rows = [
        {"claim": claim, "tested as": reading, "verdict": VERDICTS[test(cells, lambda name: name + suffix)]}
        for claim, (reading, test) in zip(statements, SMIS_TABLE_1, strict=True)
    ]
    return pd.DataFrame(rows)


def class_control_targets(cells: Cells, suffix: str = "") -> pd.DataFrame:
    """This project's own targets for Table 1, on mCSD/mOCD, mOCD and FID: target, found, met or not."""
    metric = f"mCSD/mOCD{suffix}"
    wanted = [("GroupDNet at least 5", estimate(cells, metric, "groupdnet"), 5.0)]
    wanted.append(("GroupDNet at least 3 times VSPADE", quotient(cells, metric, "groupdnet", "vspade"), 3.0))
    for row in ("groupenc", "groupnet", "mulnet"):
        wanted += [
            (f"{MODELS[row].title} above {MODELS[plain].title} (quotient above 1)", quotient(cells, metric, row, plain), 1.0)
            for plain in PLAIN_ENCODER
        ]
    for row in (*WHOLE_IMAGE, *PLAIN_ENCODER):
        found = quotient(cells, f"mOCD{suffix}", row, "groupdnet")
        wanted.append((f"mOCD of {MODELS[row].title} at least twice GroupDNet's", found, 2.0))
    for row in ("mulnet", "groupnet"):
        found = quotient(cells, f"FID{suffix}", row, "groupdnet")
        wanted.append((f"FID of {MODELS[row].title} above GroupDNet's (quotient above 1)", found, 1.0))
    rows = [
        {"target": text, "found": str(found or "not run"), "outcome": OUTCOMES[found and found.above(bound)]}
        for text, found, bound in wanted
    ]
    return pd.DataFrame(rows)
