"""Two processes on one batch: the numbers of one process, one that writes, and an end that both hear of.

But where a command is launched, the processes are forked with torchrun's environment, so that seconds are spent on steps.
"""

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import safetensors.torch
import torch
from test_train import Interrupted, at_step, raising

from smislib import evaluate as evaluation
from smislib import presets, results, runs
from smislib import processes as processes_module
from smislib import train as training
from smislib.config import Experiment
from smislib.errors import SmisError
from smislib.evaluate import evaluate
from smislib.runs import Run
from smislib.s3gan import _first
from smislib.sample import Noise, generator
from smislib.train import train

SIZES = {
    "mannequins": {"data.n_train": 16, "data.n_test": 6},
    "digits": {"data.n_train": 120, "data.n_test": 16},
}
STEPS = {"train.steps": 3, "train.log_every": 1, "train.checkpoint_every": 2, "train.sample_every": 100}
PLAIN = {"train.optimizer": "sgd", "train.lr_g": 1e-3, "train.lr_d": 1e-3}  # Adam makes a step of size lr of a rounding error


def experiment(model: str, data: str = "mannequins", **assignments) -> Experiment:
    return presets.experiment(
        model, data, "smoke", 0, assignments={k: str(v) for k, v in (STEPS | SIZES[data] | assignments).items()}
    )


