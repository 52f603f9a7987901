"""Measure a finished run by its experiment's protocol. Each group of metrics is one file of records, measured once."""

import contextlib
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from . import config, data, label_sources, processes, results, runs
from .config import DataSpec, Experiment
from .data import views
from .errors import SmisError
from .folded import fold
from .metrics import (
    Measurement,
    backbones,
    bootstrap_weights,
    colour,
    diversity,
    fid,
    inception,
    inception_score,
    lpips,
    realism,
    segformer,
    segmentation,
    speed,
    uncertainty,
    variation,
)
from .metrics.judges import judge_of
from .metrics.segmentation import Segment
from .models import MODELS
from .results import Record
from .runs import Run
from .sample import NOISE, conditions, draw, generate, generator, has_noise_map, noise_map, vary

BATCH = 64
ALONE = ("cost", "classification")  # measured by one process while the others wait: a clock, and seconds of work
IMAGES = {  # groups of metrics -> the fewest that they can be measured on
    "inception": inception_score.SPLITS,
    "over_training": 2 * inception_score.SPLITS,  # half of them
}
KEPT = 2**30  # bytes of fakes that wait in memory for the next group of metrics; more of them are drawn again


def evaluate(
    run: Run,
    *,
    device: str | torch.device = "auto",
    devices: int = 1,
    nodes: int = 1,
    again: bool = False,
    progress: bool = True,
) -> list[Record]:
    """The records of a run: image quality, diversity, class control, segmentation, cost. What is there is not redone.

    `again` measures anew and drops what was measured by another protocol. `device` "auto" is the GPU where there is one.
    Several `devices` share the images; the numbers are those of one.
    """
    if not run.finished:
        raise SmisError(f"run {run.experiment.name} is not trained to its end: `smis train` resumes it.")
    device = _launched(device, *processes.asked(devices, nodes))
    if device.type == "cpu" and run.experiment.train.threads:
        torch.set_num_threads(run.experiment.train.threads)
    first = processes.is_first()
    with processes.together(), run.lock() if first else contextlib.nullcontext():
        bench = _Bench(run, device)
        kept = files(run)
        for name in processes.of_first([name for name, path in kept.items() if again or not path.exists()]):
            path = kept[name]
            stale = set(run.records.glob(f"{name}-*.json")) - {path} if again else set()
            if name in ALONE and not first:
                continue
            if progress and first:
                print(f"{run.experiment.name}: measuring {name}", flush=True)
            started = time.perf_counter()
            measured = getattr(bench, name)()
            seconds = time.perf_counter() - started
            if not first:
                continue
            weights, where = backbones.file_hash(run.weights), results.device_name(device)
            results.write(run.records, [results.record(m, run, weights, where, seconds) for m in measured], path.stem)
            for old in stale:
                old.unlink()
        processes.of_first(None)  # the others wait for the last file
    return results.read(run.records)


def files(run: Run) -> dict[str, Path]:
    """The file of records that each group of metrics has, or will have, by the run's protocol."""
    e = run.experiment
    groups = ["quality", "cost"] if MODELS[e.model].generates else []
    # without a code LPIPS, mCSD and mOCD are 0 by construction: tables print "–"
    if MODELS[e.model].multimodal and e.evaluation.n_maps:
        groups.insert(1, "diversity")
    if reader(e):
        groups.append("segmentation")
    groups += MODELS[e.model].measures
    protocol = config.content_hash(config.to_dict(e.evaluation))[:8]
    return {group: run.records / f"{group}-{protocol}.json" for group in groups}


def is_measured(run: Run) -> bool:
    """Whether nothing is left to do for a run."""
    return run.finished and all(path.exists() for path in files(run).values())


def _launched(device: str | torch.device, devices: int, nodes: int) -> torch.device:
    """The device of this process, after the others have been started where several were asked for."""
    if devices * nodes == 1:
        return _device(device)
    fabric = processes.fabric("auto" if device == "auto" else _device(device).type, devices, nodes)
    with processes.first_alone(fabric):
        pass
    return fabric.device


