"""The values behind `smoke`, `demo` and `paper`: the one place to look up, and to change, what an experiment uses.

smoke  every experiment in seconds: continuous integration
demo   the default: SMIS within the hour on two CPU cores, the other papers in half of another
paper  as published, on CUDA (SMIS 4.1, appendices A and B)
"""

from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from . import atomic, config, data, papers, paths, runs
from .config import DataSpec, EvalSpec, Experiment, TrainSpec
from .data import aligned, class_folders, formats, views
from .errors import SmisError, did_you_mean
from .losses import VaeGan
from .metrics import backbones
from .models import MODELS
from .schedules import ABLATION, CHANGED, GROUPS, schedule

PRESETS = ("smoke", "demo", "paper")
OF_FILES = (*formats.NAMES, *aligned.INPUT_SIDE, *class_folders.SPLITS)  # the data sets that may have a --root
TABLE_1 = (*ABLATION[:-1], "bicyclegan", "dscgan", "groupdnet")  # the paper's row order
TABLE_2 = ("bicyclegan", "dscgan", "pix2pixhd", "spade", "groupdnet")  # likewise

# The paper's data sets, and what stands in for each where there are no folders.
STANDS_FOR = {"mannequins": "deepfashion", "streets": "cityscapes", "rooms": "ade20k"}
# What DATA_ROOT may have in the place of a data set of the tables of pix2pix, SPADE and OASIS: of these the first that is there.
# SPADE and OASIS print their tables for both Cityscapes and ADE20K. A|B folders have no label maps for a segmenter to find.
FOLDERS = {
    "mannequins": ("custom", "deepfashion", "cityscapes", "ade20k"),
    "streets": ("custom", "cityscapes", "ade20k"),
    "rooms": ("custom", "ade20k", "cityscapes"),
    "streets_from_labels": ("custom_from_labels", "cityscapes_from_labels", "cityscapes_pairs", "facades", "maps_to_aerial"),
    "streets_to_labels": ("custom_to_labels", "cityscapes_to_labels"),
    **{name: (name,) for name in aligned.PUBLISHED},
}
_PAPER = {"deepfashion": "DeepFashion", "cityscapes": "Cityscapes", "ade20k": "ADE20K"}
PAPER_NAMES = _PAPER | {stand_in: _PAPER[real] for stand_in, real in STANDS_FOR.items()}  # as the column headings have them

DATA_SPECS = {
    "mannequins": {
        "smoke": DataSpec("mannequins", 32, 32, n_train=64, n_test=32),
        "demo": DataSpec("mannequins", 48, 48, n_train=2000, n_test=400),
        "paper": DataSpec("mannequins", 256, 256, n_train=29000, n_test=2500),
    },
    "streets": {
        "smoke": DataSpec("streets", 32, 64, n_train=64, n_test=32),
        "demo": DataSpec("streets", 48, 96, n_train=1000, n_test=400),
        "paper": DataSpec("streets", 256, 512, n_train=2975, n_test=2500),
    },
    "rooms": {
        "smoke": DataSpec("rooms", 32, 32, n_train=64, n_test=32),
        "demo": DataSpec("rooms", 48, 48, n_train=1000, n_test=400),
        "paper": DataSpec("rooms", 256, 256, n_train=20210, n_test=2500),
    },
    "tokens": {
        "smoke": DataSpec("tokens", 32, 32, n_train=480, n_test=64),  # 5 % of the labels: one of each class
        "demo": DataSpec("tokens", 32, 32, n_train=4800, n_test=1000),
        "paper": DataSpec("tokens", 128, 128, n_train=50000, n_test=10000),
    },
    "digits": {
        "smoke": DataSpec("digits", 32, 32, n_train=400, n_test=64),
        "demo": DataSpec("digits", 16, 16, n_train=1437, n_test=360),
        "paper": DataSpec("digits", 128, 128, n_train=1437, n_test=360),
    },
    **{
        name: {
            "smoke": DataSpec(name, 32, 32),
            "demo": DataSpec(name, 64, 64, flip=True),
            "paper": DataSpec(name, 128, 128, flip=True),  # all that the folder has: 1,281,167 of the whole ImageNet
        }
        for name in ("imagenet", "classes")
    },
    "photos": {
        "smoke": DataSpec("photos", 32, 32, n_train=48, n_test=32),
        "demo": DataSpec("photos", 48, 48, n_train=1500, n_test=400, flip=True),
        "paper": DataSpec("photos", 256, 256, n_train=8000, n_test=1000, flip=True),
    },
    "custom": {
        "smoke": DataSpec("custom", 32, 32),
        "demo": DataSpec("custom", 64, 64, flip=True),
        "paper": DataSpec("custom", 256, 256, flip=True),
    },
    "deepfashion": {
        "smoke": DataSpec("deepfashion", 32, 32),
        "demo": DataSpec("deepfashion", 64, 64, flip=True),
        "paper": DataSpec("deepfashion", 256, 256, flip=True),
    },
    "cityscapes": {
        "smoke": DataSpec("cityscapes", 32, 64),
        "demo": DataSpec("cityscapes", 64, 128, flip=True),
        "paper": DataSpec("cityscapes", 256, 512, n_train=2975, n_test=500, flip=True),
    },
    "ade20k": {
        "smoke": DataSpec("ade20k", 32, 32),
        "demo": DataSpec("ade20k", 64, 64, flip=True),
        "paper": DataSpec("ade20k", 256, 256, n_train=20210, n_test=2000, flip=True, margin=30 / 256),
    },
    "coco_stuff": {
        "smoke": DataSpec("coco_stuff", 32, 32),
        "demo": DataSpec("coco_stuff", 64, 64, flip=True),
        "paper": DataSpec("coco_stuff", 256, 256, n_train=118287, n_test=5000, flip=True, margin=30 / 256),
    },
}
# The views of pix2pix have the sizes and counts of what they look at; real streets, as A|B folders, its random jitter
# (appendix 6.2).
JITTER = 30 / 256
DATA_SPECS |= {
    name: {preset: replace(spec, name=name) for preset, spec in DATA_SPECS[view.of].items()} for name, view in views.VIEWS.items()
}
DATA_SPECS |= {
    name: {
        "smoke": DataSpec(name, 32, 32),
        "demo": DataSpec(name, 64, 64, flip=True),
        "paper": DataSpec(name, 256, 256, *aligned.PUBLISHED.get(name, (None, None)), flip=True, margin=JITTER),
    }
    for name in aligned.INPUT_SIDE
}
for _name in ("cityscapes_from_labels", "cityscapes_to_labels"):
    DATA_SPECS[_name]["paper"] = replace(DATA_SPECS[_name]["paper"], margin=JITTER)

