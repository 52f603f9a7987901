"""What pix2pix (1611.07004, 4.2 to 4.6) says about its Tables 1 to 4 and 6 and Figure 7, each statement as a check."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pandas as pd

from ..models import MODELS
from ..papers import pix2pix as paper
from .logic import VERDICTS, Cells, Claim, Name, Test, Truth, estimate, every, exceeds, level, no_worse

FCN_SCORE = ("Acc", "Class acc", "mIoU")  # per-pixel accuracy, per-class accuracy, class IoU
L1, GAN, CGAN, L1_GAN, L1_CGAN = "pix2pix_l1", "pix2pix_gan", "pix2pix_cgan", "pix2pix_l1_gan", "pix2pix"
ENCDEC_L1, ENCDEC = "pix2pix_encdec_l1", "pix2pix_encdec"
PIXEL, SMALL, FULL = "pix2pix_pixelgan", "pix2pix_patch16", "pix2pix_imagegan"

ABOVE, AT_LEAST, ALIKE = "above", "above or level with", "level with"
RELATIONS: dict[str, Callable[[Cells, str, str, str], Truth]] = {ABOVE: exceeds, AT_LEAST: no_worse, ALIKE: level}


@dataclass(frozen=True)
class Statement:
    """One statement: where it stands, what it says, in which metrics, and how a row of it stands to which others."""

    where: str
    text: str
    metrics: tuple[str, ...]
    row: str
    others: tuple[str, ...]
    relation: str = ABOVE
    embedded: bool = True  # whether the metrics are named by a backbone

    def holds(self, cells: Cells, metric: str) -> Truth:
        """Whether it is so in one metric, by its full name."""
        return every(RELATIONS[self.relation](cells, metric, self.row, other) for other in self.others)


LABELS_TO_PHOTO: tuple[Statement, ...] = (
    Statement("Table 1", "a conditional D beats one that does not see the input", FCN_SCORE, CGAN, (GAN,)),
    Statement("Table 1", "a conditional GAN alone beats L1 alone", FCN_SCORE, CGAN, (L1,)),
    Statement("Table 1", "L1 with a GAN that does not see the input beats L1 alone", FCN_SCORE, L1_GAN, (L1,)),
    Statement("Table 1", "L1+cGAN beats L1 alone", FCN_SCORE, L1_CGAN, (L1,)),
    Statement("Table 1", "L1+cGAN beats cGAN alone", FCN_SCORE, L1_CGAN, (CGAN,)),
    Statement("Table 1", "L1+cGAN is the best of all", FCN_SCORE, L1_CGAN, (L1, GAN, CGAN, L1_GAN)),
    Statement("Table 1", "L1 makes a GAN that does not see the input respect it", FCN_SCORE, L1_GAN, (GAN,)),
    Statement("Table 1", "a GAN that does not see the input is worse than L1 alone", FCN_SCORE, L1, (GAN,)),
    Statement("Table 2", "an encoder-decoder does not gain by the cGAN", FCN_SCORE, ENCDEC_L1, (ENCDEC,), relation=AT_LEAST),
    Statement("Table 2", "U-Net beats the encoder-decoder under L1", FCN_SCORE, L1, (ENCDEC_L1,)),
    Statement("Table 2", "U-Net beats the encoder-decoder under L1+cGAN", FCN_SCORE, L1_CGAN, (ENCDEC,)),
    Statement("Table 3", "patches of 70x70 are at least as good as 16x16", FCN_SCORE, L1_CGAN, (SMALL,), relation=AT_LEAST),
    Statement("Table 3", "patches of 70x70 beat 1x1", FCN_SCORE, L1_CGAN, (PIXEL,)),
    Statement("Table 3", "patches of 16x16 beat 1x1", FCN_SCORE, SMALL, (PIXEL,)),
    Statement("Table 3", "patches of 70x70 beat the full image", FCN_SCORE, L1_CGAN, (FULL,)),
    Statement(
        "Figure 7",
        "the colours of L1+cGAN are closer to real ones than those of L1 alone",
        ("Lab a", "Lab b"),
        L1_CGAN,
        (L1,),
        embedded=False,
    ),
    Statement(
        "Figure 7",
        "the colours of cGAN are closer to real ones than those of L1 alone",
        ("Lab a", "Lab b"),
        CGAN,
        (L1,),
        embedded=False,
    ),
    Statement(
        "4.4",
        "the colours of a PixelGAN are closer to real ones than those of L1 alone",
        ("Lab b",),
        PIXEL,
        (L1,),
        embedded=False,
    ),  # in a the paper prints no difference
    Statement("4.2", "L1 alone is blurrier than L1+cGAN", ("Sharpness",), L1_CGAN, (L1,), embedded=False),
    Statement("4.2", "L1 alone is blurrier than cGAN", ("Sharpness",), CGAN, (L1,), embedded=False),
    Statement("4.4", "a PixelGAN has no effect on sharpness", ("Sharpness",), PIXEL, (L1,), relation=ALIKE, embedded=False),
    Statement("4.4", "patches of 16x16 suffice for sharper images than L1's alone", ("Sharpness",), SMALL, (L1,), embedded=False),
    Statement("4.4", "patches of 70x70 sharpen more than a PixelGAN does", ("Sharpness",), L1_CGAN, (PIXEL,), embedded=False),
)
PHOTO_TO_LABELS: tuple[Statement, ...] = (
    Statement("Table 6", "from photo to labels L1 alone beats cGAN alone", FCN_SCORE, L1, (CGAN,), embedded=False),
    Statement("Table 6", "from photo to labels L1 alone beats L1+cGAN", FCN_SCORE, L1, (L1_CGAN,), embedded=False),
    Statement("Table 6", "from photo to labels L1+cGAN beats cGAN alone", FCN_SCORE, L1_CGAN, (CGAN,), embedded=False),
)


def table(labels_to_photo: Cells, photo_to_labels: Cells, suffix: str = "") -> pd.DataFrame:
    """All statements: those about the cells of labels -> photo, then those about photo -> labels (Table 6)."""
    parts = [check(labels_to_photo, LABELS_TO_PHOTO, suffix), check(photo_to_labels, PHOTO_TO_LABELS)]
    return pd.concat(parts, ignore_index=True)


def check(cells: Cells, statements: Sequence[Statement], suffix: str = "") -> pd.DataFrame:
    """Each statement, metric by metric: statement, found, verdict. `suffix` of metrics on a backbone, e.g. "[embedded]"."""
    rows = []
    for s in statements:
        for name in s.metrics:
            metric = name + suffix * s.embedded
            truth = s.holds(cells, metric)
            shown = ", ".join(f"{_title(row)} {estimate(cells, metric, row) or 'not run'}" for row in (s.row, *s.others))
            rows.append({"where": s.where, "statement": s.text, "metric": metric, "found": shown, "verdict": VERDICTS[truth]})
    return pd.DataFrame(rows)


def claims() -> tuple[Claim, ...]:
    """What the paper says, for the ledger."""
    sides = {paper.LABELS: LABELS_TO_PHOTO, paper.PHOTO_TO_LABELS: PHOTO_TO_LABELS}
    return (
        *(Claim("pix2pix", s.where, s.text, name, _tested_as(s), _in_all(s)) for name, those in sides.items() for s in those),
        Claim("pix2pix", "Table 4", "people take L1+cGAN's images for real more often than those of L1 alone", paper.LABELS,
              "share of images taken for real, a human study", lambda t, name: exceeds(t, "Real", L1_CGAN, L1)),
    )  # fmt: skip


def _in_all(s: Statement) -> Test:
    def test(cells: Cells, name: Name) -> Truth:
        return every(s.holds(cells, name(metric) if s.embedded else metric) for metric in s.metrics)

    return test


def _tested_as(s: Statement) -> str:
    return f"{', '.join(s.metrics)}: {_title(s.row)} {s.relation} {', '.join(map(_title, s.others))}"


def _title(model: str) -> str:
    return MODELS[model].title.removeprefix("pix2pix, ")
