"""The values of the rows of SPADE's own tables 3 to 5 (1903.07291), which SMIS does not have, and of its VAE.

A row is SPADE or pix2pixHD with one thing changed. They are many, so at `demo` each is trained for fewer and smaller steps
than the models of SMIS table 2; `spade_short` and `pix2pixhd_short` are those models at that length, for a fair comparison.

The printed numbers of parameters decide what the words leave open: at `paper` on ADE20K the rows of table 3 and the middle of
table 4 have exactly those (to the million). Compact is 48 instead of 64 filters; the decoder takes the labels beside every
convolution's input, pix2pixHD++ beside every residual block's; its SPADE replaces all norms, those of the encoder too.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from ..losses import PairedGan
from . import baselines
from .baselines import SPADE

WIDTH = {"compact": 48 / 64, "wide": 80 / 64}  # share of the filters
# row -> what differs in the schedule; "width": in the generator's filters, "deeper": in the discriminator's layers (the
# paper does not say by how many)
CHANGED_SPADE: dict[str, dict[str, Any]] = {
    "spade_short": {},
    "spade_compact": {"width": WIDTH["compact"]},
    "spade_wide": {"width": WIDTH["wide"]},
    "spade_concat": {"conditioning": "concat"},
    "spade_noise": {"start": "noise"},
    "spade_kernel5": {"kernel": 5},
    "spade_kernel1": {"kernel": 1},
    "spade_unsynced": {"norm": "unsynced"},
    "spade_instance": {"norm": "instance"},
    "spade_without_perceptual": {},
    "spade_without_feature": {},
    "spade_deeper": {"deeper": 1},
}
CHANGED_PIX2PIXHD: dict[str, dict[str, Any]] = {
    "pix2pixhd_short": {},
    "pix2pixhdpp": {"norm": "batch"},
    "pix2pixhdpp_spade": {"norm": "spade"},
    "pix2pixhdpp_concat": {"norm": "batch", "concat": True},
    "pix2pixhdpp_compact": {"norm": "batch", "width": WIDTH["compact"]},
    "pix2pixhdpp_unsynced": {"norm": "unsynced"},
    "pix2pixhdpp_free": {"norm": "unsynced", "spectral": False},
}
TABLE_3 = (  # in the paper's order
    *("spade_short", "spade_compact", "spade_concat", "pix2pixhdpp_spade", "pix2pixhdpp_concat", "pix2pixhdpp"),
    *("pix2pixhdpp_compact", "pix2pixhd_short"),
)
TABLE_4 = {  # what is varied -> the paper's name of each value -> its row
    "generator input": {"segmap": "spade_short", "random": "spade_noise"},
    "kernel size": {"5x5": "spade_kernel5", "3x3": "spade_short", "1x1": "spade_kernel1"},
    "filters": {"#params 141M": "spade_wide", "#params 96M": "spade_short", "#params 61M": "spade_compact"},
    "norm": {"Sync BatchNorm": "spade_short", "BatchNorm": "spade_unsynced", "InstanceNorm": "spade_instance"},
}
TABLE_5 = (
    *("spade_short", "spade_without_perceptual", "spade_without_feature", "spade_deeper", "pix2pixhdpp_spade"),
    *("pix2pixhdpp", "pix2pixhdpp_unsynced", "pix2pixhdpp_free", "pix2pixhd_short"),
)
ROWS = tuple(dict.fromkeys([*TABLE_3, *(row for part in TABLE_4.values() for row in part.values()), *TABLE_5]))
DATA = "rooms"  # of the tables: many classes
STYLE = ("spade_vae", "streets")  # of the style transfer: a street has an hour, a season, a colour of stone

NOISE = {"smoke": 16, "demo": 64, "paper": 256}  # z_dim of the random input, as that of the VAE


def _spade(row: str, preset: str, data_name: str, size: dict) -> Any:
    changed = dict(CHANGED_SPADE[row])
    whole = baselines.SCHEDULES["spade"](preset, data_name, size)
    width, deeper = changed.pop("width", 1), changed.pop("deeper", 0)
    if "start" in changed:
        changed["z_dim"] = NOISE[preset]
    channels = tuple(round(c * width) for c in whole.channels)
    return replace(whole, channels=channels, d_layers=whole.d_layers + deeper, **changed)


def _pix2pixhd(row: str, preset: str, size: dict) -> Any:
    changed = dict(CHANGED_PIX2PIXHD[row])
    whole = baselines.SCHEDULES["pix2pixhd"](preset, "", size)
    width = changed.pop("width", 1)
    hidden = SPADE[preset].get("hidden", whole.hidden) if changed.get("norm") == "spade" else whole.hidden
    return replace(whole, channels=round(whole.channels * width), hidden=hidden, **changed)


# model -> (preset, data set's name, {C, height, width, instance_edge}) -> its schedule
SCHEDULES: dict[str, Callable[[str, str, dict], Any]] = {
    **{row: lambda preset, name, size, row=row: _spade(row, preset, name, size) for row in CHANGED_SPADE},
    **{row: lambda preset, name, size, row=row: _pix2pixhd(row, preset, size) for row in CHANGED_PIX2PIXHD},
}

_AS_SPADE = baselines.LOSS["spade"]
LOSS: dict[str, dict[str, PairedGan]] = {
    **dict.fromkeys((*CHANGED_SPADE, *CHANGED_PIX2PIXHD), _AS_SPADE),  # pix2pixHD++ is trained as SPADE is
    "pix2pixhd_short": baselines.LOSS["pix2pixhd"],
    "spade_without_perceptual": {p: replace(loss, perceptual=0.0, backbone="none") for p, loss in _AS_SPADE.items()},
    "spade_without_feature": {p: replace(loss, feature=0.0) for p, loss in _AS_SPADE.items()},
}

_SHORT = {"steps": 100, "batch": 4, "ema": 0.95, "standing": 20, "sample_every": 100, "checkpoint_every": 100}
TRAIN = {(row, "demo"): _SHORT for row in ROWS}
TRAIN[("pix2pixhd_short", "paper")] = baselines.TRAIN[("pix2pixhd", "paper")]

EXPERIMENTS: tuple[tuple[str, str], ...] = (*((row, DATA) for row in ROWS), STYLE)