TRAIN = {
    "smoke": TrainSpec(steps=6, batch=4, lr_g=2e-3, lr_d=2e-3, beta2=0.99, reuse_fake=True, standing=2, threads=1,
                       log_every=1, sample_every=3, checkpoint_every=2),
    "demo": TrainSpec(steps=600, batch=8, lr_g=2e-3, lr_d=2e-3, beta2=0.99, ema=0.99, reuse_fake=True, standing=50, threads=1,
                      log_every=10, sample_every=100, checkpoint_every=100),
    # 29,000 images, batch 32: 907 steps an epoch, 60 epochs at a constant rate and 40 of decay
    "paper": TrainSpec(steps=90_700, batch=32, log_every=50, sample_every=2000, checkpoint_every=2000),
}  # fmt: skip

LOSS = {
    "smoke": VaeGan(feature=2.0, perceptual=2.0, kl=0.02, backbone="embedded"),
    "demo": VaeGan(feature=2.0, perceptual=10.0, kl=0.015, kl_warmup=0.5, backbone="embedded"),
    # The released code sums the KL over the 8 images of each of 4 GPUs and means every other term: 0.05 x 8.
    "paper": VaeGan(feature=10.0, perceptual=10.0, kl=0.4, backbone="vgg19"),
}

EVALUATION = {
    "smoke": EvalSpec(n_fid=32, n_maps=2, m_pairs=2),
    "demo": EvalSpec(n_fid=400, n_maps=40, m_pairs=9),
    "paper": EvalSpec(n_fid=2500, n_maps=100, m_pairs=19, backbone="paper"),
}

