"""The values of `smoke`, `demo` and `paper` for pix2pix (1611.07004): section 3.3, appendix 6, and what its tables change."""

from functools import partial
from typing import Any

from ..models.bicyclegan import levels
from ..models.pix2pix import Pix2Pix, Schedule

CHANNELS = {  # of G's levels, as many of them as the size can be halved
    "smoke": (8, 16, 16),
    "demo": (16, 32, 64, 64),
    "paper": (64, 128, 256, 512, 512, 512, 512, 512),
}
D_CHANNELS = {"smoke": 8, "demo": 16, "paper": 64}
DROPOUT = {"smoke": 1, "demo": 1, "paper": 3}  # levels of the way up
# Of 256 rows a patch of 70 sees a quarter, one of 286 everything. `demo` has 48 rows: a third, and everything.
PATCH = {"smoke": 16, "demo": 16, "paper": 70}

DATA = LABELS = "streets_from_labels"  # of the tables
PHOTO_TO_LABELS = "streets_to_labels"
# The tables' rows: model -> its row in the paper. Tables share networks: the last row of each is one of Table 1.
OBJECTIVES = {
    "pix2pix_l1": "L1",
    "pix2pix_gan": "GAN",
    "pix2pix_cgan": "cGAN",
    "pix2pix_l1_gan": "L1+GAN",
    "pix2pix": "L1+cGAN",
}  # Table 1
GENERATORS = {
    "pix2pix_encdec_l1": "Encoder-decoder (L1)",
    "pix2pix_encdec": "Encoder-decoder (L1+cGAN)",
    "pix2pix_l1": "U-net (L1)",
    "pix2pix": "U-net (L1+cGAN)",
}  # Table 2
PATCHES = {
    "pix2pix_pixelgan": "1x1",
    "pix2pix_patch16": "16x16",
    "pix2pix": "70x70",
    "pix2pix_imagegan": "286x286",
}  # Table 3
INVERSE = {model: OBJECTIVES[model] for model in ("pix2pix_l1", "pix2pix_cgan", "pix2pix")}  # Table 6
TASKS = {  # data set -> what is made from what
    LABELS: "labels to photo",
    PHOTO_TO_LABELS: "photo to labels",
    "streets_to_night": "day to night",
    "photos_from_edges": "edges to photo",
    "photos_from_grey": "grey to colour",
    "facades": "labels to facade",
    "cityscapes_pairs": "labels to street",
    "maps": "aerial to map",
    "maps_to_aerial": "map to aerial",
}

# What each variant changes; the patches by preset
CHANGES: dict[str, dict[str, Any]] = {
    "pix2pix": {},
    "pix2pix_l1": {"discriminator": "none"},
    "pix2pix_gan": {"discriminator": "unconditional"},
    "pix2pix_cgan": {},
    "pix2pix_l1_gan": {"discriminator": "unconditional"},
    "pix2pix_encdec": {"skips": False},
    "pix2pix_encdec_l1": {"skips": False, "discriminator": "none"},
    "pix2pix_pixelgan": {"patch": {"smoke": 1, "demo": 1, "paper": 1}},
    "pix2pix_patch16": {"patch": {"smoke": 7, "demo": 7, "paper": 16}},
    "pix2pix_imagegan": {"patch": {"smoke": 34, "demo": 70, "paper": 286}},
}


def _schedule(model: str, preset: str, data_name: str, size: dict) -> Schedule:
    changes = dict(CHANGES[model])
    patch = changes.pop("patch", PATCH)[preset]
    channels = CHANNELS[preset][: levels(size["height"], size["width"])]
    dropout = min(DROPOUT[preset], len(channels) - 1)
    return Schedule(**size, channels=channels, dropout=dropout, d_channels=D_CHANNELS[preset], patch=patch, **changes)


SCHEDULES = {model: partial(_schedule, model) for model in CHANGES}

_ADVERSARIAL_ALONE = ("pix2pix_gan", "pix2pix_cgan")
LOSS = {
    model: dict.fromkeys(("smoke", "demo", "paper"), Pix2Pix(l1=0.0 if model in _ADVERSARIAL_ALONE else 100.0))
    for model in CHANGES
}

# Adam as in section 3.3, batch 1. A few hundred steps need a rate ten times as high, and small batches give more of them. Half
# of the rate for D: to Adam its halved loss is the same loss.
_ADAM = {"beta1": 0.5, "beta2": 0.999, "constant": 0.5}
_SMALL = {**_ADAM, "lr_g": 2e-3, "lr_d": 1e-3, "standing": 0}
_OF_PRESET = {
    "smoke": _SMALL,
    "demo": {**_SMALL, "steps": 500, "batch": 4},
    "paper": {**_ADAM, "lr_g": 2e-4, "lr_d": 2e-4, "batch": 1},
}
TRAIN = {(model, preset): changes for model in CHANGES for preset, changes in _OF_PRESET.items()}

EXPERIMENTS: tuple[tuple[str, str], ...] = (
    *((model, LABELS) for model in dict.fromkeys((*OBJECTIVES, *GENERATORS, *PATCHES))),
    *((model, PHOTO_TO_LABELS) for model in INVERSE),
    *(("pix2pix", task) for task in ("photos_from_edges", "photos_from_grey", "streets_to_night")),
)
# The paper's own A|B folders. Its Figure 4 has facades beside streets, with these losses.
FIGURE_4 = ("pix2pix_l1", "pix2pix_cgan", "pix2pix")
ON_FOLDERS: tuple[tuple[str, str], ...] = (
    *((model, "facades") for model in FIGURE_4),
    *(("pix2pix", task) for task in ("cityscapes_pairs", "maps", "maps_to_aerial")),
)
