"""Why claims do not come out at `demo`: each reason is a claim of ours, which the ledger tests on records as the papers' are.

It is shown only where its claim is not reproduced. What is in no record says so in `tested_as`, and stays open.
"""

from .logic import BETTER, FAR_BETTER, Claim, Test, better, comparing, every, exceeds


def _no_code(data: str, with_vae: str | None) -> Claim:
    """Why GroupDNet is far ahead of SPADE in FID, on a data set where there is a SPADE with a code to compare, or none."""
    return Claim(
        "smis", "4.4.2, Table 2",
        "SPADE has no code, so it draws a label map in one way, which costs FID where colours do not follow from labels; with a "
        "VAE it costs less",
        data,
        *comparing((with_vae, BETTER, "spade"), metrics=("FID",)) if with_vae else _no_record("SPADE with a VAE"),
    )  # fmt: skip


def _no_record(of: str) -> tuple[str, Test]:
    """`tested_as` and `test` of a reason that no record can bear out."""
    return f"no record: {of}", lambda cells, name: None


_CGAN_ALONE = Claim(
    "pix2pix", "Table 1, Figure 7",
    "a cGAN alone has not learnt what L1 is told at once: which colours there are, and where they belong; five times the steps, "
    "which we tried once, do not mend it",
    "streets_from_labels", *_no_record("cGAN alone, trained for longer"),
)  # fmt: skip

# (paper, text of the claim that is not reproduced) -> the reason
REASONS: dict[tuple[str, str], Claim] = {
    (
        "smis",
        "GroupDNet has the best image quality (lowest FID) and the best overall diversity (highest LPIPS) of all rows",
    ): Claim(
        "smis", "4.4.1, Table 1",
        "parts of mannequins are drawn independently but for the skin, so MulNet, which shares nothing between classes, loses "
        "none of a class's diversity by it",
        "mannequins", *comparing(("mulnet", BETTER, "groupdnet"), metrics=("mCSD",)),
    ),
    ("smis", "MulNet FPS is much lower than GroupDNet FPS"): Claim(
        "smis", "4.4.1, Table 1",
        "ours is no network for each class, one after another, but a network of C groups, which is drawn in as many calls",
        "mannequins", *_no_record("MulNet's schedule in schedules.py"),
    ),
    ("smis", "on DeepFashion GroupDNet is about level with SPADE"): _no_code("mannequins", "vspade"),
    ("smis", "on Cityscapes GroupDNet is about level with SPADE"): _no_code("streets", "spade_vae"),
    ("smis", "on ADE20K, with many classes, GroupDNet is below SPADE"): _no_code("rooms", None),
    ("smis", "without spectral norm mOCD rises far, mCSD and LPIPS a little"): Claim(
        "smis", "appendix D, Table 3",
        "here a code reaches other classes where groups merge and where features cross the edges of parts, whatever the norm of "
        "the weights: in MulNet, which keeps groups apart and masks features, far less of it does",
        "mannequins", *comparing(("mulnet", FAR_BETTER, "groupdnet"), metrics=("mOCD",)),
    ),
    ("pix2pix", "an encoder-decoder does not gain by the cGAN"): Claim(
        "pix2pix", "Table 2",
        "in so few steps L1 alone has taught an encoder-decoder a blur, which cGAN sharpens",
        "streets_from_labels", "encoder-decoder, L1: FID above, Sharpness below encoder-decoder, L1+cGAN",
        lambda t, m: every(
            [
                exceeds(t, m("FID"), "pix2pix_encdec_l1", "pix2pix_encdec"),
                exceeds(t, "Sharpness", "pix2pix_encdec", "pix2pix_encdec_l1"),
            ]
        ),
    ),
    ("pix2pix", "a PixelGAN has no effect on sharpness"): Claim(
        "pix2pix", "4.4",
        "our sharpness is the mean gradient of the lightness, which grows with contrast as with finer detail, and a PixelGAN "
        "brings the lightnesses that L1 narrows closer to real ones",
        "streets_from_labels", "Lab L: PixelGAN above L1", lambda t, m: exceeds(t, "Lab L", "pix2pix_pixelgan", "pix2pix_l1"),
    ),
    ("pix2pix", "a conditional GAN alone beats L1 alone"): _CGAN_ALONE,
    ("pix2pix", "the colours of cGAN are closer to real ones than those of L1 alone"): _CGAN_ALONE,
    ("oasis", "OASIS follows the colours and textures of real images more closely than SPADE"): Claim(
        "oasis", "abstract",
        "each class of a street has one of many colours: a VAE's code is read off a street, and G learns to draw the colours "
        "that it tells; noise is read off nothing, and G learns fewer",
        "streets",
        "Colour χ²: SPADE with VAE better than OASIS and SPADE+ (VGG); FID: SPADE with VAE better than SPADE, which has no code",
        lambda t, m: every(
            [
                *(better(t, "Colour χ²", "spade_vae", row) for row in ("oasis", "oasis_patch_perceptual")),
                better(t, m("FID"), "spade_vae", "spade"),
            ]
        ),
    ),
    ("s3gan", "self-supervision improves the single label"): Claim(
        "s3gan", "Table 2",
        "the quarter turns of drawn pictures, which all stand upright, are too easy for D to learn anything by telling them",
        "tokens", *_no_record("the loss of these turns in the training's log.jsonl, below 0.001 at its end"),
    ),
}  # fmt: skip