# What a data set changes at a preset: at `paper` SMIS 4.1 and appendix A; for COCO-Stuff, which SMIS does not use, SPADE 4.1.
# Away from DeepFashion the paper measures no diversity (Table 2), and 48 classes would take an hour of it: n_maps 0.
_TABLE_2_ALONE = {
    "train": replace(TRAIN["demo"], steps=300),
    "evaluation": replace(EVALUATION["demo"], n_maps=0),
}
OF_DATA: dict[tuple[str, str], dict[str, Any]] = {
    **{(name, "smoke"): {"evaluation": replace(EVALUATION["smoke"], n_maps=0)} for name in ("streets", "rooms")},
    ("streets", "demo"): _TABLE_2_ALONE,
    ("rooms", "demo"): _TABLE_2_ALONE,
    ("photos", "demo"): {"train": replace(TRAIN["demo"], steps=300)},
    # 92 steps an epoch, 100 epochs and 100 of decay; measured on all 500 images of the validation set
    ("cityscapes", "paper"): {
        "train": replace(TRAIN["paper"], steps=200 * 92, constant=0.5),
        "evaluation": replace(EVALUATION["paper"], n_fid=500, n_maps=0),
    },
    # batch 16: 1,263 steps an epoch, 4 images a GPU in the sum of the KL
    ("ade20k", "paper"): {
        "train": replace(TRAIN["paper"], steps=200 * 1263, batch=16, constant=0.5),
        "evaluation": replace(EVALUATION["paper"], n_fid=2000, n_maps=0),
        "loss": replace(LOSS["paper"], kl=0.2),
    },
    # 3,696 steps an epoch, 100 epochs
    ("coco_stuff", "paper"): {
        "train": replace(TRAIN["paper"], steps=100 * 3696, constant=1.0),
        "evaluation": replace(EVALUATION["paper"], n_fid=5000, n_maps=0),
    },
}
# A picture has no classes whose codes could be drawn: n_maps 0
OF_DATA |= {
    (name, preset): {"evaluation": replace(EVALUATION[preset], n_maps=0)}
    for name in (*views.VIEWS, *aligned.INPUT_SIDE)
    for preset in PRESETS
}
OF_DATA |= {  # of facades fewer images are held out than `demo` measures elsewhere
    (name, "demo"): {"evaluation": replace(EVALUATION["demo"], n_maps=0, n_fid=min(n, EVALUATION["demo"].n_fid))}
    for name, (_, n) in aligned.PUBLISHED.items()
}
# 200 epochs of batch 1 (pix2pix appendix 6.2), measured on all images of the test split
OF_DATA |= {
    (name, "paper"): {
        "train": replace(TRAIN["paper"], steps=200 * spec.n_train, constant=0.5),
        "evaluation": replace(EVALUATION["paper"], n_fid=spec.n_test, n_maps=0),
    }
    for name in (*views.VIEWS, *aligned.PUBLISHED)
    for spec in (DATA_SPECS[name]["paper"],)
    if spec.n_train
}
# Nor has a class-conditional GAN label maps: FID and IS, on as many images as are held out, at `paper` 50,000 (S3GAN section 4)
OF_DATA |= {
    (name, preset): {"evaluation": replace(EVALUATION[preset], n_maps=0, n_fid=n)}
    for name, counts in {
        "tokens": (64, 1000, 10_000), "digits": (64, 360, 360), "imagenet": (32, 1000, 50_000), "classes": (32, 400, 2500)
    }.items()
    for preset, n in zip(PRESETS, counts, strict=True)
}  # fmt: skip


def table_3(preset: str) -> tuple[str, ...]:
    """The rows of Table 3: GroupDNet with one thing changed that it has at this preset, or with other groups, and itself.

    At `paper` its codes are maps, and the table asks what they are worth; at `smoke` and `demo` they are vectors.
    """
    same = "groupdnet_maps" if preset == "paper" else "groupdnet_vector"
    changed = (model for model in (*CHANGED, *GROUPS) if model not in (same, *ABLATION))
    return (*changed, "groupdnet")


def tables_data() -> dict[str, str | None]:
    """The data sets of the tables -> their folders: the stand-ins, which need none, or what is in `DATA_ROOT`.

    `DATA_ROOT` is a custom folder (with classes.json), which then is all there is, or holds a folder for each of the
    paper's data sets that one has: deepfashion, cityscapes, ade20k. Raises SmisError when it is neither.
    """
    root = paths.data_root()
    if root is None:
        return dict.fromkeys(STANDS_FOR)
    found: dict[str, str | None] = {
        name: str(folder) for name in ("custom", *STANDS_FOR.values()) if (folder := _folder(name, root))
    }
    if not found:
        raise SmisError(
            f"DATA_ROOT={root} has neither classes.json (a custom folder) nor one of the folders "
            f"{', '.join(STANDS_FOR.values())}: see `smis data check`. PAPER=pix2pix alone can also do with one of the folders "
            f"{', '.join(dict.fromkeys(map(_folder_name, aligned.PUBLISHED)))}."
        )
    return found


def main_data() -> tuple[str, str | None]:
    """The data set of Tables 1 and 3, and its folder: the first of `tables_data`."""
    return next(iter(tables_data().items()))


def _folder_name(name: str) -> str:
    """What the folder of a data set, or of what it is a view of, is called in DATA_ROOT."""
    return views.source(aligned.FOLDERS.get(name, name))


