"""From a data set's size and classes to the widths and groups of each network: SMIS Table 4 and what goes with it.

`smoke` and `demo` follow the same rules as `paper` in small.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from . import papers
from .errors import SmisError
from .models.groupdnet import Schedule

ABLATION = ("mulnet", "groupnet", "groupenc", "groupdec", "vspade", "groupdnet")  # one file's schedules
# Variant -> the groups of its blocks, of C and of what GroupDNet has at that preset and data set (`Widths.falling`). The groups
# and the widths of the CG-Norms follow. What is not in `ABLATION` is GroupDNet with other groups, and a row of Table 3.
GROUPS: dict[str, Callable[[int, tuple[int, ...]], tuple[int, ...]]] = {
    "mulnet": lambda C, falling: (C,) * len(falling),
    "groupnet": lambda C, falling: (C,) * len(falling),
    "groupenc": lambda C, falling: (1,) * len(falling),
    "groupdec": lambda C, falling: (C,) * len(falling),
    "vspade": lambda C, falling: (1,) * len(falling),
    "groupdnet": lambda C, falling: falling,
}
CHANGED = {  # SMIS appendix D: GroupDNet with one thing changed -> that thing
    "groupdnet_whole": {"class_view": "whole"},
    "groupdnet_vector": {"code": "vector"},
    "groupdnet_maps": {"code": "map"},
    "groupdnet_groupnorm": {"norm": "group"},
    "groupdnet_unsynced": {"norm": "unsynced"},
    "groupdnet_free": {"spectral": False},
}
MANY = 16  # classes; with more of them the widths no longer grow in proportion


@dataclass(frozen=True)
class Widths:
    """What the schedules of all variants on one data set are made of."""

    channels: tuple[int, ...]  # of each generator block
    falling: tuple[int, ...]  # GroupDNet's groups
    cgnorm: Callable[[int], tuple[int, int, int]]  # a block's groups -> its CG-Norm's hidden width, shared, affine groups
    encoder: tuple[int, ...]
    d_channels: int = 64
    d_layers: int = 4
    fusion: int | None = None  # channels of the fusing convolution; None: those of the last block
    instance_edge: bool = False
    unused: int = 0  # channels of the block that is built and never used


ENCODER = (1, 2, 4, 8, 8, 8)
RELEASED = {  # at `paper`, with what only the released code says
    "cityscapes": Widths(
        channels=tuple(280 * m for m in (16, 16, 16, 8, 4, 2, 1)),
        falling=(35, 35, 20, 14, 10, 4, 1),
        cgnorm=lambda g: (35 * g, 35, 35),
        encoder=tuple(350 * m for m in ENCODER),
        instance_edge=True,
    ),
    "ade20k": Widths(
        channels=(16 * 151, *(64 * m for m in (32, 16, 16, 8, 4, 2))),
        falling=(151, 16, 16, 8, 4, 2, 1),
        cgnorm=lambda g: (2 * 151 if 151 % g == 0 else 151 * g, 151, g),
        encoder=tuple(604 * m for m in ENCODER),
        unused=64,
    ),
}


def schedule(model: str, preset: str, height: int, width: int, C: int, data_name: str = "", instance_edge: bool = False) -> Any:
    """The schedule of any model. `instance_edge`: the labels carry the instance edge after the C classes."""
    if model in CHANGED:
        return replace(smis_schedule("groupdnet", preset, height, width, C, data_name, instance_edge), **CHANGED[model])
    if model not in papers.SCHEDULES:
        return smis_schedule(model, preset, height, width, C, data_name, instance_edge)
    edge = instance_edge or (data_name in RELEASED and RELEASED[data_name].instance_edge)
    size = {"C": C, "height": height, "width": width, "instance_edge": edge}
    return papers.SCHEDULES[model](preset, data_name, size)


def smis_schedule(
    model: str, preset: str, height: int, width: int, C: int, data_name: str = "", instance_edge: bool = False
) -> Schedule:
    """The schedule of one SMIS variant, a key of `GROUPS`. `instance_edge`: the labels carry that edge after the C classes.

    GroupDNet at `paper` is the released network for `cityscapes` and `ade20k`, and for C = 8 that of DeepFashion.
    The ablations, which the paper has on DeepFashion alone, take the same widths, made multiples of C where they
    keep C groups to the end. Raises SmisError for a model of which nothing says what its groups are.
    """
    if model not in GROUPS:
        raise SmisError(
            f"model {model!r} has no schedule: name it in CHANGED or GROUPS of smislib/schedules.py (a GroupDNet with something "
            "changed), or in SCHEDULES and LOSS of a module of smislib/papers; see CONTRIBUTING.md."
        )
    if preset == "paper" and data_name in RELEASED:
        w = RELEASED[data_name]
    else:
        w = _many_classes(preset, C) if C > MANY else _in_proportion(model, preset, C)
    groups = GROUPS[model](C, w.falling)
    channels, fuses = w.channels, groups[-1] != 1
    if fuses:
        least = 4 if C > MANY and preset != "paper" else 1  # channels a class: with fewer it could not hold a colour
        channels = tuple(C * max(least, math.ceil(n / C)) for n in channels)
    hidden, shared_groups, affine_groups = zip(*map(w.cgnorm, groups), strict=True)
    if preset == "demo" and not fuses and C <= MANY:
        hidden = (*hidden[:-1], hidden[-1] // 2)  # gamma and beta cost most at full resolution
    whole = model in ("vspade", "groupdec")
    return Schedule(
        C=C,
        height=height,
        width=width,
        channels=channels,
        groups=groups,
        hidden=hidden,
        shared_groups=shared_groups,
        affine_groups=affine_groups,
        encoder_channels=w.encoder,
        encoder_groups=1 if whole else C,
        class_view="whole" if whole else "crop",
        code="map" if preset == "paper" else "vector",
        encoder_norm="instance" if preset == "paper" else "none",
        init_gain=0.02 if preset == "paper" else 1.0,
        mask_features=model == "mulnet",
        fusion=1 if fuses else 0,
        fusion_channels=(w.fusion or w.channels[-1]) if fuses else 0,
        instance_edge=instance_edge or w.instance_edge,
        unused_channels=w.unused if model == "groupdnet" else 0,
        d_channels=w.d_channels,
        d_layers=w.d_layers,
    )


def _in_proportion(model: str, preset: str, C: int) -> Widths:
    """Widths that grow with the number of classes, given for eight: at `paper` those of the released DeepFashion network.

    At `demo` more than eight classes have half as many channels each: two cores have an hour for everything.
    """
    eighths = C / 2 if preset == "demo" and C > 8 else C
    if preset == "paper":
        nf, multipliers, hidden = 160, (16, 16, 16, 8, 4, 2, 1), 128
        encoder, d_channels, d_layers = [256 * m for m in ENCODER], 64, 4
    elif preset == "demo":
        nf, multipliers, hidden = 16, (8, 8, 4, 2, 1), 16
        encoder, d_channels, d_layers = [32, 64, 64, 128], 24, 3
    else:
        nf, multipliers, hidden = 8, (4, 4, 2, 1), 8
        encoder, d_channels, d_layers = [16, 32, 32], 8, 3
    if preset != "paper" and model in ("mulnet", "groupnet", "groupdec"):
        multipliers = (*multipliers[:-2], 2, 2)  # C groups to the end: two channels a class could not hold a colour
    return Widths(
        channels=tuple(int(nf * eighths / 8) * m for m in multipliers),
        falling=falling_groups(C, len(multipliers)),
        cgnorm=lambda g: (int(hidden * eighths / 8), g, g),
        encoder=tuple(int(e * eighths / 8) for e in encoder),
        d_channels=d_channels,
        d_layers=d_layers,
        fusion=int(nf * eighths / 8),
    )


def _many_classes(preset: str, C: int) -> Widths:
    """As the released ADE20K network has it: C groups at the start grid alone, then few, whose widths do not depend on C."""
    if preset == "paper":
        per_class, later, groups, encoder = 16, (2048, 1024, 1024, 512, 256, 128), (16, 16, 8, 4, 2, 1), (4, 8, 16, 32, 32, 32)
    elif preset == "demo":
        per_class, later, groups, encoder = 4, (128, 64, 32, 16), (8, 4, 2, 1), (2, 4, 4, 8)
    else:
        per_class, later, groups, encoder = 4, (64, 32, 16), (4, 2, 1), (2, 4, 4)
    return Widths(
        channels=(per_class * C, *later),
        falling=(C, *groups),
        cgnorm=lambda g: ((C if preset == "demo" else 2 * C) if C % g == 0 else math.lcm(C, g), C, g),
        encoder=tuple(C * n for n in encoder),
        d_channels={"paper": 64, "demo": 24}.get(preset, 8),
        d_layers=4 if preset == "paper" else 3,
    )


def falling_groups(C: int, blocks: int) -> tuple[int, ...]:
    """GroupDNet's rule (SMIS 3.4): C for the first two blocks, then divisors of C that fall to 1 at the last.

    For C = 8 and seven blocks: 8, 8, 4, 4, 2, 2, 1, the DeepFashion schedule.
    """
    if blocks < 3:
        raise SmisError(f"decreasing groups need at least 3 blocks, found {blocks}: C, C, and 1 at the last.")
    divisors = [d for d in range(C, 0, -1) if C % d == 0]
    last, later = len(divisors) - 1, blocks - 2
    between = (divisors[min(last, 1 + i * (last - 1) // (later - 1))] for i in range(later - 1))
    return (C, C, *between, 1)
