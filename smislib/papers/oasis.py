"""The values of `smoke`, `demo` and `paper` for OASIS (2012.04781) and the rows of its tables.

`paper`: the released training on ADE20K, Cityscapes and COCO-Stuff, as NOTICE.md names it.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from ..losses import PairedGan
from ..models import oasis
from ..segmentation_gan import SegmentationGan
from . import baselines

VARIANTS = ("oasis", "oasis_perceptual", "oasis_patch", "oasis_unmixed", "oasis_unbalanced")
ROWS = ("spade", "spade_adversarial", "spade_vae", *VARIANTS)  # of the tables, SPADE's first

NETWORKS = {
    "smoke": {"channels": tuple(8 * m for m in (4, 4, 2, 1)), "hidden": 8, "z_dim": 8,
              "d_channels": (8, 16, 16), "d_last": 8, "d_layers": 3, "init_gain": 1.0},
    "demo": {"channels": tuple(16 * m for m in (6, 4, 2, 1)), "hidden": 16, "z_dim": 16,
             "d_channels": (16, 32, 48, 64), "d_last": 16, "d_layers": 3, "init_gain": 1.0},
    "paper": {"channels": tuple(64 * m for m in (16, 16, 8, 4, 2, 1))},
}  # fmt: skip
PATCH = {"smoke": (8,), "demo": (24,), "paper": (64,)}  # the first width of SPADE's discriminator


def _oasis(preset: str, size: dict, **changed: Any) -> oasis.Schedule:
    return oasis.Schedule(**size, **NETWORKS[preset] | changed)


SCHEDULES: dict[str, Callable[[str, str, dict], Any]] = {
    **{model: lambda preset, name, size: _oasis(preset, size) for model in VARIANTS},
    "oasis_patch": lambda preset, name, size: _oasis(preset, size, discriminator="patch", d_channels=PATCH[preset]),
    "spade_adversarial": baselines.SCHEDULES["spade"],
}

# ADE20K and COCO-Stuff have the class "unknown" last, Cityscapes "unlabeled" first: neither player learns from their pixels
_OASIS = {
    "smoke": SegmentationGan(),
    "demo": SegmentationGan(),
    "paper": SegmentationGan(),
    ("paper", "ade20k"): SegmentationGan(unlabelled=150),
    ("paper", "coco_stuff"): SegmentationGan(unlabelled=182),
    ("paper", "cityscapes"): SegmentationGan(labelmix=5.0, unlabelled=0),
}


def _changed(**changes: Any) -> dict:
    return {key: replace(weights, **changes) for key, weights in _OASIS.items()}


_ADVERSARIAL = dict.fromkeys(("smoke", "demo", "paper"), PairedGan(feature=0.0, perceptual=0.0, backbone="none"))
LOSS = {
    "oasis": _OASIS,
    "oasis_perceptual": _changed(perceptual=10.0, backbone="vgg19")
    | {preset: SegmentationGan(perceptual=10.0, backbone="embedded") for preset in ("smoke", "demo")},
    "oasis_unmixed": _changed(labelmix=0.0),
    "oasis_unbalanced": _changed(balanced=False),
    "oasis_patch": _ADVERSARIAL,
    "spade_adversarial": _ADVERSARIAL,
}

# Steps: 200 epochs of ADE20K (20,210 images, batch 32) and Cityscapes (2,975, 20), 100 of COCO-Stuff (118,287, 32)
_PAPER = {"lr_g": 1e-4, "lr_d": 4e-4, "beta1": 0.0, "beta2": 0.999, "constant": 1.0, "ema": 0.9999, "standing": 50}
_PAPER_ON = {
    "ade20k": {"steps": 200 * 631, "batch": 32},
    "cityscapes": {"steps": 200 * 148, "batch": 20, "lr_g": 4e-4, "ema": 0.999},
    "coco_stuff": {"steps": 100 * 3696, "batch": 32},
}
_TRAINED = (*VARIANTS, "spade_adversarial")
TRAIN = {
    **{(model, "paper"): _PAPER for model in _TRAINED},
    **{(model, "paper", name): changes for model in _TRAINED for name, changes in _PAPER_ON.items()},
}

DATA = "streets"  # of the tables: it has objects, and SPADE is trained there for SMIS table 2
MEETS = "mannequins"  # where GroupDNet's control of classes is measured
EXPERIMENTS: tuple[tuple[str, str], ...] = (
    *((model, DATA) for model in ROWS if model != "spade"),
    ("oasis", MEETS),
)
