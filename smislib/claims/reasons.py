"""Why claims do not come out at `demo`: each reason is a claim of ours, which the ledger tests on records as the papers' are.

It is shown only where its claim is not reproduced. What is in no record says so in `tested_as`, and stays open.
"""

from .logic import BETTER, Claim, comparing, every, exceeds

_NO_CODE = Claim(
    "smis", "4.4.2, Table 2",
    "SPADE has no code, so it draws a label map in one way, which costs FID where colours do not follow from labels, and less so "
    "with a VAE",
    "streets", *comparing(("spade_vae", BETTER, "spade"), metrics=("FID",)),
)  # fmt: skip

# (paper, text of the claim that is not reproduced) -> the reason
REASONS: dict[tuple[str, str], Claim] = {
    ("smis", "on DeepFashion GroupDNet is about level with SPADE"): _NO_CODE,
    ("smis", "on Cityscapes GroupDNet is about level with SPADE"): _NO_CODE,
    ("smis", "on ADE20K, with many classes, GroupDNet is below SPADE"): _NO_CODE,
    ("pix2pix", "an encoder-decoder does not gain by the cGAN"): Claim(
        "pix2pix", "Table 2",
        "in so few steps L1 alone has taught an encoder-decoder a blur, which a segmenter reads worse than what cGAN sharpens",
        "streets_from_labels", "encoder-decoder, L1: FID above, Sharpness below encoder-decoder, L1+cGAN",
        lambda t, m: every(
            [
                exceeds(t, m("FID"), "pix2pix_encdec_l1", "pix2pix_encdec"),
                exceeds(t, "Sharpness", "pix2pix_encdec", "pix2pix_encdec_l1"),
            ]
        ),
    ),
    ("pix2pix", "L1 alone is less colourful than cGAN"): Claim(
        "pix2pix", "Figure 7",
        "in so few steps cGAN alone has not learnt which colour belongs where, as L1 has",
        "streets_from_labels", *comparing(("pix2pix_l1", BETTER, "pix2pix_cgan"), metrics=("mIoU", "Acc")),
    ),
    ("spade", "a kernel of 5x5 over the labels does as well as 3x3"): Claim(
        "spade", "Table 4",
        "after so few steps it still counts how far a layer sees the labels, not its weights: more filters of 3x3 are no help",
        "rooms",
        *comparing(("spade_short", BETTER, "spade_kernel1"), ("spade_kernel5", BETTER, "spade_wide"), metrics=("mIoU",)),
    ),
    ("s3gan", "self-supervision improves the single label"): Claim(
        "s3gan", "Table 2",
        "the quarter turns of drawn pictures, which all stand upright, are too easy for D to learn anything by telling them",
        "tokens", "no record: d_rotation in the training's log.jsonl, below 0.001 at its end", lambda cells, name: None,
    ),
}  # fmt: skip
