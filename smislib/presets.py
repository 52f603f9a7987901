"""The values behind `smoke`, `demo` and `paper`: the one place to look up, and to change, what an experiment uses.

smoke  every experiment in seconds: continuous integration
demo   the default: the whole set within the hour on two CPU cores
paper  as published, on CUDA (SMIS 4.1, appendices A and B)
"""

import math
from dataclasses import replace
from typing import Any

from torch import nn

from . import config, data, runs
from .config import DataSpec, EvalSpec, Experiment, TrainSpec
from .errors import SmisError, did_you_mean
from .losses import VaeGan
from .models import MODELS
from .models.groupdnet import Schedule

PRESETS = ("smoke", "demo", "paper")
TABLE_1 = ("mulnet", "groupnet", "groupenc", "groupdec", "vspade", "groupdnet")  # the paper's row order

DATA_SPECS = {
    "mannequins": {
        "smoke": DataSpec("mannequins", 32, 32, n_train=64, n_test=32),
        "demo": DataSpec("mannequins", 64, 64, n_train=2000, n_test=400),
        "paper": DataSpec("mannequins", 256, 256, n_train=29000, n_test=2500),
    },
    "streets": {
        "smoke": DataSpec("streets", 32, 64, n_train=64, n_test=32),
        "demo": DataSpec("streets", 64, 128, n_train=2000, n_test=400),
        "paper": DataSpec("streets", 256, 512, n_train=2975, n_test=2500),
    },
    "rooms": {
        "smoke": DataSpec("rooms", 32, 32, n_train=64, n_test=32),
        "demo": DataSpec("rooms", 64, 64, n_train=2000, n_test=400),
        "paper": DataSpec("rooms", 256, 256, n_train=20210, n_test=2500),
    },
    "photos": {
        "smoke": DataSpec("photos", 32, 32, n_train=48, n_test=32),
        "demo": DataSpec("photos", 64, 64, n_train=1500, n_test=400, flip=True),
        "paper": DataSpec("photos", 256, 256, n_train=8000, n_test=1000, flip=True),
    },
    "custom": {
        "smoke": DataSpec("custom", 32, 32),
        "demo": DataSpec("custom", 64, 64, flip=True),
        "paper": DataSpec("custom", 256, 256, flip=True),
    },
}

TRAIN = {
    "smoke": TrainSpec(steps=6, batch=4, lr_g=2e-3, lr_d=2e-3, beta2=0.99, reuse_fake=True, threads=1,
                       log_every=1, sample_every=3, checkpoint_every=2),
    "demo": TrainSpec(steps=1200, batch=8, lr_g=2e-3, lr_d=2e-3, beta2=0.99, ema=0.99, reuse_fake=True, threads=1,
                      log_every=10, sample_every=100, checkpoint_every=100),
    # 29,000 images, batch 32: 907 steps an epoch, 60 epochs at a constant rate and 40 of decay
    "paper": TrainSpec(steps=90_700, batch=32, log_every=50, sample_every=2000, checkpoint_every=2000),
}  # fmt: skip

LOSS = {
    "smoke": VaeGan(feature=2.0, perceptual=2.0, kl=0.02, backbone="embedded"),
    "demo": VaeGan(feature=2.0, perceptual=10.0, kl=0.004, backbone="embedded"),
    # The released code sums the KL over the 8 images of each of 4 GPUs and means every other term: 0.05 x 8.
    "paper": VaeGan(feature=10.0, perceptual=10.0, kl=0.4, backbone="vgg19"),
}

EVALUATION = {
    "smoke": EvalSpec(n_fid=32, n_maps=2, m_pairs=2),
    "demo": EvalSpec(n_fid=400, n_maps=40, m_pairs=9),
    "paper": EvalSpec(n_fid=2500, n_maps=100, m_pairs=19, backbone="paper"),
}


MANY = 16  # classes; with more of them the widths no longer grow in proportion


