"""What is measured, in which direction it is better, and where the papers print it.

A metric is a name here and a function in one of the files beside this one. A function returns `Measurement`s: a value
never travels without the protocol that produced it, since two numbers of different protocol may not share a column.
A name in brackets says which backbone stands in for the papers': `FID[embedded]` is not `FID`.
"""

from dataclasses import dataclass

import numpy as np

from ..errors import SmisError, did_you_mean

UP, DOWN, NEITHER = "up", "down", "-"


@dataclass(frozen=True)
class Metric:
    """What a metric is. `better`: "up", "down" or "-"; `column`: its heading in the papers' tables, if they have it."""

    what: str
    better: str
    unit: str
    column: str | None
    of_code: bool = False  # measured by drawing codes: "–" for a model that has none


_ON_A_BACKBONE = {
    "FID": Metric("Frechet distance between Gaussians fitted to features of real and generated images", DOWN, "", "FID"),
    "KID": Metric("squared maximum mean discrepancy of the same features, unbiased for few images", DOWN, "", None),
    "IS": Metric(
        "Inception score: how sure a classifier is of each generated image, and how evenly its classes come", UP, "", "IS"
    ),
    "FID over training": Metric("FID of a generator that was kept on the way", DOWN, "", None),
    "IS over training": Metric("its Inception score", UP, "", None),
    "LPIPS": Metric("mean perceptual distance of two outputs for one label map, all codes drawn anew", UP, "", "LPIPS", True),
    "mCSD": Metric("mean class-specific diversity: distance inside the class whose code changes", UP, "", "mCSD", True),
    "mOCD": Metric("mean other-classes diversity: distance outside that class", DOWN, "", "mOCD", True),
    "mCSD/mOCD": Metric("class control: how much more the class changes than the rest", UP, "", None, True),
    "mIoU": Metric("mean intersection over union of the segmented output and the input label map", UP, "", "mIoU"),
    "mIoU (rare classes)": Metric("the same, mean over the half of the classes with the fewest pixels", UP, "", None),
    "Acc": Metric("pixel accuracy of the segmented output against the input label map", UP, "", "Acc"),
    "Class acc": Metric("mean over classes of the share of a class's pixels that are found again", UP, "", None),
    "Acc (all pixels)": Metric("the same, wrong wherever the label is one that the segmenter does not predict", UP, "", None),
}

METRICS: dict[str, Metric] = {
    **_ON_A_BACKBONE,
    **{f"{name}[embedded]": metric for name, metric in _ON_A_BACKBONE.items()},
    **{
        f"Lab {channel}": Metric(f"intersection of the distributions of {channel} in generated and real images", UP, "", channel)
        for channel in "Lab"
    },
    "Sharpness": Metric("mean gradient of the lightness, relative to real images", NEITHER, "", None),
    "Real": Metric("share of trials in which a rater took a generated image for the real one (pix2pix 4.1)", UP, "%", None),
    "MS-SSIM": Metric(
        "mean structural similarity of two outputs for one label map, all codes drawn anew", DOWN, "", "MS-SSIM", True
    ),
    "Colour χ²": Metric("distance of the colours of generated images, as a set, from those of real ones", DOWN, "", None),
    "Texture χ²": Metric("likewise of local binary patterns", DOWN, "", None),
    "Params": Metric("trainable parameters of generator and encoder, without the discriminator", NEITHER, "", "Params_M"),
    **{
        f"Top-{k} error": Metric(
            f"share of real images whose class is not among the {k} that are held likeliest", DOWN, "%", column
        )
        for k, column in ((1, "TOP-1 ERROR"), (5, "TOP-5 ERROR"))
    },
    "SHE": Metric("share of pairs that raters saw differ in one class, as their codes do (SMIS 4.3)", UP, "%", "SHE", True),
    "FPS": Metric("images generated per second, one at a time", UP, "1/s", "Speed_FPS"),
    "s/step": Metric("wall-clock time of one training step", DOWN, "s", None),
}


@dataclass(frozen=True)
class Measurement:
    """One value with its protocol. `interval` is the 95 % interval, `spread` the standard deviation, where known."""

    metric: str
    value: float
    protocol: dict
    interval: tuple[float, float] | None = None
    spread: float | None = None

    def __post_init__(self):
        if self.metric not in METRICS:
            raise did_you_mean("metric", self.metric, METRICS)


def bootstrap_weights(n: int, n_boot: int, seed: int) -> np.ndarray:
    """Weights (n_boot, n) of the Bayesian bootstrap over `n` items, rows summing to 1 (Rubin 1981).

    Unlike resampling with replacement it never loses a rare class: every item keeps a positive weight.
    """
    if n < 2:
        raise SmisError(f"an interval needs at least 2 items to resample, found {n}. Measure more, or ask for no interval.")
    return np.random.default_rng(seed).dirichlet(np.ones(n), size=n_boot)


def uncertainty(resampled: np.ndarray) -> dict:
    """`interval` (the central 95 %) and `spread` of resampled values: arguments of a `Measurement`."""
    low, high = np.quantile(resampled, [0.025, 0.975], method="inverted_cdf")  # a ratio may be infinite: no interpolation
    with np.errstate(invalid="ignore"):
        spread = float(np.std(resampled))
    return {"interval": (float(low), float(high)), "spread": spread}
