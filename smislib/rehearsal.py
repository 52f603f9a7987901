"""`smis train --dry-run`: what a training would take, before its data is here. A few real steps on random images."""

import itertools
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median

import torch
from torch import Tensor, nn
from torch.utils.data import Dataset

from . import data, processes
from .config import DataSpec, Experiment
from .cost import keeping
from .data.spec import Classes
from .errors import SmisError
from .losses import perceptual_loss
from .models import MODELS
from .results import device_name
from .runs import Run
from .sample import Noise, generator
from .train import images_of_device, train_on

STEPS, SETTLING = 12, 2  # the first steps pay for allocations and kernel choice
PATIENCE = 60.0  # seconds: where STEPS take longer, one step has to do
CPU_PIXELS = 2 * 256**2  # a batch of the paper's does not fit a laptop; time and activations grow in proportion


class RandomScenes(Dataset):
    """Images of noise with label maps of noise, shaped as a data set's: what they hold does not change what a step costs."""

    def __init__(self, spec: DataSpec, classes: Classes, n: int):
        self.spec, self.classes, self.n = spec, classes, n
        self.labels = torch.arange(n) % len(classes)  # where each image is of one class

    def __len__(self) -> int:
        return self.n

    def __getitem__(self, index: int) -> dict:
        size, rng = (self.spec.height, self.spec.width), generator("rehearsal", index)
        sample = {"image": torch.rand(3, *size, generator=rng) * 2 - 1, "name": f"noise-{index}"}
        if self.classes.picture:
            return sample | {"input": torch.rand(self.classes.picture, *size, generator=rng) * 2 - 1}
        if self.classes.whole:
            return sample | {"label": self.labels[index]}
        sample["label_map"] = torch.randint(len(self.classes), size, generator=rng)
        return sample | ({"instance_map": sample["label_map"]} if self.classes.things else {})


@dataclass(frozen=True)
class Plan:
    """What was counted and measured; `str()` prints it."""

    experiment: Experiment
    parameters: dict[str, int]  # of each player
    missing: str  # what a training would ask for that is not on this machine
    device: str
    batch: int  # of the measured steps, on one device
    measured: int  # so many steps
    per_device: int  # of the training
    seconds_per_step: float  # of the measured batch
    saved_bytes: int  # what one image leaves for the backward pass of G's step

    @property
    def step_seconds(self) -> float:
        return self.seconds_per_step * self.per_device / self.batch

    @property
    def bytes(self) -> tuple[int, int]:
        """(weights with gradients, Adam's two moments and the average; activations): float32, on each device."""
        copies = 4 + bool(self.experiment.train.ema)
        half = 2 if self.experiment.train.precision != "32-true" else 1
        at_once = self.per_device // self.experiment.train.accumulate
        return 4 * copies * sum(self.parameters.values()), self.saved_bytes * at_once // half

    def __str__(self) -> str:
        e, (state, activations) = self.experiment, self.bytes
        steps, hours = e.train.steps, self.step_seconds * e.train.steps / 3600
        scaled = f", times {self.per_device / self.batch:g} for {self.per_device} images" if self.per_device != self.batch else ""
        parts = f" in {e.train.accumulate} parts" if e.train.accumulate > 1 else ""
        d_steps = f", each with {e.train.d_steps} of D" if e.train.d_steps > 1 else ""
        batch = f"batch {e.train.batch}{parts}"
        measured = f"median of {self.measured} steps" if self.measured > 1 else "one step"
        lines = [
            f"{e.name}: {e.data.height}x{e.data.width}, {steps} steps of {batch}{d_steps}, {e.train.precision}",
            "parameters: " + ", ".join(f"{name} {n:,}" for name, n in self.parameters.items()),
            f"memory on each device: about {(state + activations) / 2**30:.1f} GiB "
            f"({state / 2**30:.1f} weights, gradients, Adam; {activations / 2**30:.1f} activations)",
            f"time: {self.step_seconds:.3g} s a step, {hours:.1f} h in all "
            f"({measured} of {self.batch} random images on {self.device}{scaled}; loading not included)",
        ]
        return "\n".join(lines + ([f"missing here: {self.missing}"] if self.missing else []))