# What could depend on how a batch is shared: sync BN and a VAE; BN over quarters; classes weighed by their pixels, LabelMix;
# labelled images among others, turned and penalised parts, two steps of D, standing statistics; torch's BN in a labeller, and
# a GAN that reads it; halves of a batch; batch statistics with dropout; pairs of codes; gradients added up.
MODELS = {
    "groupdnet": lambda: experiment("groupdnet", **PLAIN),
    "groupdnet_unsynced": lambda: experiment("groupdnet_unsynced", **PLAIN, **{"train.batch": 8}),
    "oasis": lambda: experiment("oasis", **PLAIN),
    "s3gan_co_20": lambda: experiment(
        "s3gan_co_20",
        "digits",
        **PLAIN | {"train.lr_d": 3e-4},  # D's penalty makes ten times as much of a rounding error
        **{"train.d_steps": 2, "loss.r1": 0.1, "train.ema": 0.9, "train.snapshots": 0},
    ),
    "s3gan_20": lambda: experiment("s3gan_20", "digits", **PLAIN),
    "bicyclegan": lambda: experiment("bicyclegan", **PLAIN),
    "pix2pix": lambda: experiment("pix2pix", **PLAIN, **{"network.statistics": "batch", "train.batch": 8, "train.accumulate": 2}),
    "dscgan": lambda: experiment("dscgan", **PLAIN),
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
    """To 1e-5, relative above 1, in every step; weights, batch statistics and spectral vectors to 2e-5.

    The labeller that s3gan_20 reads is trained by Adam, as its preset says: of it the first step is compared.
    """
    experiments = [make() for make in MODELS.values()]
    together = another(home, "together")
    on_two(processes, (together, together), train_all, *experiments)
    train_all(*experiments)
    found = {}
    for name, one in zip(MODELS, experiments, strict=True):
        alone = runs.run_of(one)
        (weights, log), (expected, expected_log) = outcome(at(together, alone)), outcome(alone)
        weight = max(float(((weights[k] - expected[k]).abs() / expected[k].abs().clamp(min=1)).max()) for k in expected)
        found[name] = [*apart(log, expected_log), weight]
    print("\n".join(f"{k:20}" + " ".join(f"{x:9.1e}" for x in v) for k, v in found.items()))
    labeller = runs.run_of(presets.needs(experiments[[*MODELS].index("s3gan_20")])[0])
    found["labeller_20"] = apart(outcome(at(together, labeller))[1], outcome(labeller)[1])
    print("labeller_20", *(f"{x:9.1e}" for x in found["labeller_20"]))
    assert found.pop("labeller_20")[0] < 1e-5
    assert not [name for name, (*of_losses, of_weights) in found.items() if max(of_losses) > 1e-5 or of_weights > 2e-5]
    # of the labels that the GAN read, rank 0 wrote the file
    assert not json.loads((together / "written1.json").read_text())


# --- resume, one writer, a lost process -------------------------------------------------------------------------------


def killed_in_the_third_step(one: Experiment) -> None:
    """Rank 1 is killed after the checkpoint of step 2."""
    killed = at_step(2, lambda: os.kill(os.getpid(), signal.SIGKILL))
    with killed if os.environ["RANK"] == "1" else contextlib.nullcontext():
        train(one, accelerator="cpu", progress=False)


def test_a_run_goes_on_with_another_number_of_processes(home, processes, monkeypatch):
    """One process, then two; two, of which one is killed, then one. Rank 1 sees a store of its own, and leaves it alone."""
    one = experiment("groupdnet", **PLAIN, **{"train.beta1": 0.5, "train.steps": 4, "train.ema": 0.9})  # with momentum
    straight = outcome(train(one, accelerator="cpu", progress=False))

    first = another(home, "one_then_two")
    monkeypatch.setenv("SMIS_HOME", str(first))
    with at_step(2, raising), pytest.raises(Interrupted):
        train(one, accelerator="cpu", progress=False)
    assert torch.load(runs.run_of(one).folder / "checkpoint.pt")["step"] == 2
    assert on_two(processes, (first, first), train_all, one) == [0, 0]
    resumed = outcome(runs.run_of(one))

    second, view = another(home, "two_then_one"), another(home, "view")
    untouched = tree(view)
    assert on_two(processes, (second, view), killed_in_the_third_step, one, fails=True) == [0, -signal.SIGKILL]
    told = (second / "error0.txt").read_text()
    assert told.startswith("Lost: another process of this group has ended (")
    assert "the same command goes on from there" in told
    assert tree(view) == untouched
    monkeypatch.setenv("SMIS_HOME", str(second))
    assert torch.load(runs.run_of(one).folder / "checkpoint.pt")["step"] == 2
    alone = outcome(train(one, accelerator="cpu", progress=False))

    for weights, log in (resumed, alone):
        assert len(log) == 4
        assert max(apart(log, straight[1])) < 1e-5
        for key, value in straight[0].items():
            torch.testing.assert_close(weights[key], value, rtol=1e-4, atol=2e-5, msg=lambda text, key=key: f"{key}: {text}")


# --- measuring --------------------------------------------------------------------------------------------------------


def measure_all(*experiments: Experiment) -> None:
    evaluation.BATCH = 8  # of 32 images: four batches for two processes
    for one in experiments:
        evaluate(runs.run_of(one), device="cpu", progress=False)


def values(run: Run) -> dict[tuple[str, str], tuple]:
    """Of each record but the speed, named by its metric and protocol, the value with its spread and interval."""
    records = [r for r in results.read(run.records) if r.metric != "FPS"]
    return {(r.metric, json.dumps(r.protocol)): (r.value, r.spread, r.interval) for r in records}


def test_two_processes_measure_what_one_does(home, processes, monkeypatch):
    """Every metric's value and interval, bit for bit; speeds alone are what they are."""
    experiments = [
        experiment("groupdnet", **{"train.steps": 1, "data.n_test": 32}),  # diversity
        experiment("oasis", **{"train.steps": 1, "data.n_test": 32}),  # variation, realism, rare classes
        experiment("biggan", "digits", **{"train.steps": 1, "data.n_test": 32, "evaluation.n_fid": 32}),  # IS, over training
    ]
    train_all(*experiments)
    together = another(home, "together")
    for one in experiments:
        shutil.copytree(runs.run_of(one).folder, at(together, runs.run_of(one)).folder)
    on_two(processes, (together, together), measure_all, *experiments)
    monkeypatch.setattr(evaluation, "BATCH", 8)
    measure_all(*experiments)
    for one in experiments:
        found, expected = (values(run) for run in (at(together, runs.run_of(one)), runs.run_of(one)))
        assert found == expected
    records = [path for path in json.loads((together / "written1.json").read_text()) if ".cache/features" not in path]
    assert not records  # rank 1 keeps the features of its own images, and writes nothing else


# --- as a user starts it ----------------------------------------------------------------------------------------------

TINY = [f"--set={k}={v}" for k, v in (STEPS | SIZES["mannequins"] | {"train.steps": 1}).items()]
COMMAND = ["train", "groupdnet", "--preset", "smoke", "--accelerator", "cpu", "--no-progress", *TINY]


def smis(home: Path, *arguments: str, torchrun: bool = False) -> subprocess.CompletedProcess:
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"] if torchrun else []
    environment = os.environ | {"SMIS_HOME": str(home), "PYTHONPATH": str(Path(processes_module.__file__).parents[1])}
    return subprocess.run(
        [sys.executable, *launcher, "-m", "smislib", *arguments], env=environment, capture_output=True, text=True, timeout=600
    )


def test_torchrun_and_devices_train_alike(home):
    torchrun, devices = another(home, "torchrun"), another(home, "devices")
    ended = smis(torchrun, *COMMAND, torchrun=True)
    assert ended.returncode == 0, ended.stderr
    (folder,) = (path.parent for path in (torchrun / "runs").glob("*/weights.safetensors"))
    assert ended.stdout.splitlines() == [str(folder)]  # said once
    ended = smis(devices, *COMMAND, "--devices", "2")
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout == f"{devices / 'runs' / folder.name}\n"
    log = (devices / "runs" / folder.name / "log.jsonl").read_text().splitlines()
    assert [json.loads(line)["step"] for line in log] == [1]  # one of them writes
    a, b = (safetensors.torch.load_file(at / "runs" / folder.name / "weights.safetensors") for at in (torchrun, devices))
    assert all(torch.equal(a[key], b[key]) for key in a)


def test_what_torchrun_was_told_is_not_asked_again(monkeypatch):
    assert processes_module.asked(2, 1) == (2, 1)
    with pytest.raises(SmisError, match=r"--nodes 3: nothing tells which .* docs/cluster.md"):
        processes_module.asked(2, 3)
    for name, value in {"TORCHELASTIC_RUN_ID": "x", "WORLD_SIZE": "6", "LOCAL_WORLD_SIZE": "2"}.items():
        monkeypatch.setenv(name, value)
    assert {processes_module.asked(*told) for told in ((1, 1), (2, 1), (1, 3), (2, 3))} == {(2, 3)}
    for told in ((3, 1), (2, 2), (6, 1)):
        with pytest.raises(SmisError, match=r"torchrun started 2 process\(es\) on each of 3 node\(s\), but --devices"):
            processes_module.asked(*told)


@pytest.mark.parametrize(
    "environment, first",
    [
        ({}, True),
        ({"RANK": "0", "LOCAL_RANK": "0", "GROUP_RANK": "0"}, True),
        ({"RANK": "2", "LOCAL_RANK": "0", "GROUP_RANK": "1"}, False),  # torchrun's first of the second node
        ({"NODE_RANK": "0", "LOCAL_RANK": "1"}, False),
        ({"NODE_RANK": "1", "LOCAL_RANK": "0"}, False),
    ],
)
def test_one_process_of_all_is_the_first(environment, first, monkeypatch):
    for name in ("RANK", "LOCAL_RANK", "NODE_RANK"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert processes_module.is_first() == first
    assert processes_module.in_order([1, 2]) == [1, 2]
    assert processes_module.mine([1, 2]) == [1, 2]


def test_a_batch_whose_parts_do_not_divide_is_refused():
    """S3GAN turns a quarter of a batch; a rank's quarter must be its share of that."""
    with pytest.raises(SmisError, match=r"of 2 images on each of 2 devices .* a multiple of 8"):
        _first(2, 4, Noise(generator(0), 0, 2))
    assert [_first(n, 4, Noise(generator(0), 0, world)) for n, world in ((6, 1), (4, 2), (5, 2), (3, 1))] == [1, 1, 1, 0]
