"""What OASIS (2012.04781) says, each statement as a check, and what the issue of putting it beside SMIS asks."""

import pandas as pd

from ..models import MODELS
from ..papers import oasis as paper
from .logic import VERDICTS, Cells, Claim, Test, better, estimate, every, exceeds, no_worse, quotient

DISTRIBUTIONS = ("Colour χ²", "Texture χ²")


# where, statement, how we read it, the values that it compares (metric, rows), the test. A row or a metric that nobody measured
# leaves its claim undecided. Of the text we have the abstract: what else it says is named by what its sections are about.
STATEMENTS: tuple[tuple[str, str, str, tuple[tuple[str, str, str], ...], Test], ...] = (
    (
        "Table 1",
        "Adversarial supervision alone improves on SPADE",
        "OASIS above SPADE with its perceptual loss on mIoU, and below on FID",
        (("mIoU", "oasis", "spade"), ("FID", "oasis", "spade")),
        lambda t, m: every(better(t, m(metric), "oasis", "spade") for metric in ("mIoU", "FID")),
    ),
    (
        "Table 1",
        "OASIS without the perceptual loss improves on SPADE+ with it",
        "mIoU above, FID below",
        (("mIoU", "oasis", "oasis_patch_perceptual"), ("FID", "oasis", "oasis_patch_perceptual")),
        lambda t, m: every(better(t, m(metric), "oasis", "oasis_patch_perceptual") for metric in ("mIoU", "FID")),
    ),
    (
        "Table 1",
        "SPADE+ without the perceptual loss loses quality",
        "FID above and mIoU below that with it",
        (("FID", "oasis_patch", "oasis_patch_perceptual"), ("mIoU", "oasis_patch", "oasis_patch_perceptual")),
        lambda t, m: every(better(t, m(metric), "oasis_patch_perceptual", "oasis_patch") for metric in ("mIoU", "FID")),
    ),
    (
        "abstract",
        "OASIS does not need the perceptual loss",
        "FID and mIoU without it no worse than those with it",
        (("FID", "oasis", "oasis_perceptual"), ("mIoU", "oasis", "oasis_perceptual")),
        lambda t, m: every(no_worse(t, m(metric), "oasis", "oasis_perceptual") for metric in ("mIoU", "FID")),
    ),
    (
        "diversity",
        "The perceptual loss costs diversity",
        "LPIPS with it below LPIPS without it",
        (("LPIPS", "oasis_perceptual", "oasis"),),
        lambda t, m: exceeds(t, m("LPIPS"), "oasis", "oasis_perceptual"),
    ),
    (
        "diversity",
        "The perceptual loss costs SPADE+ diversity too",
        "LPIPS with it below LPIPS without it",
        (("LPIPS", "oasis_patch_perceptual", "oasis_patch"),),
        lambda t, m: exceeds(t, m("LPIPS"), "oasis_patch", "oasis_patch_perceptual"),
    ),
    (
        "abstract",
        "OASIS is more diverse than SPADE with a VAE",
        "LPIPS above, MS-SSIM below",
        (("LPIPS", "oasis", "spade_vae"), ("MS-SSIM", "oasis", "spade_vae")),
        lambda t, m: every([better(t, m("LPIPS"), "oasis", "spade_vae"), better(t, "MS-SSIM", "oasis", "spade_vae")]),
    ),
    (
        "abstract",
        "OASIS follows the colours and textures of real images more closely than SPADE",
        "both distances below those of SPADE+ with the perceptual loss and of SPADE with VAE",
        tuple((metric, "oasis", row) for metric in DISTRIBUTIONS for row in ("oasis_patch_perceptual", "spade_vae")),
        lambda t, m: every(
            better(t, metric, "oasis", row) for metric in DISTRIBUTIONS for row in ("oasis_patch_perceptual", "spade_vae")
        ),
    ),
    (
        "ablations",
        "A discriminator that segments is better than PatchGAN",
        "mIoU above, FID below SPADE+, which has OASIS's generator",
        (("mIoU", "oasis", "oasis_patch"), ("FID", "oasis", "oasis_patch")),
        lambda t, m: every(better(t, m(metric), "oasis", "oasis_patch") for metric in ("mIoU", "FID")),
    ),
    (
        "ablations",
        "LabelMix improves OASIS",
        "mIoU above, FID below the row without it",
        (("mIoU", "oasis", "oasis_unmixed"), ("FID", "oasis", "oasis_unmixed")),
        lambda t, m: every(better(t, m(metric), "oasis", "oasis_unmixed") for metric in ("mIoU", "FID")),
    ),
    (
        "ablations",
        "Class balancing helps where classes are rare",
        "mIoU of the rarer half of the classes above the row without it",
        (("mIoU (rare classes)", "oasis", "oasis_unbalanced"),),
        lambda t, m: better(t, m("mIoU (rare classes)"), "oasis", "oasis_unbalanced"),
    ),
)

PLAIN = ("MS-SSIM", *DISTRIBUTIONS)  # metrics without a backbone


def statements(cells: Cells, suffix: str = "") -> pd.DataFrame:
    """Statement, tested as, found, verdict. `cells` of the reading "image"; `suffix` of the metrics, e.g. "[embedded]"."""

    def name(metric: str) -> str:
        return metric if metric in PLAIN else metric + suffix

    rows = []
    for _, statement, reading, compared, test in STATEMENTS:
        found = [
            f"{name(metric)} {estimate(cells, name(metric), a) or 'not run'} | {estimate(cells, name(metric), b) or 'not run'}"
            f" ({MODELS[b].title})"
            for metric, a, b in compared
        ]
        rows.append(
            {
                "statement": statement,
                "tested as": reading,
                "found": "; ".join(found),
                "verdict": VERDICTS[test(cells, name)],
            }
        )
    return pd.DataFrame(rows)


def class_control(cells: Cells, suffix: str = "") -> pd.DataFrame:
    """Where SMIS and OASIS meet: how GroupDNet's control of classes compares. No paper has printed it, so no verdict of one.

    Quotients of GroupDNet's values and OASIS's; "higher" and "lower" where the interval of the quotient excludes 1.
    """
    words = {True: "higher", False: "lower", None: "not decidable"}
    rows = []
    for metric in (f"{metric}{suffix}" for metric in ("mCSD", "mOCD", "mCSD/mOCD", "LPIPS", "mIoU", "FID")):
        found = quotient(cells, metric, "groupdnet", "oasis")
        rows.append(
            {
                "metric": metric,
                "GroupDNet / OASIS": str(found or "not run"),
                "GroupDNet is": words[found.above(1) if found else None],
            }
        )
    return pd.DataFrame(rows)


def claims() -> tuple[Claim, ...]:
    """What the paper says, for the ledger."""
    return tuple(Claim("oasis", where, said, paper.DATA, reading, test, "image") for where, said, reading, _, test in STATEMENTS)