def rehearse(experiment: Experiment, *, accelerator: str = "auto", devices: int = 1, nodes: int = 1) -> Plan:
    """Count, and measure real steps of an experiment on one device and on random images; writes nothing that stays.

    Raises SmisError for a batch that does not divide among the devices, and for an accelerator that is not here.
    """
    per_device = images_of_device(experiment.train, devices, nodes)
    device = processes.fabric(accelerator, 1, 1).device
    on_cpu = device.type == "cpu"
    missing, loss, classes = "", experiment.loss, data.classes(experiment.data)
    try:
        perceptual_loss(loss.backbone, torch.device("cpu"))
    except SmisError as error:
        missing, loss = f"{error} Measured without the perceptual loss.", replace(loss, backbone="none")
    fewest = getattr(MODELS[experiment.model].objective, "multiple_of", 1)
    most = fewest * max(1, CPU_PIXELS // (experiment.data.height * experiment.data.width * fewest))
    at_once = per_device // experiment.train.accumulate
    batch = min(at_once, most) if on_cpu else at_once
    short = replace(experiment.train, batch=batch, accumulate=1, log_every=1, snapshots=0, standing=0)
    if hasattr(loss, "reads"):  # what a label is read off does not change what a step costs
        loss = replace(loss, labels="random", fraction=0.0)
    tried = replace(experiment, loss=loss, train=short)
    scenes = RandomScenes(experiment.data, classes, 2 * batch * experiment.train.d_steps)
    seconds = _clock(tried, scenes, classes, device, SETTLING + 1)
    if seconds[0] * STEPS < PATIENCE:
        seconds = _clock(tried, scenes, classes, device, STEPS)
    networks = _uninitialised(tried, device)
    return Plan(
        experiment=experiment,
        parameters={name: sum(p.numel() for p in player.parameters()) for name, player in networks.named_children()},
        missing=missing,
        device=f"{processes.cores()} CPU cores" if on_cpu else device_name(device),
        batch=batch,
        measured=len(seconds),
        per_device=per_device,
        seconds_per_step=median(seconds),
        saved_bytes=_saved(networks, tried, scenes, classes, device) // batch,
    )


def _clock(experiment: Experiment, scenes: Dataset, classes: Classes, device: torch.device, steps: int) -> list[float]:
    """Seconds of each of so many steps but the settling ones, in the training loop."""
    train = replace(experiment.train, steps=steps, sample_every=steps, checkpoint_every=steps)
    with tempfile.TemporaryDirectory() as folder:
        run = Run(replace(experiment, train=train), Path(folder))
        train_on(run, scenes, scenes, classes, accelerator=device.type, progress=False)
        at = [entry["seconds"] for entry in run.history()]
    return [b - a for a, b in itertools.pairwise(at[SETTLING - 1 :])]


def _uninitialised(experiment: Experiment, device: torch.device) -> nn.Module:
    """Networks of constants: the orthogonal matrices of a BigGAN take a minute, and nothing that is counted depends on them."""
    with torch.device("meta"):
        networks = MODELS[experiment.model].networks(experiment.network)
    networks.to_empty(device=device)
    for tensor in (*networks.parameters(), *networks.buffers()):
        tensor.data.fill_(0.01 if tensor.is_floating_point() else 0)
    return networks


def _saved(networks: nn.Module, experiment: Experiment, scenes: Dataset, classes: Classes, device: torch.device) -> int:
    """Bytes that the forward pass of G's step keeps for its backward pass, weights not counted."""
    batch = data.collate([scenes[i] for i in range(experiment.train.batch)])
    batch["labels"] = data.labels(batch, classes)
    batch = {key: value.to(device) for key, value in batch.items() if isinstance(value, Tensor)}
    objective = MODELS[experiment.model].objective(experiment.loss, perceptual_loss(experiment.loss.backbone, device))
    return keeping(networks, lambda: objective.generator(networks, batch, Noise(generator("rehearsal")), 1.0))[1]