def _folder(name: str, root: Path) -> Path | None:
    """Where a data set lies in DATA_ROOT; None where it does not. A custom folder is all there is."""
    custom = (root / "classes.json").exists()
    folder = root if _folder_name(name) == "custom" else root / _folder_name(name)
    return folder if custom == (folder == root) and folder.is_dir() else None


def place(name: str) -> tuple[str, str | None] | None:
    """(data set, its folder) on which tables of pix2pix, SPADE and OASIS have what is theirs on the data set `name`; None where
    that is left out.

    Without DATA_ROOT it is `name` itself. With it, what stands in for real data gives way to the first of its `FOLDERS` that is
    there and is left out where none is; photographs, streets at night and what S3GAN uses stand in for no folder and stay.
    """
    root = paths.data_root()
    if root is None:
        return None if name in aligned.INPUT_SIDE else (name, None)
    if name not in FOLDERS:
        return name, None
    return next(((real, str(folder)) for real in FOLDERS[name] if (folder := _folder(real, root))), None)


def left_out() -> dict[str, str]:
    """Papers beside SMIS whose tables have no data in DATA_ROOT -> a sentence that says so."""
    reasons = {}
    for name, module in papers.NAMES.items():
        if place(module.DATA) is None:
            wanted = dict.fromkeys(_folder_name(real) for real in FOLDERS[module.DATA] if views.source(real) != "custom")
            reasons[name] = (
                f"DATA_ROOT={paths.data_root()} has none of the folders {', '.join(wanted)}, "
                f"on one of which the tables of {name} are made."
            )
    return reasons


def rows(paper: str, everything: bool = False) -> list[tuple[str, str, str | None]]:
    """The experiments of a paper beside SMIS as (model, data set, folder): those of `papers.of`, each at its `place`.

    Raises SmisError where the paper is `left_out`.
    """
    if reason := left_out().get(paper):
        raise SmisError(reason)
    pairs = papers.of(paper if everything else None)[paper]
    return list(dict.fromkeys((model, *found) for model, name in pairs if (found := place(name))))


def check_preset(preset: str) -> None:
    """Raise SmisError for a preset that there is not: it names folders of figures and of notebooks."""
    if preset not in PRESETS:
        raise did_you_mean("preset", preset, PRESETS)


def data_spec(name: str, preset: str, root: str | None = None) -> DataSpec:
    """The data set of a preset; `root` is the folder of a real one."""
    if name not in DATA_SPECS:
        raise did_you_mean("data set", name, DATA_SPECS)
    check_preset(preset)
    spec = DATA_SPECS[name][preset]
    if root and views.source(name) not in OF_FILES:
        raise SmisError(f"{name} are drawn by the library and have no folder, found --root {root}: leave it out.")
    return replace(spec, root=str(Path(root).expanduser().resolve())) if root else spec  # one folder, one name, one hash


def experiment(
    model: str,
    data_name: str = "mannequins",
    preset: str = "demo",
    seed: int = 0,
    root: str | None = None,
    assignments: dict[str, str] | None = None,
) -> Experiment:
    """The experiment that `model` on `data_name` is at `preset`, with `assignments` such as {"train.steps": "100"}.

    `root`: the folder of a data set that is one. Nothing is trained: `smislib.train.train` takes what this gives. Raises
    SmisError for a name, a key or a value that there is not, and for values of which no network can be built.
    """
    if model not in MODELS:
        raise did_you_mean("model", model, MODELS)
    spec = data_spec(data_name, preset, root)
    overrides = dict(assignments or {})
    for key in ("model", "preset", "seed", "made_with"):  # they choose the values below, or follow from them
        if key in overrides:
            raise SmisError(f"{key} cannot be assigned: give the arguments, smis train MODEL --preset NAME --seed N.")
    for key, option in {"data.name": "--data NAME", "data.root": "--root FOLDER"}.items():
        if key in overrides:
            raise SmisError(f"{key} cannot be assigned: give the argument, {option}.")
    sized = {k.removeprefix("data."): overrides.pop(k) for k in list(overrides) if k.startswith("data.")}
    spec = config.replace(spec, sized, "data.")
    made = config.replace(assemble(model, preset, seed, spec), overrides)
    if any(key.startswith("network.") for key in overrides):
        _check_network(made)
    return _made_with(made)


