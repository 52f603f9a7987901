"""What SMIS (2003.12697) says about its Tables 1 to 3, each statement as a check."""

from collections.abc import Callable, Mapping

import pandas as pd

from ..errors import SmisError
from ..models import MODELS
from ..results import published
from .logic import OUTCOMES, VERDICTS, Cells, Truth, better, estimate, every, exceeds, level, most, quotient, some

GROUPED_ENCODER, PLAIN_ENCODER = ("mulnet", "groupnet", "groupenc", "groupdnet"), ("groupdec", "vspade")
WHOLE_IMAGE = ("bicyclegan", "dscgan")  # baselines with a code of the whole image

# The statements of SMIS 4.4.1, in the order of results/published: how we read the words, and the test. `m` completes a
# metric's name ("FID" -> "FID[embedded]"); a row or a metric that nobody measured leaves its claim undecided.
Test = Callable[[Cells, Callable[[str], str]], Truth]
TABLE_1: tuple[tuple[str, Test], ...] = (
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
    ("GroupDNet's SHE above MulNet's; a human study", lambda t, m: exceeds(t, "SHE", "groupdnet", "mulnet")),
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


def table_1(cells: Cells, suffix: str = "") -> pd.DataFrame:
    """The statements about SMIS Table 1: claim, tested as, verdict. `suffix` of the metrics, e.g. "[embedded]"."""
    statements = published("SMIS_2003.12697", "table_1")["ordering_stated_in_text"]
    if len(statements) != len(TABLE_1):
        raise SmisError(f"{len(statements)} statements about Table 1 but {len(TABLE_1)} tests: write what is missing.")
    rows = [
        {"claim": claim, "tested as": reading, "verdict": VERDICTS[test(cells, lambda name: name + suffix)]}
        for claim, (reading, test) in zip(statements, TABLE_1, strict=True)
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


def table_2(cells: Mapping[str, Cells], suffix: str = "") -> pd.DataFrame:
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
TABLE_3: tuple[tuple[str, dict[str, bool]], ...] = (
    ("groupdnet_whole", {k: _WORSE[k] for k in ("FID", "mCSD", "mOCD")}),
    ("groupdnet_vector", {k: _WORSE[k] for k in ("FID", "mCSD", "mOCD")}),
    ("groupdnet_groupnorm", _WORSE),
    ("groupdnet_unsynced", _WORSE),
    ("groupdnet_free", {"mOCD": True, "mCSD": True, "LPIPS": True}),
)
BY_MAJORITY = ("groupdnet_groupnorm", "groupdnet_unsynced")  # "on most metrics": more than half of them


def table_3(cells: Cells, suffix: str = "") -> pd.DataFrame:
    """What SMIS appendix D says about Table 3, metric by metric: the quotient of the row and GroupDNet, verdict.

    Where GroupDNet's own codes are vectors (below `paper`), GroupDNet is the row without maps, and is compared with the row
    that has them.
    """
    rows = []
    for row, directions in TABLE_3:
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
        if row in BY_MAJORITY:
            worse = most(truths)
            said = {"row": MODELS[row].title, "metric": "most of these", "the paper": "worse", "quotient": ""}
            rows.append({**said, "verdict": VERDICTS[worse]})
    return pd.DataFrame(rows)