def smis_schedule(model: str, preset: str, height: int, width: int, C: int, instance_edge: bool = False) -> Schedule:
    """The schedule of one SMIS variant. `instance_edge`: the labels carry the instance edge after the C classes.

    GroupDNet at `paper` and C = 8 is the released DeepFashion network.
    """
    if preset == "paper":
        nf, multipliers, hidden = 160, (16, 16, 16, 8, 4, 2, 1), 128
        encoder, d_channels, d_layers = [256 * m for m in (1, 2, 4, 8, 8, 8)], 64, 4
    elif preset == "demo":
        nf, multipliers, hidden = 16, (8, 8, 4, 1, 1), 16
        encoder, d_channels, d_layers = [32, 64, 64, 128], 24, 3
    else:
        nf, multipliers, hidden = 8, (4, 4, 2, 1), 8
        encoder, d_channels, d_layers = [16, 32, 32], 8, 3
    if preset != "paper" and model in ("mulnet", "groupnet", "groupdec"):
        multipliers = (*multipliers[:-2], 2, 2)  # C groups to the end: two channels a class could not hold a colour
    unit = nf * C // 8  # widths above are for eight classes
    blocks = len(multipliers)
    plain, every, falling = (1,) * blocks, (C,) * blocks, falling_groups(C, blocks)
    groups = {"groupdnet": falling, "groupenc": plain, "vspade": plain}.get(model, every)
    channels, hidden, shared = tuple(unit * m for m in multipliers), (hidden * C // 8,) * blocks, groups
    encoder = tuple(e * C // 8 for e in encoder)
    if C > MANY:
        channels, falling, encoder = many_classes(preset, C)
        if model == "groupdnet":
            groups = falling
        elif groups == every:
            channels = tuple(C * max(4, math.ceil(n / C)) for n in channels)
        unit = channels[-1]
        hidden = tuple(2 * C if C % g == 0 else math.lcm(C, g) for g in groups)
        shared = (C,) * blocks
    whole = model in ("vspade", "groupdec")
    fuses = groups[-1] != 1
    return Schedule(
        C=C,
        height=height,
        width=width,
        channels=channels,
        groups=groups,
        hidden=hidden,
        shared_groups=shared,
        affine_groups=groups,
        encoder_channels=encoder,
        encoder_groups=1 if whole else C,
        class_view="whole" if whole else ("crop" if preset == "paper" else "mask"),
        code="map" if preset == "paper" else "vector",
        encoder_norm="instance" if preset == "paper" else "none",
        init_gain=0.02 if preset == "paper" else 1.0,
        mask_features=model == "mulnet",
        fusion=1 if fuses else 0,
        fusion_channels=unit if fuses else 0,
        instance_edge=instance_edge,
        d_channels=d_channels,
        d_layers=d_layers,
    )


def many_classes(preset: str, C: int) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
    """Channels and groups of GroupDNet's blocks and the encoder's channels for many classes, as the released ADE20K network
    has them: C groups at the start grid alone, then few, whose widths do not depend on C.
    """
    if preset == "paper":
        per_class, later, groups, encoder = 16, (2048, 1024, 1024, 512, 256, 128), (16, 16, 8, 4, 2, 1), (4, 8, 16, 32, 32, 32)
    elif preset == "demo":
        per_class, later, groups, encoder = 8, (256, 128, 64, 32), (8, 4, 2, 1), (4, 4, 8, 8)
    else:
        per_class, later, groups, encoder = 4, (64, 32, 16), (4, 2, 1), (2, 4, 4)
    return (per_class * C, *later), (C, *groups), tuple(C * n for n in encoder)


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


def data_spec(name: str, preset: str, root: str | None = None) -> DataSpec:
    """The data set of a preset; `root` is the folder of a real one."""
    if name not in DATA_SPECS:
        raise did_you_mean("data set", name, DATA_SPECS)
    if preset not in PRESETS:
        raise did_you_mean("preset", preset, PRESETS)
    spec = DATA_SPECS[name][preset]
    if name == "custom" and root is None:
        raise SmisError("data set 'custom' needs its folder: --root FOLDER (see `smis data check custom FOLDER`).")
    return replace(spec, root=root) if root else spec


def experiment(
    model: str,
    data_name: str = "mannequins",
    preset: str = "demo",
    seed: int = 0,
    root: str | None = None,
    assignments: dict[str, str] | None = None,
) -> Experiment:
    """The experiment that `model` on `data_name` is at `preset`, with `assignments` such as {"train.steps": "100"}."""
    if model not in MODELS:
        raise did_you_mean("model", model, MODELS)
    spec = data_spec(data_name, preset, root)
    overrides = dict(assignments or {})
    for key in ("model", "preset", "seed"):  # they choose the values below: assigned afterwards, they would mislabel them
        if key in overrides:
            raise SmisError(f"{key} cannot be assigned, it is an argument: smis train MODEL --preset NAME --seed N.")
    sized = {k.removeprefix("data."): overrides.pop(k) for k in list(overrides) if k.startswith("data.")}
    spec = config.replace(spec, sized)
    classes = data.classes(spec)
    base = Experiment(
        model=model,
        preset=preset,
        seed=seed,
        data=spec,
        network=smis_schedule(model, preset, spec.height, spec.width, len(classes), instance_edge=bool(classes.things)),
        loss=LOSS[preset],
        train=TRAIN[preset],
        evaluation=EVALUATION[preset],
    )
    return config.replace(base, overrides)


def build(model: str, data_name: str = "mannequins", preset: str = "demo", **arguments: Any) -> nn.Module:
    """The untrained networks of an experiment; `arguments` as of `experiment`."""
    return runs.build(experiment(model, data_name, preset, **arguments))


def batch(networks: nn.Module, split: str = "test", n: int = 8, first: int = 0) -> dict:
    """n images of the data set that loaded networks were trained on, with their `labels`, on the CPU."""
    spec = networks.experiment.data
    images = data.open_split(spec, split)
    if not 0 <= first < first + n <= len(images):
        raise SmisError(f"images {first} to {first + n - 1} asked for, the {split} split of {spec.name} has {len(images)}.")
    found = data.collate([images[i] for i in range(first, first + n)])
    return found | {"labels": data.labels(found, data.classes(spec))}
