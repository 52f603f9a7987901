"""Two processes on one batch: the numbers of one process, one that writes, and an end that both hear of.

But for the two tests that launch a command, the processes are forked with torchrun's environment: seconds are then spent on steps.
"""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch

from smislib import losses, presets, processes, results, runs
from smislib import train as training
from smislib.config import Experiment
from smislib.errors import SmisError
from smislib.evaluate import evaluate
from smislib.runs import Run
from smislib.train import train

SIZES = {
    "mannequins": {"data.n_train": 16, "data.n_test": 6},
    "digits": {"data.n_train": 120, "data.n_test": 16},
}
STEPS = {"train.steps": 3, "train.log_every": 1, "train.checkpoint_every": 2, "train.sample_every": 100}


def experiment(model: str, data: str = "mannequins", **assignments) -> Experiment:
    return presets.experiment(
        model, data, "smoke", 0, assignments={k: str(v) for k, v in (STEPS | SIZES[data] | assignments).items()}
    )


# What could depend on how a batch is shared: sync BN and a VAE; BN over quarters; classes weighed by their pixels, LabelMix;
# labelled images among others, turned and penalised parts, two steps of D, standing statistics; torch's BN in a labeller, and
# a GAN that reads it; halves of a batch; batch statistics with dropout; pairs of codes; gradients added up.
MODELS = {
    "groupdnet": lambda: experiment("groupdnet"),
    "groupdnet_unsynced": lambda: experiment("groupdnet_unsynced", **{"train.batch": 8}),
    "oasis": lambda: experiment("oasis"),
    "s3gan_co_20": lambda: experiment(
        "s3gan_co_20", "digits", **{"train.d_steps": 2, "loss.r1": 0.1, "train.ema": 0.9, "train.snapshots": 0}
    ),
    "s3gan_20": lambda: experiment("s3gan_20", "digits"),
    "bicyclegan": lambda: experiment("bicyclegan"),
    "pix2pix": lambda: experiment("pix2pix", **{"network.statistics": "batch", "train.batch": 8, "train.accumulate": 2}),
    "dscgan": lambda: experiment("dscgan"),
}


@pytest.fixture(autouse=True)
def whole_numbers(monkeypatch):
    """The log with all digits: it has five."""
    monkeypatch.setattr(training, "round", lambda value, digits: value, raising=False)


def as_one_of_two(rank: int, port: int, home: str) -> None:
    """What torchrun puts into the environment."""
    os.environ |= {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2", "GROUP_RANK": "0"}
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "TORCHELASTIC_RUN_ID": "test", "SMIS_HOME": home}
    torch.set_num_threads(1)
    training.round = lambda value, digits: value


def written(event: str, arguments: tuple) -> str | None:
    """What an audit event of Python says is being written."""
    if event == "open" and isinstance(arguments[2], int) and arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
        return str(arguments[0])
    return str(arguments[0]) if event in ("tempfile.mkstemp", "os.mkdir", "os.rename", "os.remove") else None


def one_of_two(rank: int, port: int, home: str, act, *arguments) -> None:
    """Does `act`; rank 1 tells which files it opened for writing, or made, in the store."""
    as_one_of_two(rank, port, home)
    store, seen = str(Path(home).resolve().parent), []
    sys.addaudithook(lambda *event: seen.append(path) if (path := written(*event)) and str(path).startswith(store) else None)
    try:
        act(*arguments)
    except SmisError as error:
        Path(home, f"error{rank}.txt").write_text(f"{type(error).__name__}: {error}")
    finally:
        (Path(home) / f"written{rank}.json").write_text(json.dumps([p for p in seen if ".txt" not in p]))


def on_two(processes, homes: tuple[Path, Path], act, *arguments, fails: bool = False) -> list[int]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    pair = [processes(one_of_two, rank, port, str(homes[rank]), act, *arguments) for rank in (0, 1)]
    for process in pair:
        process.join(600)
        assert process.exitcode is not None, "it hangs"
    for home in set(homes) if not fails else ():
        assert not [path.read_text() for path in home.glob("error*.txt")]
    return [process.exitcode for process in pair]


def train_all(*experiments: Experiment) -> None:
    for one in experiments:
        train(one, accelerator="cpu", progress=False)


def outcome(run: Run) -> tuple[dict[str, torch.Tensor], list[dict[str, float]]]:
    log = [{k: v for k, v in e.items() if k[:2] in ("g_", "d_")} for e in run.history()]
    return safetensors.torch.load_file(run.weights), log


def at(home: Path, run: Run) -> Run:
    return Run(run.experiment, home / "runs" / run.experiment.name)


def another(home: Path, name: str) -> Path:
    """A second store with the same rendered data."""
    (home.parent / name / "runs").mkdir(parents=True)
    (home.parent / name / "runs" / ".cache").symlink_to(home / "runs" / ".cache")
    return home.parent / name


def tree(home: Path) -> dict[str, int]:
    return {str(path.relative_to(home)): path.lstat().st_mtime_ns for path in (home / "runs").rglob("*")}


def apart(a: list[dict[str, float]], b: list[dict[str, float]]) -> list[float]:
    """The largest difference of a loss at each step, relative where the loss is above 1."""
    assert len(a) == len(b) and all(x.keys() == y.keys() for x, y in zip(a, b, strict=True))
    return [max(abs(x[k] - y[k]) / max(1, abs(y[k])) for k in x) for x, y in zip(a, b, strict=True)]


def test_two_processes_have_the_losses_of_one(home, processes):
    """With the preset's Adam, whose first steps turn the sign of a gradient that is all rounding into a step of size lr."""
    experiments = [make() for make in MODELS.values()]
    together = another(home, "together")
    assert on_two(processes, (together, together), train_all, *experiments) == [0, 0]
    train_all(*experiments)
    found = {}
    for name, one in zip(MODELS, experiments, strict=True):
        alone = runs.run_of(one)
        (weights, log), (expected, expected_log) = outcome(at(together, alone)), outcome(alone)
        weight = max(float((weights[k] - expected[k]).abs().max()) for k in expected)
        found[name] = [*apart(log, expected_log), weight]
    print("\n".join(f"{k:20}" + " ".join(f"{x:9.1e}" for x in v) for k, v in found.items()))
    for name, (first, *_) in found.items():
        assert first < 1e-5, name
