"""The pictures of a study: held-out label maps or inputs, and what trained networks make of them."""

import hashlib
import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from .. import atomic, config, data, runs, viz
from ..errors import SmisError
from ..metrics import backbones
from ..models import MODELS
from ..runs import Run
from ..sample import conditions, draw, generate, generator, vary
from .protocol import Item, Protocol, Source, Study, folder


def make(name: str, protocol: Protocol, trained: Sequence[Run], seed: int = 0) -> Study:
    """The study `name` of finished runs of one data set and preset, one for each model; its pictures are written as PNG.

    Every model is asked the same: for SHE the same (label map, class) questions, equally many for each class that occurs in the
    test split, as far as the number allows; for real-vs-fake the same held-out images. Raises SmisError when there is a study
    of that name, and for runs that the protocol cannot ask about.
    """
    if (folder() / name / "study.json").exists():
        raise SmisError(f"there is a study {name!r} already: its answers belong to its pictures. Take another name.")
    if not name.replace("-", "").replace("_", "").isalnum():
        raise SmisError(f"a study's name has letters, digits, - and _, found {name!r}.")
    first = _checked(protocol, trained)
    sources = tuple(
        Source(run.experiment.model, run.experiment.seed, run.experiment.hash, backbones.file_hash(run.weights))
        for run in trained
    )
    study = Study(name, protocol, first.data.name, first.preset, seed, sources, ())
    pairs = _same_label_map if protocol.metric == "SHE" else _real_and_generated
    study = replace(study, items=tuple(item for run in trained for item in pairs(study, run)))
    body = json.dumps(config.to_dict(study), indent=1) + "\n"
    atomic.write(study.folder / "study.json", lambda path: path.write_text(body))
    return study


def questions(present: Tensor, n: int, rng: torch.Generator) -> list[tuple[int, int]]:
    """n pairs (label map, class) for `present`, bool (M,C): whether a label map has a class.

    Of K classes that occur each has n // K or one more, by lot; each on label maps of its own while there are enough.
    """
    classes = present.any(0).nonzero().flatten()
    if not len(classes):
        raise SmisError("no label map of the test split has any class.")
    asked = []
    for i, k in enumerate(torch.randperm(len(classes), generator=rng).tolist()):
        c = int(classes[k])
        maps = present[:, c].nonzero().flatten()
        maps = maps[torch.randperm(len(maps), generator=rng)].tolist()
        asked += [(maps[j % len(maps)], c) for j in range(n // len(classes) + (i < n % len(classes)))]
    return asked


def _checked(protocol: Protocol, trained: Sequence[Run]) -> config.Experiment:
    experiments = [run.experiment for run in trained]
    if not experiments or len({e.model for e in experiments}) < len(experiments):
        raise SmisError(f"a study is of one run for each model, found {[e.name for e in experiments]}.")
    if len({(e.data, e.preset) for e in experiments}) > 1:
        raise SmisError(f"a study is of one data set at one preset, found {', '.join(e.name for e in experiments)}.")
    for run in trained:
        if not run.finished:
            raise SmisError(f"run {run.experiment.name} is not trained to its end: `smis train` resumes it.")
    first, classes = experiments[0], data.classes(experiments[0].data)
    if protocol.metric == "SHE":
        without = [e.model for e in experiments if not MODELS[e.model].multimodal]
        if without or classes.picture or classes.whole:
            what = f"{', '.join(without)} make one image of a label map" if without else f"{first.data.name} has no label maps"
            raise SmisError(f"SHE compares two images of one label map, but {what}.")
    return first


def _same_label_map(study: Study, run: Run) -> Iterator[Item]:
    """SHE: the label map in colour, and two images whose codes differ in one class."""
    networks, classes, test = _opened(run)
    C = len(classes)
    present = torch.stack([torch.bincount(test[i]["label_map"].flatten(), minlength=C)[:C] > 0 for i in range(len(test))])
    for q, (i, c) in enumerate(questions(present, study.protocol.trials, generator(study.seed, study.name, "questions"))):
        batch = data.labelled([test[i]], classes)
        images = vary(networks, batch["labels"], c, 2, generator(study.seed, study.name, "pair", q))
        pictures = _saved(study, torch.cat([viz.condition(batch, classes), images]))
        yield Item(run.experiment.model, batch["name"][0], pictures, classes.names[c])


def _real_and_generated(study: Study, run: Run) -> Iterator[Item]:
    """Real-vs-fake: a held-out image, and what the network makes of its label map or input."""
    networks, classes, test = _opened(run)
    practice, n = study.protocol.practice, study.protocol.practice + study.protocol.trials
    if len(test) < n:
        raise SmisError(f"the test split of {study.data} has {len(test)} images, the protocol shows {n}: take a larger preset.")
    shown = torch.randperm(len(test), generator=generator(study.seed, study.name, "images"))[:n].tolist()
    for k, i in enumerate(shown):
        batch, rng = data.labelled([test[i]], classes), generator(study.seed, study.name, "fake", k)
        fake = generate(networks, conditions(networks, batch["labels"], rng), draw(networks, 1, rng))
        yield Item(run.experiment.model, batch["name"][0], _saved(study, torch.cat([batch["image"], fake])), None, k < practice)


def _opened(run: Run) -> tuple:
    spec = run.experiment.data
    return runs.load(run.weights), data.classes(spec), data.open_split(spec, "test")


def _saved(study: Study, images: Tensor) -> tuple[str, ...]:
    """Images (N,3,H,W) in [-1,1] as PNG files, by the hash of their content."""
    names = []
    for image in images:
        buffer = io.BytesIO()
        viz.to_pil(image).save(buffer, "png")
        body = buffer.getvalue()
        names.append(hashlib.sha256(body).hexdigest()[:16] + ".png")
        atomic.write(study.pictures / names[-1], lambda path, body=body: path.write_bytes(body))
    return tuple(names)
