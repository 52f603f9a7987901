"""What SPADE (1903.07291) says about its tables 1 and 3 to 5, each statement as a check.

Of table 4 we have no numbers (see results/published). The section's text, as two readers' notes on GitHub have it, says what is
said here of inputs, norms and 1x1 kernels. Of 5x5 kernels and of more filters it says nothing: what we say is what the table is
known for, not checked against the page; fewer filters are in table 3. Of table 5 we have the numbers: its statements say what
they say.
"""

from collections.abc import Mapping

import pandas as pd

from ..models import MODELS
from ..papers import gaugan as paper
from .logic import (
    BETTER,
    LEVEL,
    NO_WORSE,
    RELATIONS,
    VERDICTS,
    Cells,
    Claim,
    Comparison,
    better,
    comparing,
    every,
    exceeds,
    found,
)

# (what is said, [(row, relation, row)]): reproduced when all of its comparisons are
Statement = tuple[str, tuple[Comparison, ...]]
TABLE_3: tuple[Statement, ...] = (
    ("SPADE in a decoder beats the labels concatenated at every layer of the same decoder",
     (("spade_short", BETTER, "spade_concat"),)),
    ("SPADE in place of the norms improves pix2pixHD++, and more than concatenation does",
     (("pix2pixhdpp_spade", BETTER, "pix2pixhdpp"), ("pix2pixhdpp_spade", BETTER, "pix2pixhdpp_concat"))),
    ("the decoder with SPADE beats pix2pixHD++", (("spade_short", BETTER, "pix2pixhdpp"),)),
    ("the compact decoder with SPADE, a third of its size, is no worse than pix2pixHD++",
     (("spade_compact", NO_WORSE, "pix2pixhdpp"),)),
    ("the baseline pix2pixHD++ is stronger than pix2pixHD", (("pix2pixhdpp", BETTER, "pix2pixhd_short"),)),
)  # fmt: skip
TABLE_4: tuple[Statement, ...] = (
    ("started from the label map or from noise, SPADE does as well", (("spade_short", LEVEL, "spade_noise"),)),
    ("a kernel of 1x1 over the labels is worse than 3x3: it sees no context", (("spade_short", BETTER, "spade_kernel1"),)),
    ("a kernel of 5x5 over the labels does as well as 3x3", (("spade_short", LEVEL, "spade_kernel5"),)),
    ("more filters or fewer change little", (("spade_wide", LEVEL, "spade_short"), ("spade_compact", LEVEL, "spade_short"))),
    ("SPADE does as well with other parameter-free norms as with sync batch norm",
     tuple((row, NO_WORSE, "spade_short") for row in ("spade_unsynced", "spade_instance"))),
)  # fmt: skip
TABLE_5: tuple[Statement, ...] = (
    ("without the perceptual loss SPADE is worse", (("spade_short", BETTER, "spade_without_perceptual"),)),
    ("the perceptual loss is worth more than feature matching", (("spade_without_feature", BETTER, "spade_without_perceptual"),)),
    ("without sync batch norm pix2pixHD++ is worse", (("pix2pixhdpp", BETTER, "pix2pixhdpp_unsynced"),)),
    ("without spectral norm as well pix2pixHD++ does not recover",
     (("pix2pixhdpp", BETTER, "pix2pixhdpp_free"), ("pix2pixhdpp_unsynced", LEVEL, "pix2pixhdpp_free"))),
    ("a deeper discriminator does not help", (("spade_short", NO_WORSE, "spade_deeper"),)),
)  # fmt: skip
COMPARED = ("mIoU", "Acc", "FID")  # in table 1; the ablations have mIoU


def table_1(cells: Mapping[str, Cells], suffix: str = "") -> pd.DataFrame:
    """SPADE better than pix2pixHD, data set by data set and metric by metric: found (both values), verdict."""
    rows = [
        {
            "data": name,
            "metric": f"{metric}{suffix}",
            "statement": "SPADE better than pix2pixHD",
            "found": found(of, f"{metric}{suffix}", "spade", "pix2pixhd"),
            "verdict": VERDICTS[better(of, f"{metric}{suffix}", "spade", "pix2pixhd")],
        }
        for name, of in cells.items()
        for metric in COMPARED
    ]
    return pd.DataFrame(rows)


def ablation(cells: Cells, statements: tuple[Statement, ...], metric: str) -> pd.DataFrame:
    """Statements about rows at equal budgets, by one metric: statement, what was found for each pair, verdict."""
    rows = []
    for said, comparisons in statements:
        truths = [RELATIONS[relation](cells, metric, a, b) for a, relation, b in comparisons]
        pairs = [
            f"{MODELS[a].title} {relation} {MODELS[b].title}: {found(cells, metric, a, b)}" for a, relation, b in comparisons
        ]
        rows.append({"statement": said, "found": "; ".join(pairs), "verdict": VERDICTS[every(truths)]})
    return pd.DataFrame(rows)


def claims() -> tuple[Claim, ...]:
    """What the paper says, for the ledger."""
    tables = {"Table 3": TABLE_3, "Table 4": TABLE_4, "appendix B, Table 5": TABLE_5}
    better_on = {"rooms": "ADE20K", "streets": "Cityscapes"}
    return (
        *(Claim("spade", "Table 1", f"on {theirs} SPADE is better than pix2pixHD", name,
                *comparing(("spade", BETTER, "pix2pixhd"), metrics=COMPARED)) for name, theirs in better_on.items()),
        *(Claim("spade", where, said, paper.DATA, *comparing(*comparisons, metrics=("mIoU",)))
          for where, statements in tables.items() for said, comparisons in statements),
        *(Claim("spade", "Table 2", f"on {theirs} people prefer SPADE's images to those of pix2pixHD", name,
                "share of images taken for real, a human study", lambda t, name: exceeds(t, "Real", "spade", "pix2pixhd"))
          for name, theirs in better_on.items()),
    )  # fmt: skip
