"""Why claims do not come out at `demo`: each reason is a claim of ours, which the ledger tests on records as the papers' are.

It is shown only where its claim is not reproduced. What is in no record says so in `tested_as`, and stays open.
"""

from .logic import BETTER, NO_WORSE, Claim, comparing, every, exceeds

_NO_CODE = Claim(
    "smis", "4.4.2, Table 2",
    "SPADE has no code, so it draws a label map in one way, which costs FID where colours do not follow from labels, and less so "
    "with a VAE",
    "streets", *comparing(("spade_vae", BETTER, "spade"), metrics=("FID",)),
)  # fmt: skip

# (paper, text of the claim that is not reproduced) -> the reason
REASONS: dict[tuple[str, str], Claim] = {
    (
        "smis",
        "GroupDNet has the best image quality (lowest FID) and the best overall diversity (highest LPIPS) of all rows",
    ): Claim(
        "smis", "4.4.1, Table 1",
        "parts of mannequins are drawn independently but for the skin, so MulNet, which shares nothing between classes, loses no "
        "diversity by it",
        "mannequins", "LPIPS and mCSD/mOCD of MulNet above GroupDNet's",
        lambda t, m: every(exceeds(t, m(metric), "mulnet", "groupdnet") for metric in ("LPIPS", "mCSD/mOCD")),
    ),
    ("smis", "MulNet FPS is much lower than GroupDNet FPS"): Claim(
        "smis", "4.4.1, Table 1",
        "ours is no network for each class, one after another, but a network of C groups, which is drawn in as many calls",
        "mannequins", "no record: MulNet's schedule in schedules.py", lambda cells, name: None,
    ),
    ("smis", "codes that are vectors, not maps, worsen FID, mCSD and mOCD"): Claim(
        "smis", "appendix D, Table 3",
        "a part of a mannequin is drawn from a few numbers, colours and a pattern, which a vector holds as well as a map",
        "mannequins", *comparing(("groupdnet", NO_WORSE, "groupdnet_maps"), metrics=("LPIPS", "mCSD/mOCD")),
    ),
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
    ("oasis", "OASIS follows the colours and textures of real images more closely than SPADE"): Claim(
        "oasis", "Section 4",
        "in so few steps, and of one generator, D as a PatchGAN, which judges small patches, teaches textures better",
        "streets", "Texture χ² of OASIS above that of SPADE+", lambda t, m: exceeds(t, "Texture χ²", "oasis", "oasis_patch"),
    ),
    ("s3gan", "self-supervision improves the single label"): Claim(
        "s3gan", "Table 2",
        "the quarter turns of drawn pictures, which all stand upright, are too easy for D to learn anything by telling them",
        "tokens", "no record: d_rotation in the training's log.jsonl, below 0.001 at its end", lambda cells, name: None,
    ),
}  # fmt: skip
