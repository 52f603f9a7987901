"""The registry of models: a plain dict from a name to what the loop, the store and the tables need of it.

A new model is one file with a frozen schedule, its `Networks`, its loss weights and objective, and one line here
(and its presets in `presets.py`).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import nn

from ..losses import PairedGan, PairedGanObjective, Perceptual, VaeGan, VaeGanObjective
from ..multimodal import Bicycle, BicycleObjective, DiversitySensitive, DiversitySensitiveObjective
from ..segmentation_gan import SegmentationGan, SegmentationGanObjective
from . import bicyclegan, groupdnet, oasis, pix2pixhd, spade


@dataclass(frozen=True)
class Model:
    """`title` is the row name in the tables; then the four types that make up a two-player model.

    `multimodal`: whether there is a code, so that one label map has many images. Where not, z is None.
    `measures`: groups of metrics that its paper's tables need beside those of every model (see `evaluate`).
    """

    title: str
    schedule: type
    networks: Callable[[Any], nn.Module]
    loss: type
    objective: Callable[[Any, Perceptual | None], Any]
    multimodal: bool = True
    measures: tuple[str, ...] = ()


def _smis(title: str) -> Model:
    return Model(title, groupdnet.Schedule, groupdnet.Networks, VaeGan, VaeGanObjective)


OASIS_MEASURES = ("variation", "realism")  # of the rows of its tables


def _oasis(title: str, *more: str) -> Model:
    measures = (*OASIS_MEASURES, *more)
    return Model(title, oasis.Schedule, oasis.Networks, SegmentationGan, SegmentationGanObjective, measures=measures)


def _patch(title: str) -> Model:
    return Model(title, oasis.Schedule, oasis.Networks, PairedGan, PairedGanObjective, measures=OASIS_MEASURES)


MODELS: dict[str, Model] = {
    "mulnet": _smis("MulNet"),
    "groupnet": _smis("GroupNet"),
    "groupenc": _smis("GroupEnc"),
    "groupdec": _smis("GroupDec"),
    "vspade": _smis("VSPADE"),
    "groupdnet": _smis("GroupDNet"),
    "groupdnet_whole": _smis("w/o split input"),
    "groupdnet_vector": _smis("w/o encoder-produced mean/var maps"),
    "groupdnet_maps": _smis("w/ encoder-produced mean/var maps"),
    "groupdnet_groupnorm": _smis("w/ GroupNorm instead of BN"),
    "groupdnet_unsynced": _smis("w/o SyncBN"),
    "groupdnet_free": _smis("w/o SpecNorm"),
    "bicyclegan": Model("BicycleGAN", bicyclegan.Schedule, bicyclegan.Networks, Bicycle, BicycleObjective),
    "dscgan": Model("DSCGAN", bicyclegan.Schedule, bicyclegan.Networks, DiversitySensitive, DiversitySensitiveObjective),
    "pix2pixhd": Model("pix2pixHD", pix2pixhd.Schedule, pix2pixhd.Networks, PairedGan, PairedGanObjective, multimodal=False),
    "spade": Model("SPADE", spade.Schedule, spade.Networks, PairedGan, PairedGanObjective, multimodal=False),
    "spade_vae": Model("SPADE with VAE", spade.Schedule, spade.Networks, VaeGan, VaeGanObjective, measures=OASIS_MEASURES),
    "oasis": _oasis("OASIS", "rare_classes"),
    "oasis_perceptual": _oasis("OASIS + perceptual loss"),
    "oasis_unmixed": _oasis("w/o LabelMix"),
    "oasis_unbalanced": _oasis("w/o class balancing", "rare_classes"),
    "oasis_patch": _patch("SPADE+ (no VGG)"),
    "oasis_patch_perceptual": _patch("SPADE+ (VGG)"),
}
