"""The values of every model beside GroupDNet and its variants, a module for each paper; they are joined here.

A module of `PAPERS` has: SCHEDULES, model -> (preset, data set's name, {C, height, width, instance_edge}) -> its schedule;
LOSS, model -> preset -> its loss weights; TRAIN, (model, preset) -> what differs from the optimiser of `presets.TRAIN`
(where a data set has values of its own, the key is (preset, data set) and (model, preset, data set));
EXPERIMENTS, the (model, data set) pairs behind its tables and figures; EVERYTHING, where they are more than `make reproduce`
has time for, which `make reproduce PAPER=name` runs. One of `NAMES` also has DATA, the data set of its tables, and may have
ON_FOLDERS, pairs on data sets that are folders. Where DATA_ROOT has folders `presets.rows` moves all of them there.
"""

from typing import Any

from . import baselines, gaugan, oasis, pix2pix, s3gan

PAPERS = (baselines, pix2pix, gaugan, oasis, s3gan)
SCHEDULES = {model: schedule for paper in PAPERS for model, schedule in paper.SCHEDULES.items()}
LOSS = {model: of_preset for paper in PAPERS for model, of_preset in paper.LOSS.items()}
TRAIN = {key: changes for paper in PAPERS for key, changes in paper.TRAIN.items()}
EXPERIMENTS = tuple(pair for paper in PAPERS for pair in paper.EXPERIMENTS)
CITED = {  # paper -> short name, title, arXiv number
    "smis": ("SMIS", "Semantically Multi-modal Image Synthesis", "2003.12697"),
    "pix2pix": ("pix2pix", "Image-to-Image Translation with Conditional Adversarial Networks", "1611.07004"),
    "spade": ("GauGAN, SPADE", "Semantic Image Synthesis with Spatially-Adaptive Normalization", "1903.07291"),
    "oasis": ("OASIS", "You Only Need Adversarial Supervision for Semantic Image Synthesis", "2012.04781"),
    "s3gan": ("S3GAN", "High-Fidelity Image Generation With Fewer Labels", "1903.02271"),
}
NAMES = {"pix2pix": pix2pix, "spade": gaugan, "oasis": oasis, "s3gan": s3gan}


def of(paper: str | None = None) -> dict[str, tuple[tuple[str, str], ...]]:
    """The (model, data set) pairs of each paper beside SMIS; of the one that is named, all that its tables have."""
    everything = {name: getattr(module, "EVERYTHING", module.EXPERIMENTS) for name, module in NAMES.items()}
    asked = {name: everything[name] if name == paper else module.EXPERIMENTS for name, module in NAMES.items()}
    return {name: pairs + getattr(NAMES[name], "ON_FOLDERS", ()) for name, pairs in asked.items()}


def loss(model: str, preset: str, data_name: str) -> Any | None:
    """The loss weights of a model; None for GroupDNet and its variants."""
    of_preset = LOSS.get(model, {})
    return of_preset.get((preset, data_name), of_preset.get(preset))


def train(model: str, preset: str, data_name: str) -> dict[str, Any]:
    """What differs from the optimiser of `presets.TRAIN`."""
    return TRAIN.get((model, preset), {}) | TRAIN.get((model, preset, data_name), {})
