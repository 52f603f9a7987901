"""The values of `smoke`, `demo` and `paper` for the baselines of SMIS tables 1 and 2."""

from collections.abc import Callable
from typing import Any

from ..losses import PairedGan, VaeGan
from ..models import bicyclegan, pix2pixhd, spade
from ..multimodal import Bicycle, DiversitySensitive

D = {  # all of them have GroupDNet's discriminator at `smoke` and `demo`
    "smoke": {"d_channels": 8, "d_layers": 3, "init_gain": 1.0},
    "demo": {"d_channels": 24, "d_layers": 3, "init_gain": 1.0},
    "paper": {},
}
SPADE = {
    "smoke": {"channels": tuple(8 * m for m in (4, 4, 2, 1)), "hidden": 8},
    "demo": {"channels": tuple(16 * m for m in (8, 8, 4, 2, 1)), "hidden": 16},
    "paper": {"channels": tuple(64 * m for m in (16, 16, 16, 8, 4, 2, 1))},
}
SPADE_ENCODER = {
    "smoke": {"encoder_channels": (16, 32, 32), "encoder_norm": "none", "z_dim": 16},
    "demo": {"encoder_channels": (32, 64, 64, 128), "encoder_norm": "none", "z_dim": 64},
    "paper": {"encoder_channels": tuple(64 * m for m in (1, 2, 4, 8, 8, 8))},
}
PIX2PIXHD = {"smoke": (8, 2, 1), "demo": (16, 3, 3), "paper": (64, 4, 9)}  # channels, halvings, blocks
UNET = {
    "smoke": (8, 16, 16, 16),
    "demo": (16, 32, 64, 64, 64),
    "paper": (64, 128, 256, 512, 512, 512, 512, 512),
}
UNET_ENCODER = {"smoke": (8, 16), "demo": (16, 32, 48, 64), "paper": (64, 128, 192, 256, 256)}


def _spade(preset: str, data_name: str, size: dict, encoder: dict) -> spade.Schedule:
    # As released: one more doubling for the wide frames of Cityscapes than for squares
    same_size = (2,) if preset == "paper" and data_name != "cityscapes" else ()
    return spade.Schedule(**size, same_size=same_size, **SPADE[preset], **encoder, **D[preset])


def _pix2pixhd(preset: str, size: dict) -> pix2pixhd.Schedule:
    channels, halvings, blocks = PIX2PIXHD[preset]
    return pix2pixhd.Schedule(**size, channels=channels, halvings=halvings, blocks=blocks, **D[preset])


def _unet(preset: str, size: dict, encoder: tuple[int, ...]) -> bicyclegan.Schedule:
    channels = UNET[preset][: bicyclegan.levels(size["height"], size["width"])]
    return bicyclegan.Schedule(**size, channels=channels, encoder_channels=encoder, **D[preset])


# model -> (preset, data set's name, {C, height, width, instance_edge}) -> its schedule
SCHEDULES: dict[str, Callable[[str, str, dict], Any]] = {
    "bicyclegan": lambda preset, name, size: _unet(preset, size, UNET_ENCODER[preset]),
    "dscgan": lambda preset, name, size: _unet(preset, size, ()),
    "pix2pixhd": lambda preset, name, size: _pix2pixhd(preset, size),
    "spade": lambda preset, name, size: _spade(preset, name, size, {}),
    "spade_vae": lambda preset, name, size: _spade(preset, name, size, SPADE_ENCODER[preset]),
}

_SMALL: dict[str, Any] = {"feature": 2.0, "backbone": "embedded"}  # as GroupDNet's
LOSS: dict[str, dict[str, Any]] = {
    "bicyclegan": dict.fromkeys(("smoke", "demo", "paper"), Bicycle()),
    "dscgan": dict.fromkeys(("smoke", "demo", "paper"), DiversitySensitive()),
    "pix2pixhd": {
        "smoke": PairedGan("lsgan", perceptual=2.0, **_SMALL),
        "demo": PairedGan("lsgan", perceptual=10.0, **_SMALL),
        "paper": PairedGan("lsgan", gan=2.0),  # released: the sum over two scales
    },
    "spade": {
        "smoke": PairedGan(perceptual=2.0, **_SMALL),
        "demo": PairedGan(perceptual=10.0, **_SMALL),
        "paper": PairedGan(),
    },
    "spade_vae": {
        "smoke": VaeGan(perceptual=2.0, kl=0.02, **_SMALL),
        "demo": VaeGan(perceptual=10.0, kl=0.015, kl_warmup=0.5, **_SMALL),
        "paper": VaeGan(kl=0.2),  # released: 0.05, summed over the 4 images of each of 8 GPUs
    },
}

# What differs from the optimiser of `presets.TRAIN` (SPADE's is GroupDNet's): Adam as pix2pix set it
_PIX2PIX = {"lr_g": 2e-4, "lr_d": 2e-4, "beta1": 0.5, "beta2": 0.999, "constant": 0.5}
TRAIN = {(model, "paper"): _PIX2PIX for model in ("bicyclegan", "dscgan", "pix2pixhd")}

EXPERIMENTS: tuple[tuple[str, str], ...] = ()  # rows of SMIS's own tables: see `presets`
