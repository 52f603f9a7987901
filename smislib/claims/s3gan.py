"""What S3GAN (1903.02271) says about its tables 2 to 5 and figure 1, each statement as a check of FID, or of IS.

A comparison that the intervals do not decide stays open.
"""

import itertools
from dataclasses import dataclass

import pandas as pd

from ..models import MODELS
from ..papers.s3gan import DATA, PERCENTS
from .logic import (
    BETTER,
    FAR_BETTER,
    NO_WORSE,
    RELATIONS,
    VERDICTS,
    Cells,
    Claim,
    Comparison,
    Truth,
    comparing,
    found,
)


@dataclass(frozen=True)
class Statement:
    """What is said, where, and the comparisons (row, relation, row) that it is made of, each with a verdict of its own."""

    said: str
    where: str
    comparisons: tuple[Comparison, ...]
    metrics: tuple[str, ...] = ("FID", "IS")

    def at(self, percent: int | None) -> tuple[Comparison, ...]:
        """The comparisons at one share of the labels; None: those that are of none."""
        return tuple(c for c in self.comparisons if _share(c[0]) == percent)


def _share(model: str) -> int | None:
    return next((k for k in PERCENTS if model.endswith(f"_{k}")), None)


def _at_each(a: str, relation: str, b: str) -> tuple[Comparison, ...]:
    """Of two methods at each share of the labels."""
    return tuple((f"{a}_{k}", relation, f"{b}_{k}") for k in PERCENTS)


STATEMENTS = (
    Statement("one label for all is no worse than random ones", "table 2", (("single_label", NO_WORSE, "random_label"),)),
    Statement("self-supervision improves the single label", "table 2", (("single_label_ss", BETTER, "single_label"),)),
    Statement("clusters are better labels than a single one", "table 2", (("clustering", BETTER, "single_label"),)),
    Statement("self-supervision improves clustering", "table 2", (("clustering_ss", BETTER, "clustering"),)),
    Statement(
        "without any label GANs stay far behind BIGGAN", "section 5.1", (("biggan", FAR_BETTER, "clustering_ss"),), ("FID",)
    ),
    Statement(
        "labels that are inferred before beat those of co-training", "table 4",
        (*_at_each("s2gan", BETTER, "s2gan_co"), *_at_each("s3gan", BETTER, "s3gan_co")),
    ),
    Statement(
        "self-supervision helps", "table 4", (*_at_each("s3gan", BETTER, "s2gan"), *_at_each("s3gan_co", BETTER, "s2gan_co"))
    ),
    Statement("hard labels beat soft ones", "table 5", _at_each("s2gan", BETTER, "s2gan_soft")),
    Statement(
        "dropping what has no label is far worse than inferring", "section 5.2", _at_each("s3gan", FAR_BETTER, "biggan_only"),
        ("FID",),
    ),
)  # fmt: skip
AGAINST_ALL = (("s3gan_10", NO_WORSE, "10 % of the labels match BIGGAN"), ("s3gan_20", BETTER, "20 % of the labels beat BIGGAN"))
LABELS_HELP = ("Top-1 error", "Top-5 error")


def check(cells: Cells, suffix: str = "") -> pd.DataFrame:
    """Statement by statement, comparison by comparison, metric by metric: found (both values), verdict."""
    rows = []
    for s in STATEMENTS:
        for a, relation, b in s.comparisons:
            for metric in (f"{metric}{suffix}" for metric in s.metrics):
                said = f"{MODELS[a].title} {relation} {MODELS[b].title}"
                rows.append(_row(s.said, s.where, said, metric, cells, a, b, RELATIONS[relation](cells, metric, a, b)))
    for model, relation, said in AGAINST_ALL:
        metric, comparison = f"FID{suffix}", f"{MODELS[model].title} {relation} {MODELS['biggan'].title}"
        truth = RELATIONS[relation](cells, metric, model, "biggan")
        rows.append(_row(said, "figure 1", comparison, metric, cells, model, "biggan", truth))
    return pd.DataFrame(rows)


def _row(said: str, where: str, comparison: str, metric: str, cells: Cells, a: str, b: str, truth: Truth) -> dict[str, str]:
    pair, verdict = found(cells, metric, a, b), VERDICTS[truth]
    return {"statement": said, "where": where, "comparison": comparison, "metric": metric, "found": pair, "verdict": verdict}


def claims() -> tuple[Claim, ...]:
    """What the paper says, for the ledger: a statement about every share of the labels is a claim for each of them."""
    split = [(s, k) for s in STATEMENTS for k in (None, *PERCENTS) if s.at(k)]
    pairs = tuple((f"labeller_{more}", BETTER, f"labeller_{less}") for less, more in itertools.pairwise(PERCENTS))
    return (
        *(Claim("s3gan", _capital(s.where), f"with {k} % of the labels, {s.said}" if k else s.said, DATA,
                *comparing(*s.at(k), metrics=s.metrics)) for s, k in split),
        Claim("s3gan", "Table 3", "the more labels, the fewer errors of the network that infers the others", DATA,
              *comparing(*pairs, metrics=LABELS_HELP)),
        Claim("s3gan", "Figure 1", "with 10 % of the labels S3GAN matches BIGGAN with all", DATA,
              *comparing(("s3gan_10", NO_WORSE, "biggan"), metrics=("FID",))),
        Claim("s3gan", "Figure 1", "with 20 % of the labels S3GAN beats BIGGAN with all", DATA,
              *comparing(("s3gan_20", BETTER, "biggan"), metrics=("FID",))),
    )  # fmt: skip


def _capital(where: str) -> str:
    return where[0].upper() + where[1:]