def _device(name: str | torch.device) -> torch.device:
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        return torch.empty(0, device=name).device
    except (RuntimeError, AssertionError) as error:  # an unknown name, or torch without that kind of device
        raise SmisError(f"device {str(name)!r} cannot be used here ({str(error).splitlines()[0]}). Use auto or cpu.") from error


def reader(e: Experiment) -> Callable[[torch.device | str], Segment] | None:
    """Makes, on a device, the network that reads labels back from images, or None where there is none for the data set.

    A shipped one where one knows the classes: drawn pictures are not photographs, whatever the protocol. Images that are
    label maps in colour need none: each pixel is of the class of the nearest colour.
    """
    if data.paints_labels(e.data):
        return lambda device: segmentation.NearestColour(data.classes(e.data))
    names = data.classes(e.data).names
    if backbones.segmenter_of(names):
        return partial(backbones.EmbeddedSegmenter, names)
    if e.evaluation.backbone == "paper" and (source := views.source(e.data.name)) in segformer.PRETRAINED:
        return partial(segformer.Segformer, source)
    return None


def judges(e: Experiment, device: str | torch.device = "cpu") -> tuple[fid.Features | None, lpips.Lpips | None, Segment | None]:
    """The networks that a protocol looks through: the features of FID, the distance of LPIPS, mCSD and mOCD, the segmenter.

    Where each image is of one class, the first also gives the probabilities of IS, and is all that is needed. A network that
    generates nothing needs none.
    Raises SmisError with the command that fetches them when the papers' weights are not on this machine.
    """
    if not MODELS[e.model].generates:
        return None, None, None
    if data.classes(e.data).whole:
        return judge_of(e.data, device, paper=e.evaluation.backbone == "paper"), None, None
    make = reader(e)
    segment = make(device) if make else None
    if e.evaluation.backbone == "paper":
        return inception.InceptionFeatures(device), lpips.alexnet(device), segment
    return backbones.EmbeddedFeatures(device), lpips.embedded(device), segment


def check(e: Experiment) -> None:
    """Raise SmisError, before a training, for what its measurement would lack: weights of the judges, held-out images."""
    judges(e)
    if MODELS[e.model].generates:
        fewest = max([config.FEWEST, *(IMAGES.get(group, 0) for group in MODELS[e.model].measures)])
        if e.evaluation.n_fid < fewest:
            raise SmisError(f"{e.model} is measured on at least {fewest} images, found evaluation.n_fid={e.evaluation.n_fid}.")
        HeldOut(e.data, e.evaluation.n_fid, fewest)


class HeldOut:
    """The first n images of a test split, read when they are asked for: the labels of 2,000 of ADE20K are 79 GB.

    [i:j] gives their labels (j-i,C+extra,H,W). Raises SmisError when the split has fewer; `fewest` is what would do.
    """

    def __init__(self, spec: DataSpec, n: int, fewest: int = config.FEWEST):
        self.images, self.classes, self.n = data.open_split(spec, "test"), data.classes(spec), n
        if (there := len(self.images)) < n:
            less = f"measure with `smis train ... --eval --set evaluation.n_fid={there}`"
            remedy = less if there >= fewest else f"{fewest} would do: add images"
            raise SmisError(f"the test split has {there} images, the protocol asks for {n}: {remedy}.")

    def __len__(self) -> int:
        return self.n

    def __getitem__(self, part: slice) -> Tensor:
        return data.labels(self.batch(part), self.classes)

    def batch(self, part: slice) -> dict:
        """A part of them as a batch on the CPU."""
        return data.collate([self.images[i] for i in range(*part.indices(self.n))])

    def parts(self) -> list[slice]:
        """BATCH of them at a time."""
        return [slice(i, min(i + BATCH, self.n)) for i in range(0, self.n, BATCH)]

    def batches(self) -> Iterator[dict]:
        """All of them, BATCH at a time; of several processes each has its share of the batches."""
        return map(self.batch, processes.mine(self.parts()))


