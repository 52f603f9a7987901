"""The values of `smoke`, `demo` and `paper` for OASIS (2012.04781) and the rows of its tables.

`paper`: the released training on ADE20K, Cityscapes and COCO-Stuff, as NOTICE.md names it.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from ..losses import PairedGan
from ..models import oasis
from ..segmentation_gan import SegmentationGan

VARIANTS = ("oasis", "oasis_perceptual", "oasis_unmixed", "oasis_unbalanced")
# SPADE+, the paper's own baseline: PatchGAN and hinge loss, without feature matching, on OASIS's generator and noise. So it is
# at once the row of the discriminator's ablation: nothing else differs.
PATCH = ("oasis_patch", "oasis_patch_perceptual")
ROWS = ("spade", "spade_vae", *PATCH, *VARIANTS)  # of the tables

NETWORKS = {
    "smoke": {"channels": tuple(8 * m for m in (4, 4, 2, 1)), "hidden": 8, "z_dim": 8,
              "d_channels": (8, 16, 16), "d_last": 8, "d_layers": 3, "init_gain": 1.0},
    "demo": {"channels": (64, 48, 32, 16), "hidden": 12, "z_dim": 8,
             "d_channels": (12, 24, 32, 48), "d_last": 12, "d_layers": 3, "init_gain": 1.0, "d_spectral": False},
    "paper": {"channels": tuple(64 * m for m in (16, 16, 8, 4, 2, 1))},
}  # fmt: skip
D_CHANNELS = {"smoke": (8,), "demo": (24,), "paper": (64,)}  # of a PatchGAN: SPADE's


def _oasis(preset: str, size: dict, **changed: Any) -> oasis.Schedule:
    return oasis.Schedule(**size, **NETWORKS[preset] | changed)


def _patch(preset: str, size: dict) -> oasis.Schedule:
    return _oasis(preset, size, discriminator="patch", d_channels=D_CHANNELS[preset])


SCHEDULES: dict[str, Callable[[str, str, dict], Any]] = {
    **{model: lambda preset, name, size: _oasis(preset, size) for model in VARIANTS},
    **{model: lambda preset, name, size: _patch(preset, size) for model in PATCH},
}

_BACKBONE = {"smoke": "embedded", "demo": "embedded", "paper": "vgg19"}

# ADE20K and COCO-Stuff have the class "unknown" last, Cityscapes "unlabeled" first: neither player learns from their pixels
_OASIS = {
    "smoke": SegmentationGan(),
    "demo": SegmentationGan(labelmix=2.0),
    "paper": SegmentationGan(),
    ("paper", "ade20k"): SegmentationGan(unlabelled=150),
    ("paper", "coco_stuff"): SegmentationGan(unlabelled=182),
    ("paper", "cityscapes"): SegmentationGan(labelmix=5.0, unlabelled=0),
}


def _changed(**changes: Any) -> dict:
    return {key: replace(weights, **changes) for key, weights in _OASIS.items()}


def _perceptual(weight: float) -> dict:
    backbones = {key: _BACKBONE[key if isinstance(key, str) else key[0]] for key in _OASIS}
    return {key: replace(weights, perceptual=weight, backbone=backbones[key]) for key, weights in _OASIS.items()}


LOSS = {
    "oasis": _OASIS,
    "oasis_perceptual": _perceptual(10.0),
    "oasis_unmixed": _changed(labelmix=0.0),
    "oasis_unbalanced": _changed(balanced=False),
    "oasis_patch": dict.fromkeys(_BACKBONE, PairedGan(feature=0.0, perceptual=0.0, backbone="none")),
    "oasis_patch_perceptual": {preset: PairedGan(feature=0.0, backbone=backbone) for preset, backbone in _BACKBONE.items()},
}

# Steps: 200 epochs of ADE20K (20,210 images, batch 32) and Cityscapes (2,975, 20), 100 of COCO-Stuff (118,287, 32)
_PAPER = {"lr_g": 1e-4, "lr_d": 4e-4, "beta1": 0.0, "beta2": 0.999, "constant": 1.0, "ema": 0.9999, "standing": 50}
_PAPER_ON = {
    "ade20k": {"steps": 200 * 631, "batch": 32},
    "cityscapes": {"steps": 200 * 148, "batch": 20, "lr_g": 4e-4, "ema": 0.999},
    "coco_stuff": {"steps": 100 * 3696, "batch": 32},
}
STEPS = 300  # of each row at `demo`
_DEMO = {"steps": STEPS, "batch": 4, "sample_every": STEPS, "checkpoint_every": STEPS, "standing": 20}
# Adam moves a weight by up to lr / sqrt(1 - beta2) at once where its gradient was small for long, as in a class that is rare; D
# has no spectral norm at `demo` to bear that: with beta2 0.99 half of the trainings diverged
_DEMO_OASIS = _DEMO | {"lr_d": 4e-3, "beta2": 0.9}
TRAIN = {
    **{(model, "demo"): _DEMO_OASIS for model in VARIANTS},
    **{(model, "demo"): _DEMO for model in PATCH},
    ("oasis", "demo", "mannequins"): {"steps": 2 * STEPS, "sample_every": 2 * STEPS, "checkpoint_every": 2 * STEPS},
    **{(model, "paper"): _PAPER for model in (*VARIANTS, *PATCH)},
    **{(model, "paper", name): changes for model in (*VARIANTS, *PATCH) for name, changes in _PAPER_ON.items()},
}

DATA = "streets"  # of the tables: it has objects, and SPADE is trained there for SMIS table 2
MEETS = "mannequins"  # where GroupDNet's control of classes is measured
EXPERIMENTS: tuple[tuple[str, str], ...] = (
    *((model, DATA) for model in ROWS if model != "spade"),
    ("oasis", MEETS),
)
