"""The registry of models: a plain dict from a name to what the loop, the store and the tables need of it.

A new model is one file with a frozen schedule, its `Networks`, its loss weights and objective, and one line here
(and its presets in `presets.py`).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import nn

from ..losses import Perceptual, VaeGan, VaeGanObjective
from . import groupdnet


@dataclass(frozen=True)
class Model:
    """`title` is the row name in the tables; the rest are the four types that make up a two-player model."""

    title: str
    schedule: type
    networks: Callable[[Any], nn.Module]
    loss: type
    objective: Callable[[Any, Perceptual | None], Any]


def _smis(title: str) -> Model:
    return Model(title, groupdnet.Schedule, groupdnet.Networks, VaeGan, VaeGanObjective)


MODELS: dict[str, Model] = {
    "mulnet": _smis("MulNet"),
    "groupnet": _smis("GroupNet"),
    "groupenc": _smis("GroupEnc"),
    "groupdec": _smis("GroupDec"),
    "vspade": _smis("VSPADE"),
    "groupdnet": _smis("GroupDNet"),
}