class _Bench:
    """What the measurements share: the networks, the held-out images, one fake for each. Loaded when first needed."""

    def __init__(self, run: Run, device: torch.device):
        self.run, self.device, self.spec = run, device, run.experiment.evaluation
        self.extract: Any  # which of the three there are is decided by what the model and its data are, as are the groups
        self.distance: Any
        self.segment: Any
        self.extract, self.distance, self.segment = judges(run.experiment, device)
        self.classes = data.classes(run.experiment.data)
        self._networks, self._test, self._fakes = None, None, None

    @property
    def networks(self) -> nn.Module:
        if self._networks is None:
            self._networks = fold(runs.load(self.run.weights).to(self.device, memory_format=torch.channels_last))
        return self._networks

    @property
    def test(self) -> HeldOut:
        if self._test is None:
            self._test = HeldOut(self.run.experiment.data, self.spec.n_fid)
        return self._test

    def fakes(self) -> Iterator[tuple[Tensor, Any]]:
        """(image, label_map) batches: one drawn code for each held-out label map, or picture (then perhaps no label_map).

        Where each image is of one class, classes are drawn too. Of several processes each draws all and makes its share.
        """
        if self._fakes is None:
            image = self.run.experiment.data
            made = self._draw_fakes()
            if 3 * 4 * image.height * image.width * self.spec.n_fid > KEPT:
                return made
            self._fakes = list(made)
        return iter(self._fakes)

    def _draw_fakes(self) -> Iterator[tuple[Tensor, Tensor | None]]:
        rng, mine = generator(self.spec.seed, "fid"), processes.mine(self.test.parts())
        for part in self.test.parts():
            if part not in mine:  # as many draws as for those that are read
                draw(self.networks, len(conditions(self.networks, range(part.start, part.stop), rng)), rng)  # ty: ignore[invalid-argument-type]
                continue
            batch = self.test.batch(part)
            labels = conditions(self.networks, data.labels(batch, self.classes), rng)
            yield generate(self.networks, labels, draw(self.networks, len(labels), rng)), batch.get("label_map")

    def sample(self, labels: Tensor, c: int | None, k: int, rng: torch.Generator) -> Tensor:
        return vary(self.networks, labels, c, k, rng)

    def quality(self) -> list[Measurement]:
        real = (batch["image"] for batch in self.test.batches())
        return fid.measure(self.extract, real, (image for image, _ in self.fakes()), seed=self.spec.seed)

    def inception(self) -> list[Measurement]:
        return inception_score.measure(self.extract, (image for image, _ in self.fakes()), seed=self.spec.seed)

    def over_training(self) -> list[Measurement]:
        """FID and IS of the generators that were kept on the way, on half of the images. S3GAN figure 21."""
        half, seed, measured = HeldOut(self.run.experiment.data, self.spec.n_fid // 2), self.spec.seed, []
        real = fid.real_features(self.extract, (batch["image"] for batch in half.batches()))
        for step, path in self.run.snapshots().items():
            networks, rng = runs.load(path).to(self.device), generator(seed, "over training")
            y = conditions(networks, half[:], rng)
            z = draw(networks, len(half), rng)
            images = [generate(networks, y[part], z[part]) for part in processes.mine(half.parts())]
            protocol = {**self.extract.protocol, "n": len(half), "seed": seed, "step": step}
            values = {
                "FID": fid.fid(real, fid.features(self.extract, images)),
                "IS": inception_score.inception_score(fid.features(self.extract.probabilities, images)),
            }
            measured += [Measurement(f"{k} over training{self.extract.suffix}", v, protocol) for k, v in values.items()]
        return measured

    def classification(self) -> list[Measurement]:
        """How often a labeller is wrong about held-out images. S3GAN table 3."""
        split = data.open_split(self.run.experiment.data, "test")
        logits = label_sources.read(self.networks, split)[1]
        places = (logits > logits.gather(1, split.labels[:, None])).sum(1).numpy()  # classes thought likelier than the true one
        protocol = {"n": len(split), "image range": "[-1,1]", "seed": self.spec.seed}
        weights = bootstrap_weights(len(split), 1000, self.spec.seed)
        return [
            Measurement(f"Top-{k} error", 100 * wrong.mean(), {**protocol, "interval": "Bayesian bootstrap over images"},
                        **uncertainty(100 * weights @ wrong))
            for k in (1, 5) for wrong in [(places >= k).astype(float)]
        ]  # fmt: skip

    def segmentation(self) -> list[Measurement]:
        return segmentation.measure(self.segment, self.fakes(), self.classes, seed=self.spec.seed)

    def translation(self) -> list[Measurement]:
        """What pix2pix measures beside: class accuracy where a segmenter reads the images, colours and sharpness."""
        read = segmentation.class_accuracy(self.segment, self.fakes(), self.classes, seed=self.spec.seed) if self.segment else []
        real = (batch["image"] for batch in self.test.batches())
        return read + colour.measure((image for image, _ in self.fakes()), real, seed=self.spec.seed)[0]

    def diversity(self) -> list[Measurement]:
        pool, spec, distance = self.test, self.spec, self.distance
        measured = diversity.class_diversity(
            self.sample, pool, len(self.classes), n=spec.n_maps, m=spec.m_pairs, distance=distance, seed=spec.seed,
            readings=("masked", "spatial"),
        )  # fmt: skip
        overall = diversity.lpips_diversity(
            self.sample, pool, n=spec.n_maps, m=spec.m_pairs, distance=distance, seed=spec.seed
        )  # fmt: skip
        return [m for reading in measured.values() for m in reading.measurements()] + [overall]

    def variation(self) -> list[Measurement]:
        """Samples with another code for the image; where that is 3-D noise, also for each of its classes or pixels."""
        networks, spec = self.networks, self.spec

        def samples(each: str) -> Callable[[Tensor, int, torch.Generator], Tensor]:
            return lambda labels, k, rng: generate(networks, labels, noise_map(networks, labels, k, rng, each))

        readings: dict[str, Callable] = {"image": lambda labels, k, rng: vary(networks, labels, None, k, rng)}
        readings |= {each: samples(each) for each in NOISE[1:]} if has_noise_map(networks) else {}
        n = max(2, min(100, spec.n_fid // 20))
        return variation.measure(readings, self.test, n=n, m=spec.m_pairs, distance=self.distance, seed=spec.seed)

    def realism(self) -> list[Measurement]:
        real = (batch["image"] for batch in self.test.batches())
        return realism.measure(real, (image for image, _ in self.fakes()), seed=self.spec.seed)

    def rare_classes(self) -> list[Measurement]:
        """None where no segmenter knows the classes."""
        if self.segment is None:
            return []
        return [segmentation.rare_classes(self.segment, self.fakes(), self.classes, seed=self.spec.seed)]

    def cost(self) -> list[Measurement]:
        networks = runs.load(self.run.weights).to(self.device, memory_format=torch.channels_last)
        rng = generator(self.spec.seed, "fps")
        labels, z = conditions(networks, self.test[:1], rng), draw(networks, 1, rng)  # not folded: one label map is drawn again
        fresh = runs.build(self.run.experiment)  # with gradients: `load` freezes
        players = [fresh.G, fresh.E] if fresh.E else [fresh.G]
        history = self.run.history()
        steps = history[-1]["step"]
        protocol = {"batch": self.run.experiment.train.batch, "threads": self.run.experiment.train.threads, "statistic": "mean"}
        return [
            speed.parameters(*players),
            speed.fps(lambda: generate(networks, labels, z), self.device),
            Measurement("s/step", history[-1]["seconds"] / steps, protocol),
        ]
