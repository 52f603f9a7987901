"""What SMIS (2003.12697) says about its Tables 1 to 3, each statement as a check."""

from collections.abc import Mapping

import pandas as pd

from ..errors import SmisError
from ..models import MODELS
from ..results import published
from .logic import (
    BETTER,
    FAR,
    LEVEL,
    OUTCOMES,
    RELATIONS,
    VERDICTS,
    Cells,
    Claim,
    Comparison,
    Name,
    Test,
    Truth,
    comparing,
    estimate,
    every,
    exceeds,
    found,
    most,
    no_worse,
    quotient,
    some,
)

GROUPED_ENCODER, PLAIN_ENCODER = ("mulnet", "groupnet", "groupenc", "groupdnet"), ("groupdec", "vspade")
WHOLE_IMAGE = ("bicyclegan", "dscgan")  # baselines with a code of the whole image

# The statements of SMIS 4.4.1, in the order of results/published: how we read the words, and the test. `m` completes a
# metric's name ("FID" -> "FID[embedded]"); a row or a metric that nobody measured leaves its claim undecided.
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
        f"GroupDNet's FPS more than {FAR} times MulNet's; FPS has an interval over seeds alone",
        lambda t, m: exceeds(t, "FPS", "groupdnet", "mulnet", FAR),
    ),
    (
        "SHE: GroupDNet no worse than MulNet and GroupNet; a human study",
        lambda t, m: every(no_worse(t, "SHE", "groupdnet", row) for row in ("mulnet", "groupnet")),
    ),
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
    rows = [
        {"claim": said, "tested as": reading, "verdict": VERDICTS[test(cells, lambda name: name + suffix)]}
        for said, reading, test in _about_table_1()
    ]
    return pd.DataFrame(rows)


def _about_table_1() -> list[tuple[str, str, Test]]:
    """(what is said, how we read it, the test)."""
    statements = published("SMIS_2003.12697", "table_1")["ordering_stated_in_text"]
    if len(statements) != len(TABLE_1):
        raise SmisError(f"{len(statements)} statements about Table 1 but {len(TABLE_1)} tests: write what is missing.")
    return [(said, reading, test) for said, (reading, test) in zip(statements, TABLE_1, strict=True)]


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
        times = quotient(cells, f"mOCD{suffix}", row, "groupdnet")
        wanted.append((f"mOCD of {MODELS[row].title} at least twice GroupDNet's", times, 2.0))
    for row in ("mulnet", "groupnet"):
        times = quotient(cells, f"FID{suffix}", row, "groupdnet")
        wanted.append((f"FID of {MODELS[row].title} above GroupDNet's (quotient above 1)", times, 1.0))
    rows = [
        {"target": text, "found": str(of or "not run"), "outcome": OUTCOMES[of.above(bound) if of else None]}
        for text, of, bound in wanted
    ]
    return pd.DataFrame(rows)


# SMIS 4.4.2: where GroupDNet is about level with SPADE (DeepFashion, Cityscapes) and where below it (ADE20K), which it shares
# with the data sets that stand in for them. That both beat the multi-modal baselines is this project's reading.
MANY_CLASSES = ("ade20k", "rooms")
LABEL_TO_IMAGE = ("mIoU", "Acc", "FID")
LEVEL_WITH_SPADE: tuple[Comparison, ...] = (("groupdnet", LEVEL, "spade"),)
BELOW_SPADE: tuple[Comparison, ...] = (("spade", BETTER, "groupdnet"),)
ABOVE_THE_OTHERS: tuple[Comparison, ...] = tuple(("groupdnet", BETTER, other) for other in (*WHOLE_IMAGE, "pix2pixhd"))
OUR_READING: tuple[Comparison, ...] = tuple((ours, BETTER, other) for ours in ("groupdnet", "spade") for other in WHOLE_IMAGE)


def table_2(cells: Mapping[str, Cells], suffix: str = "") -> pd.DataFrame:
    """What is said about SMIS Table 2, for each metric: data set -> its cells; statement, who says it, both values, verdict."""
    rows = []
    for name, of in cells.items():
        many = name in MANY_CLASSES
        comparisons = BELOW_SPADE + ABOVE_THE_OTHERS if many else LEVEL_WITH_SPADE + OUR_READING
        for metric in (f"{metric}{suffix}" for metric in LABEL_TO_IMAGE):
            rows += [
                {
                    "data": name,
                    "metric": metric,
                    "statement": f"{MODELS[a].title} {relation} {MODELS[b].title}",
                    "said by": "ours" if not many and (a, relation, b) in OUR_READING else "paper",
                    "found": found(of, metric, a, b),
                    "verdict": VERDICTS[RELATIONS[relation](of, metric, a, b)],
                }
                for a, relation, b in comparisons
            ]
    return pd.DataFrame(rows)


