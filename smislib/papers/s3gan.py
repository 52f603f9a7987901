"""The values of `smoke`, `demo` and `paper` for S3GAN (1903.02271): its twelve methods, and the networks that label.

A method that looks at labels is a model for each share of them in `PERCENTS`, e.g. `s3gan_20`.

`paper`: the learning rates are those of the paper's section 4, BigGAN's (G 5e-5, D 2e-4); the authors' released
configuration has 1e-4 and 5e-4.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

from ..label_sources import READ
from ..models import biggan, labeller
from ..s3gan import ClassGan, Labelling

DATA, REAL = "tokens", "digits"
PERCENTS = (5, 10, 20)
SS = {"rotation_d": 1.0, "rotation_g": 0.2}  # self-supervision during GAN training (section 4: alpha 0.2)
CLUSTERS = {"smoke": 6, "demo": 24, "paper": 50}  # the paper chose among 50 to 1,000

# method -> its loss; those of `LABELLED` look at a share of the labels
UNSUPERVISED: dict[str, dict[str, Any]] = {
    "random_label": {"labels": "random", "fraction": 0.0},
    "single_label": {"labels": "single", "fraction": 0.0},
    "single_label_ss": {"labels": "single", "fraction": 0.0, **SS},
    "clustering": {"labels": "clusters", "fraction": 0.0, "labeller": "rotation"},
    "clustering_ss": {"labels": "clusters", "fraction": 0.0, "labeller": "rotation", **SS},
}  # Table 2
LABELLED: dict[str, dict[str, Any]] = {
    "biggan_only": {"labels": "true"},  # BigGAN-k%: what has no label is dropped
    "s2gan": {"labels": "inferred"},
    "s2gan_soft": {"labels": "inferred_soft"},
    "s2gan_co": {"labels": "true", "classifier": 0.2},
    "s3gan": {"labels": "inferred", **SS},
    "s3gan_co": {"labels": "true", "classifier": 0.2, **SS},
}
TITLES = {
    "biggan": "BIGGAN",
    "random_label": "RANDOM LABEL",
    "single_label": "SINGLE LABEL",
    "single_label_ss": "SINGLE LABEL (SS)",
    "clustering": "CLUSTERING",
    "clustering_ss": "CLUSTERING (SS)",
    "biggan_only": "BIGGAN",
    "s2gan": "S2GAN",
    "s2gan_soft": "S2GAN SOFT",
    "s2gan_co": "S2GAN-CO",
    "s3gan": "S3GAN",
    "s3gan_co": "S3GAN-CO",
}
CHANGES: dict[str, dict[str, Any]] = {
    "biggan": {"labels": "true"},
    **UNSUPERVISED,
    **{
        f"{method}_{k}": {"fraction": k / 100, **loss, **({"labeller": f"labeller_{k}"} if loss["labels"] in READ else {})}
        for method, loss in LABELLED.items()
        for k in PERCENTS
    },
}
LABELLERS = {"rotation": 0.0, **{f"labeller_{k}": k / 100 for k in PERCENTS}}  # model -> share of the labels

GENERATORS: dict[str, dict[str, Any]] = {
    "smoke": {"channels": (16, 16, 8, 8), "d_channels": (8, 16, 16, 16), "attention": 0, "z_part": 4, "embedding": 8},
    "demo": {
        "channels": (64, 64, 32, 16),
        "d_channels": (16, 32, 64, 64),
        "attention": 0,
        "z_part": 8,
        "embedding": 32,
        "spectral": False,
    },
    "paper": {"channels": tuple(96 * m for m in (16, 16, 8, 4, 2, 1)), "d_channels": tuple(96 * m for m in (1, 2, 4, 8, 16, 16))},
}
LABELLER_NETWORKS: dict[str, dict[str, Any]] = {
    "smoke": {"stem": 8, "channels": (8, 16, 16), "blocks": (1, 1, 1)},
    "demo": {"stem": 16, "channels": (32, 64, 128), "blocks": (1, 1, 1), "start": 2},
    "paper": {  # ResNet-50 v2 of widening factor 16, which is four times the usual width (1901.09005)
        "stem": 256, "channels": tuple(1024 * m for m in (1, 2, 4, 8)), "blocks": (3, 4, 6, 3), "bottleneck": 4, "start": 4,
    },
}  # fmt: skip


def _gan(model: str, preset: str, data_name: str, size: dict) -> biggan.Schedule:
    change, C = CHANGES[model], size["C"]
    C = {"single": 1, "clusters": CLUSTERS[preset]}.get(change["labels"], C)
    heads: dict[str, Any] = {"rotations": "rotation_d" in change, "classifier": "classifier" in change}
    widths = GENERATORS[preset]
    if preset == "demo" and size["height"] == 16:  # half of what the widths are for: a block less
        widths = widths | {"channels": widths["channels"][:-1], "d_channels": widths["d_channels"][1:]}
    return biggan.Schedule(C=C, height=size["height"], width=size["width"], **heads, **widths)


def _labeller(preset: str, data_name: str, size: dict) -> labeller.Schedule:
    return labeller.Schedule(C=size["C"], height=size["height"], width=size["width"], **LABELLER_NETWORKS[preset])


SCHEDULES: dict[str, Callable[[str, str, dict], Any]] = {
    **{model: partial(_gan, model) for model in CHANGES},
    **dict.fromkeys(LABELLERS, _labeller),
}

# beta at `paper`: section 4 has 0.5 for S3GAN and 1.0 for S3GAN-CO
_LOSS = {model: ClassGan(**change) for model, change in CHANGES.items()}
_SMALL = {model: replace(loss, r1=0.1) for model, loss in _LOSS.items()}  # D has no spectral norm
_LABELLING = {model: Labelling(fraction=fraction) for model, fraction in LABELLERS.items()}
LOSS = {
    **{model: {"smoke": _LOSS[model], "demo": _SMALL[model], "paper": _LOSS[model]} for model in CHANGES},
    **{model: dict.fromkeys(("smoke", "demo", "paper"), loss) for model, loss in _LABELLING.items()},
}
for _model in (f"s3gan_{k}" for k in PERCENTS):
    LOSS[_model] = LOSS[_model] | {"paper": replace(_LOSS[_model], rotation_d=0.5)}
for _model, _loss in _LABELLING.items():  # digits do not look alike in a mirror
    LOSS[_model] = LOSS[_model] | {(preset, "digits"): replace(_loss, mirror=False) for preset in ("smoke", "demo", "paper")}

_ADAM = {"beta1": 0.0, "beta2": 0.999, "constant": 1.0}
_GAN_TRAIN = {
    "smoke": {"batch": 8, "lr_g": 1e-3, "lr_d": 1e-3, "snapshots": 2},
    "demo": {"steps": 1000, "batch": 32, "lr_g": 1e-3, "lr_d": 1e-3, "beta2": 0.99, "ema": 0.99, "standing": 20,
             "snapshots": 5, "sample_every": 200, "checkpoint_every": 100},
    # 250,000 steps of G, each after two of D on 2,048 images
    "paper": {**_ADAM, "steps": 250_000, "batch": 2048, "d_steps": 2, "lr_g": 5e-5, "lr_d": 2e-4, "ema": 0.9999,
              "standing": 50, "snapshots": 25, "precision": "bf16-mixed", "checkpoint_every": 1000, "sample_every": 5000},
}  # fmt: skip
_LABELLER_TRAIN = {
    "smoke": {"batch": 8, "lr_g": 1e-3, "standing": 0, "ema": 0.0},
    "demo": {"steps": 400, "batch": 16, "lr_g": 2e-3, "beta1": 0.9, "beta2": 0.999, "constant": 0.3, "ema": 0.0, "standing": 0,
             "checkpoint_every": 100, "sample_every": 300},
    # 65 epochs of 1,281,167 images, 512 at a time: each is turned four times
    "paper": {"optimizer": "sgd", "beta1": 0.9, "lr_g": 0.1 * 2048 / 256, "steps": 65 * 2503, "batch": 512, "constant": 0.7,
              "standing": 0},
}  # fmt: skip
_ON_DIGITS = {"steps": 600, "sample_every": 200}  # fewer, simpler pictures
TRAIN = {
    **{(model, preset): changes for model in CHANGES for preset, changes in _GAN_TRAIN.items()},
    **{(model, preset): changes for model in LABELLERS for preset, changes in _LABELLER_TRAIN.items()},
    **{(model, "demo", REAL): _ON_DIGITS for model in (*CHANGES, *LABELLERS)},
}
# What `make reproduce` runs of itself; `make reproduce PAPER=s3gan` runs all, on both data sets
DEFAULT = (*LABELLERS, "biggan", "random_label", "single_label", "single_label_ss", "clustering", "biggan_only_20", "s2gan_20",
           "s2gan_soft_20", "s2gan_co_20", "s3gan_20")  # fmt: skip
EXPERIMENTS: tuple[tuple[str, str], ...] = tuple((model, DATA) for model in DEFAULT)
EVERYTHING: tuple[tuple[str, str], ...] = tuple((model, name) for name in (DATA, REAL) for model in (*LABELLERS, *CHANGES))
