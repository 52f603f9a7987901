"""Claims as checks over results: what the papers say in words, tested on our records with their intervals.

A check has three values: True or False where the intervals decide it, None where they overlap or where a record is
missing. Checks combine by Kleene's logic: one False decides an "all", one True an "any", whatever is open elsewhere.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from .errors import SmisError
from .metrics import METRICS
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


def better(cells: Cells, metric: str, a: str, b: str) -> Truth:
    """Whether a is better than b, in the metric's own direction."""
    return exceeds(cells, metric, *((a, b) if METRICS[metric].better == "up" else (b, a)))


def level(cells: Cells, metric: str, a: str, b: str) -> Truth:
    """Whether each of two values lies within the other's interval."""
    x, y = estimate(cells, metric, a), estimate(cells, metric, b)
    return None if x is None or y is None else x.low <= y.value <= x.high and y.low <= x.value <= y.high


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


# SMIS 4.4.2: where GroupDNet is about level with SPADE (DeepFashion, Cityscapes) and where below it (ADE20K), which it shares
# with the data sets that stand in for them. That both beat the multi-modal baselines is this project's reading.
MANY_CLASSES = ("ade20k", "rooms")


def smis_table_2(cells: Mapping[str, Cells], suffix: str = "") -> pd.DataFrame:
    """What is said about SMIS Table 2, for each metric: data set -> its cells; statement, both values, verdict."""
    rows = []
    for name, of in cells.items():
        checks: list[tuple[str, str, Callable, str]]
        if name in MANY_CLASSES:
            checks = [("spade", "better than", better, "groupdnet")]
            checks += [("groupdnet", "better than", better, other) for other in (*WHOLE_IMAGE, "pix2pixhd")]
        else:
            checks = [("groupdnet", "level with", level, "spade")]
            checks += [(ours, "better than", better, other) for ours in ("groupdnet", "spade") for other in WHOLE_IMAGE]
        for metric in (f"{metric}{suffix}" for metric in ("mIoU", "Acc", "FID")):
            rows += [
                {
                    "data": name,
                    "metric": metric,
                    "statement": f"{MODELS[a].title} {relation} {MODELS[b].title}",
                    "found": f"{estimate(of, metric, a) or 'not run'} | {estimate(of, metric, b) or 'not run'}",
                    "verdict": VERDICTS[check(of, metric, a, b)],
                }
                for a, relation, check, b in checks
            ]
    return pd.DataFrame(rows)


# The statements of SMIS appendix D: (row, metric, whether the row's value is then above GroupDNet's).
_WORSE = {"FID": True, "mCSD": False, "mOCD": True, "LPIPS": False}
SMIS_TABLE_3: tuple[tuple[str, dict[str, bool]], ...] = (
    ("groupdnet_whole", {k: _WORSE[k] for k in ("FID", "mCSD", "mOCD")}),
    ("groupdnet_vector", {k: _WORSE[k] for k in ("FID", "mCSD", "mOCD")}),
    ("groupdnet_groupnorm", _WORSE),
    ("groupdnet_unsynced", _WORSE),
    ("groupdnet_free", {"mOCD": True, "mCSD": True, "LPIPS": True}),
)
MOST = ("groupdnet_groupnorm", "groupdnet_unsynced")  # "on most metrics": more than half of them


def smis_table_3(cells: Cells, suffix: str = "") -> pd.DataFrame:
    """What SMIS appendix D says about Table 3, metric by metric: the quotient of the row and GroupDNet, verdict.

    Where GroupDNet's own codes are vectors (below `paper`), GroupDNet is the row without maps, and is compared with the row
    that has them.
    """
    rows = []
    for row, directions in SMIS_TABLE_3:
        without, whole = row, "groupdnet"
        if row == "groupdnet_vector" and not any(model == row for model, _ in cells):
            without, whole = "groupdnet", "groupdnet_maps"
        truths = []
        for metric, above in directions.items():
            name = metric + suffix
            truths.append(exceeds(cells, name, *((without, whole) if above else (whole, without))))
            rows.append(
                {
                    "row": MODELS[row].title,
                    "metric": name,
                    "the paper": "higher" if above else "lower",
                    "quotient": str(quotient(cells, name, without, whole) or "not run"),
                    "verdict": VERDICTS[truths[-1]],
                }
            )
        if row in MOST:
            most = _most(truths)
            said = {"row": MODELS[row].title, "metric": "most of these", "the paper": "worse", "quotient": ""}
            rows.append({**said, "verdict": VERDICTS[most]})
    return pd.DataFrame(rows)


def _most(truths: list[Truth]) -> Truth:
    """Whether more than half are true, whatever the open ones turn out to be."""
    if sum(t is True for t in truths) * 2 > len(truths):
        return True
    return False if sum(t is not False for t in truths) * 2 <= len(truths) else None