def _check_network(e: Experiment) -> None:
    """Raise SmisError for values of `--set network.` that no network can be built of."""
    C = data.classes(e.data).inputs
    if not MODELS[e.model].whole and e.network.C != C:
        raise SmisError(f"network.C={e.network.C} does not fit {e.data.name}, whose labels have {C} channels.")
    try:
        with torch.device("meta"):  # without memory
            runs.build(e)
    except SmisError:
        raise
    except Exception as error:  # whatever the values do to torch
        raise SmisError(f"the values network.* make no {e.model} that can be built: {atomic.first_line(error)}.") from error


def as_it_stands(e: Experiment) -> bool:
    """Whether an experiment is its preset, and not one that `--set` changed, or from before the preset changed: those carry the
    preset's name but not its values."""
    return e.hash == experiment(e.model, e.data.name, e.preset, e.seed, e.data.root).hash


def _made_with(e: Experiment) -> Experiment:
    """The experiment with what its training reads beside its own values."""
    made_with = data.made_with(e.data)
    if e.loss.backbone == "embedded":
        made_with += (f"perceptual {backbones.file_hash(backbones.shipped('perceptual'))}",)
    return replace(e, made_with=made_with + tuple(f"labels {needed.hash}" for needed in needs(e)))


def needs(e: Experiment) -> list[Experiment]:
    """The experiments that must be trained before e: for S3GAN the network that reads the labels of e's images."""
    if not getattr(e.loss, "reads", ""):
        return []
    if e.loss.reads not in (readers := [name for name, model in MODELS.items() if not model.generates]):
        raise did_you_mean("labeller", e.loss.reads, readers)
    labeller = assemble(e.loss.reads, e.preset, e.seed, e.data)
    return [_made_with(replace(labeller, loss=replace(labeller.loss, fraction=e.loss.fraction)))]


def assemble(model: str, preset: str, seed: int, spec: DataSpec) -> Experiment:
    """The experiment that `model` is at `preset` on a data set, whose files need not be here.

    Raises SmisError for a model of label maps on images of one class each, and the other way round; and for one whose values
    are not of the types that MODELS gives it.
    """
    classes = data.classes(spec)
    if classes.whole != MODELS[model].whole:
        has, wants = (("label maps", "one class for each image")[whole] for whole in (classes.whole, MODELS[model].whole))
        fitting = "tokens, digits, imagenet or classes" if MODELS[model].whole else "mannequins, streets, rooms or your own"
        raise SmisError(f"{model} learns from {wants}, {spec.name} has {has}: take {fitting}.")
    own = OF_DATA.get((spec.name, preset), {})
    network = schedule(model, preset, spec.height, spec.width, classes.inputs, spec.name, bool(classes.things))
    loss = papers.loss(model, preset, spec.name) or own.get("loss", LOSS[preset])
    for values, found, wanted in (("SCHEDULES", network, MODELS[model].schedule), ("LOSS", loss, MODELS[model].loss)):
        if not isinstance(found, wanted):
            raise SmisError(
                f"{model} would have a {type(found).__module__}.{type(found).__name__} at {preset}, MODELS says "
                f"{wanted.__module__}.{wanted.__name__}: give it one in {values} of a module of smislib/papers; see "
                "CONTRIBUTING.md."
            )
    return Experiment(
        model=model,
        preset=preset,
        seed=seed,
        data=spec,
        network=network,
        loss=loss,
        train=replace(own.get("train", TRAIN[preset]), **papers.train(model, preset, spec.name)),
        evaluation=evaluation(spec.name, preset),
    )


def evaluation(data_name: str, preset: str) -> EvalSpec:
    """The protocol of the measurements on a data set, whose files need not be here."""
    return OF_DATA.get((data_name, preset), {}).get("evaluation", EVALUATION[preset])


def build(model: str, data_name: str = "mannequins", preset: str = "demo", **arguments: Any) -> nn.Module:
    """The untrained networks G, E and D (None where the model has none) of an experiment; `arguments` as of `experiment`."""
    return runs.build(experiment(model, data_name, preset, **arguments))


def batch(networks: nn.Module, split: str = "test", n: int = 8, first: int = 0) -> dict:
    """n images, from `first` on, of the "train" or "test" split of what loaded networks were trained on, on the CPU.

    A dict: `image` float (n,3,H,W) in [-1,1], `label_map` int64 (n,H,W), its one-hot `labels` float (n,C,H,W), `name`; the
    rest, and what stands there for data sets without label maps, as of `data.open_split`. Raises SmisError where the split
    has fewer images.
    """
    spec = networks.experiment.data
    images = data.open_split(spec, split)
    if not 0 <= first < first + n <= len(images):
        raise SmisError(f"images {first} to {first + n - 1} asked for, the {split} split of {spec.name} has {len(images)}.")
    return data.labelled([images[i] for i in range(first, first + n)], data.classes(spec))
