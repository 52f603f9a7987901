"""What S3GAN (1903.02271) says about its tables 2 to 5 and figure 1, each statement as a check of FID, or of IS.

Over several seeds an interval is mean ± sd; of one seed it is the bootstrap over images. A comparison that the intervals do not
decide stays open.
"""

from dataclasses import dataclass

import pandas as pd

from ..models import MODELS
from ..papers.s3gan import PERCENTS
from .logic import BETTER, NO_WORSE, RELATIONS, VERDICTS, Cells, Truth, exceeds, found


@dataclass(frozen=True)
class Statement:
    """What is said, where, and the comparisons (row, relation, row) that it is made of, each with a verdict of its own."""

    said: str
    where: str
    comparisons: tuple[tuple[str, str, str], ...]


def _at_each(a: str, relation: str, b: str) -> tuple[tuple[str, str, str], ...]:
    """Of two methods at each share of the labels."""
    return tuple((f"{a}_{k}", relation, f"{b}_{k}") for k in PERCENTS)


STATEMENTS = (
    Statement("one label for all is no worse than random ones", "table 2", (("single_label", NO_WORSE, "random_label"),)),
    Statement("self-supervision improves the single label", "table 2", (("single_label_ss", BETTER, "single_label"),)),
    Statement("clusters are better labels than a single one", "table 2", (("clustering", BETTER, "single_label"),)),
    Statement("self-supervision improves clustering", "table 2", (("clustering_ss", BETTER, "clustering"),)),
    Statement("without any label GANs stay far behind BIGGAN", "section 5.1", (("biggan", BETTER, "clustering_ss"),)),
    Statement(
        "labels that are inferred before beat those of co-training", "table 4",
        (*_at_each("s2gan", BETTER, "s2gan_co"), *_at_each("s3gan", BETTER, "s3gan_co")),
    ),
    Statement(
        "self-supervision does not hurt", "table 4",
        (*_at_each("s3gan", NO_WORSE, "s2gan"), *_at_each("s3gan_co", NO_WORSE, "s2gan_co")),
    ),
    Statement(
        "... and mostly helps", "table 4", (*_at_each("s3gan", BETTER, "s2gan"), *_at_each("s3gan_co", BETTER, "s2gan_co"))
    ),
    Statement("hard labels beat soft ones", "table 5", _at_each("s2gan", BETTER, "s2gan_soft")),
    Statement("dropping what has no label is far worse than inferring", "section 5.2", _at_each("s3gan", BETTER, "biggan_only")),
)  # fmt: skip
MATCHES = (("s3gan_10", "10 % of the labels match BIGGAN"), ("s3gan_20", "20 % of the labels beat it, here: match it"))
WITHIN = 1.1  # of BIGGAN's FID: what counts as a match


def check(cells: Cells, suffix: str = "") -> pd.DataFrame:
    """Statement by statement, comparison by comparison, metric by metric: found (both values), verdict."""
    rows = []
    for s in STATEMENTS:
        for a, relation, b in s.comparisons:
            for metric in (f"FID{suffix}", f"IS{suffix}"):
                said = f"{MODELS[a].title} {relation} {MODELS[b].title}"
                rows.append(_row(s.said, s.where, said, metric, cells, a, b, RELATIONS[relation](cells, metric, a, b)))
    for model, said in MATCHES:
        metric = f"FID{suffix}"
        above = exceeds(cells, metric, model, "biggan", WITHIN)  # beyond the margin, for sure
        truth = None if above is None else not above
        comparison = f"{MODELS[model].title} at most {WITHIN:g} x BIGGAN"
        rows.append(_row(said, "figure 1", comparison, metric, cells, model, "biggan", truth))
    return pd.DataFrame(rows)


def _row(said: str, where: str, comparison: str, metric: str, cells: Cells, a: str, b: str, truth: Truth) -> dict[str, str]:
    pair, verdict = found(cells, metric, a, b), VERDICTS[truth]
    return {"statement": said, "where": where, "comparison": comparison, "metric": metric, "found": pair, "verdict": verdict}