# The statements of SMIS appendix D: what is said, the row, metric -> whether the row's value is then above GroupDNet's.
_WORSE = {"FID": True, "mCSD": False, "mOCD": True, "LPIPS": False}
TABLE_3: tuple[tuple[str, str, dict[str, bool]], ...] = (
    ("an encoder that sees the whole image worsens FID, mCSD and mOCD", "groupdnet_whole",
     {k: _WORSE[k] for k in ("FID", "mCSD", "mOCD")}),
    ("codes that are vectors, not maps, worsen FID, mCSD and mOCD", "groupdnet_vector",
     {k: _WORSE[k] for k in ("FID", "mCSD", "mOCD")}),
    ("group norm in the place of batch norm is worse in most metrics", "groupdnet_groupnorm", _WORSE),
    ("batch norm that is not synchronised is worse in most metrics", "groupdnet_unsynced", _WORSE),
    ("without spectral norm mOCD rises far, mCSD and LPIPS a little", "groupdnet_free",
     {"mOCD": True, "mCSD": True, "LPIPS": True}),
)  # fmt: skip
BY_MAJORITY = ("groupdnet_groupnorm", "groupdnet_unsynced")  # "on most metrics": more than half of them
FAR_ABOVE = (("groupdnet_free", "mOCD"),)  # by more than FAR times; the others by however little


def _with_and_without(cells: Cells, row: str, metric: str) -> tuple[str, str]:
    """The row of Table 3 that lacks what `row` lacks, and the one that has it.

    Where GroupDNet's own codes are vectors (below `paper`), GroupDNet is the row without maps, and is compared with the row
    that has them.
    """
    turned = row == "groupdnet_vector" and (row, metric) not in cells
    return ("groupdnet", "groupdnet_maps") if turned else (row, "groupdnet")


def _higher(cells: Cells, row: str, metric: str, above: bool, name: Name) -> Truth:
    """Whether the row without a part has the higher, or the lower, value, as the paper says."""
    without, whole = _with_and_without(cells, row, name(metric))
    times = FAR if (row, metric) in FAR_ABOVE else 1.0
    return exceeds(cells, name(metric), *((without, whole) if above else (whole, without)), times)


def _said(row: str, metric: str, above: bool) -> str:
    return "far " * ((row, metric) in FAR_ABOVE) + ("above" if above else "below")


def _about_row(row: str, directions: dict[str, bool]) -> Test:
    """All that is said about a row, or, where that is what is said, most of it."""

    def test(cells: Cells, name: Name) -> Truth:
        truths = [_higher(cells, row, metric, above, name) for metric, above in directions.items()]
        return most(truths) if row in BY_MAJORITY else every(truths)

    return test


def table_3(cells: Cells, suffix: str = "") -> pd.DataFrame:
    """What SMIS appendix D says about Table 3, metric by metric: the quotient of the row and GroupDNet, verdict."""

    def name(metric: str) -> str:
        return metric + suffix

    rows = []
    for _, row, directions in TABLE_3:
        for metric, above in directions.items():
            rows.append(
                {
                    "row": MODELS[row].title,
                    "metric": name(metric),
                    "paper says": _said(row, metric, above).replace("above", "higher").replace("below", "lower"),
                    "quotient": str(quotient(cells, name(metric), *_with_and_without(cells, row, name(metric))) or "not run"),
                    "verdict": VERDICTS[_higher(cells, row, metric, above, name)],
                }
            )
        if row in BY_MAJORITY:
            worse = _about_row(row, directions)(cells, name)
            said = {"row": MODELS[row].title, "metric": "most of these", "paper says": "worse", "quotient": ""}
            rows.append({**said, "verdict": VERDICTS[worse]})
    return pd.DataFrame(rows)


def _control(cells: Cells, name: Name) -> Truth:
    found = estimate(cells, name("mCSD/mOCD"), "groupdnet")
    return found.above(FAR) if found else None


def claims() -> tuple[Claim, ...]:
    """What the paper says, for the ledger."""
    main = "mannequins"
    of_table_2 = (
        (main, "on DeepFashion GroupDNet is about level with SPADE", LEVEL_WITH_SPADE),
        ("streets", "on Cityscapes GroupDNet is about level with SPADE", LEVEL_WITH_SPADE),
        ("rooms", "on ADE20K, with many classes, GroupDNet is below SPADE", BELOW_SPADE),
        ("rooms", "on ADE20K GroupDNet is above BicycleGAN, DSCGAN and pix2pixHD", ABOVE_THE_OTHERS),
    )
    return (
        Claim("smis", "section 1, Figure 1", "the code of one class changes that class, and all others far less", main,
              f"GroupDNet's mCSD/mOCD above {FAR}", _control),
        *(Claim("smis", "4.4.1, Table 1", said, main, reading, test) for said, reading, test in _about_table_1()),
        *(Claim("smis", "4.4.2, Table 2", said, name, *comparing(*those, metrics=LABEL_TO_IMAGE))
          for name, said, those in of_table_2),
        *(Claim("smis", "appendix D, Table 3", said, main, _directions(row, directions), _about_row(row, directions))
          for said, row, directions in TABLE_3),
    )  # fmt: skip


def _directions(row: str, directions: dict[str, bool]) -> str:
    said = ", ".join(f"{metric} {_said(row, metric, above)}" for metric, above in directions.items())
    whole = " (codes of vectors: that of maps)" * (row == "groupdnet_vector")
    return f"{MODELS[row].title}: {'most of ' * (row in BY_MAJORITY)}{said} GroupDNet{whole}"
