"""Killed anywhere: what was finished is still there, the same call goes on, and its numbers are those of an undisturbed one.

More than 50 processes die here, by SIGKILL at an operation on a file, or in a step, or by the clock, and by the kernel in the
middle of a write (`faults.killed`). The end of pytest's output counts them, and says what they were doing.
"""

import collections
import dataclasses
import random
import time
from collections.abc import Callable
from pathlib import Path

import faults
import pandas as pd
import pytest
import safetensors.torch
import torch
from faults import killed
from test_train import outcome, same

from smislib import notebooks, paths, results, runs
from smislib.config import Experiment
from smislib.evaluate import evaluate, is_measured
from smislib.results import Record
from smislib.runs import Run
from smislib.train import train

SIZES = {"train.steps": 6, "train.ema": 0.9, "train.checkpoint_every": 1, "train.sample_every": 2,
         "train.snapshots": 3, "train.log_every": 1, "train.standing": 1, "evaluation.n_fid": 6,
         "evaluation.n_maps": 2, "evaluation.m_pairs": 1}  # fmt: skip
OF_TIME = ("FPS", "s/step")  # metrics that no two measurements share


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """`place()`: an empty store, now SMIS_HOME, with a cache of its own."""
    with pytest.MonkeyPatch.context() as patch:

        def make() -> Path:
            folder = tmp_path_factory.mktemp("home")
            patch.setenv("SMIS_HOME", str(folder))
            return folder

        yield make


def trained(experiment: Experiment) -> None:
    train(experiment, accelerator="cpu", progress=False)


def measured(experiment: Experiment) -> None:
    evaluate(runs.run_of(experiment), device="cpu", progress=False)


def values(records: list[Record]) -> list[Record]:
    """Without what differs from one time to another; and safetensors writes what it says of a file in any order."""
    still = [dataclasses.replace(r, seconds=0.0, date="", versions={}, weights="") for r in records]
    return [
        dataclasses.replace(r, value=0.0, interval=None, spread=None, protocol={}) if r.metric in OF_TIME else r for r in still
    ]


@pytest.fixture
def count(record_property):
    """`count(kills, least, *doing)`: what was being done -> kills; that many at least, and some of each of these."""

    def check(kills: collections.Counter, least: int, *doing: str) -> None:
        record_property("kills", dict(kills))
        assert kills.total() >= least and {*doing} <= kills.keys(), kills

    return check


def timed(work: Callable, *arguments) -> float:
    """Its seconds."""
    started = time.perf_counter()
    work(*arguments)
    return time.perf_counter() - started


def snapshots(run: Run) -> list[dict[str, torch.Tensor]]:
    return [safetensors.torch.load_file(path) for path in run.snapshots().values()]


def hidden(folder: Path) -> list[Path]:
    """What killed processes left, but for a config.json: that is written before there is a lock to take."""
    return [path for path in folder.rglob(".*") if path.name != ".lock" and not path.name.startswith(".config.json")]


def test_a_training_killed_anywhere_resumes_to_the_numbers_of_the_straight_one(place, small, count):
    experiment, rng, kills = small(**SIZES), random.Random(0), collections.Counter()
    place()
    seconds = timed(trained, experiment)
    straight, kept = outcome(runs.run_of(experiment)), snapshots(runs.run_of(experiment))
    assert len(kept) == 3

    def looks_whole(run: Run) -> None:
        assert same(outcome(run), straight)
        assert all(torch.equal(a[key], b[key]) for a, b in zip(snapshots(run), kept, strict=True) for key in a)
        with run.lock():  # whoever works on a run next clears what the killed ones left
            assert not hidden(run.folder) and not (run.folder / "checkpoint.pt").exists()

    run, reached = runs.open_run(experiment), 0
    for _ in range(26):
        if run.finished:
            looks_whole(run)
            place()
            run, reached = runs.run_of(experiment), 0
        doing = killed(trained, experiment, rng=rng, operations=70, size=4_000_000, seconds=seconds)
        if not doing:
            continue
        kills[doing] += 1
        step = torch.load(run.folder / "checkpoint.pt")["step"] if (run.folder / "checkpoint.pt").exists() else 0
        assert step >= reached or run.finished  # a checkpoint is never lost
        reached = step
        steps = [entry["step"] for entry in run.history()]
        assert steps == [*range(1, len(steps) + 1)]
        assert all(len(weights) == len(kept[0]) for weights in snapshots(run))  # whole, as far as they are there
        assert [r.experiment for r in runs.list_runs()] in ([], [experiment])
    trained(experiment)
    looks_whole(run)
    count(kills, 16, "step", "checkpoint")


def test_a_measurement_killed_anywhere_is_finished_by_the_next(place, small, count):
    experiment, rng, kills = small(**SIZES), random.Random(1), collections.Counter()
    place()
    trained(experiment)
    run = runs.run_of(experiment)
    files = {path.name: path.read_bytes() for path in (run.weights, run.log)}
    seconds = timed(measured, experiment)
    straight = values(results.read(run.records))
    assert {"FID[embedded]", "mCSD[embedded]", "mIoU[embedded]", "FPS"} <= {r.metric for r in straight}
    for attempt in range(14):
        if attempt == 0 or is_measured(run):
            place()
            run, finished = runs.open_run(experiment), {}
            for name, body in files.items():
                (run.folder / name).write_bytes(body)
        doing = killed(measured, experiment, rng=rng, operations=45, size=20_000, seconds=seconds)
        kills.update([doing] if doing else [])
        there = {path: path.read_bytes() for path in run.records.glob("[!.]*.json")}
        assert finished.items() <= there.items()  # a finished group is never lost, or measured again
        finished = there
        found = results.read(run.records)
        assert all(r in straight for r in values(found))
        assert is_measured(run) == (len(found) == len(straight))
    measured(experiment)
    assert values(results.read(run.records)) == straight
    assert run.weights.read_bytes() == files[run.weights.name]
    assert not hidden(run.folder)
    count(kills, 8, "records")


def saved_table(number: int) -> None:
    table = pd.DataFrame({"FID": [str(number), str(number + 1)]}, index=pd.Index(["GroupDNet", "SPADE"], name="model"))
    results.save_table(table, f"Table {number}.", "table01", "smoke")


def test_a_table_killed_at_any_operation_is_the_old_or_the_new_one(place, count):
    place()
    saved_table(5)
    folder = paths.figures("smoke")
    old = {path.name: path.read_bytes() for path in folder.iterdir()}
    saved_table(7)
    new = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert len(new) == 4 and all(old[name] != new[name] for name in ("table01.csv", "table01.md", "table01.tex"))

    def survives(how: str, at: int) -> bool:
        """Whether the new table was written; if not, then by the next call."""
        saved_table(5)
        stage = faults.CONTEXT.Value("i", 0, lock=False)
        child = faults.process(faults._with_fuse, how, at, stage, saved_table, (7,))
        child.join(300)
        found = {path.name: path.read_bytes() for path in folder.iterdir() if not path.name.startswith(".")}
        assert found.keys() == new.keys() and all(body in (old[name], new[name]) for name, body in found.items())
        saved_table(7)
        assert new == {path.name: path.read_bytes() for path in folder.iterdir() if not path.name.startswith(".")}
        return child.exitcode == 0

    operation = next(n for n in range(1, 200) if survives("operation", n))
    assert not any(survives("write", size) for size in (1, 20, min(map(len, new.values())) + 1))
    count(collections.Counter(table=operation + 2), 24, "table")  # at least a folder, a file, synced, given its mode, moved; four


TINY = '# %% tags=["parameters"]\npreset = "demo"\nn = 2\n\n# %%\nprint(preset, n * 2)\n\n# %%\nn ** 70\n'


@pytest.fixture
def notebook(place, tmp_path, monkeypatch):
    """A source folder with one tiny notebook, in an empty store."""
    place()
    source = tmp_path / "notebooks" / "07_tiny.py"
    source.parent.mkdir()
    source.write_text(TINY)
    monkeypatch.setattr(paths, "NOTEBOOKS", source.parent)
    return source


def executed(source: Path) -> None:
    paths.NOTEBOOKS = source.parent
    notebooks.execute(source, "smoke", progress=False)


def test_a_notebook_killed_anywhere_is_executed_again(notebook, count):
    executed(notebook)
    kills = collections.Counter()
    output, rng = paths.executed("smoke") / "07_tiny.ipynb", random.Random(3)
    straight = output.read_bytes()
    seconds = timed(executed, notebook)
    assert output.read_bytes() == straight
    for _ in range(6):
        doing = killed(executed, notebook, rng=rng, operations=30, size=1500, seconds=seconds)
        assert output.read_bytes() == straight  # of the last whole execution, or of this one
        assert notebooks.is_current(notebook, "smoke")
        kills.update([doing] if doing else [])
        if not doing:
            output.unlink()
            assert not notebooks.is_current(notebook, "smoke")
            executed(notebook)
    output.unlink()
    executed(notebook)
    assert output.read_bytes() == straight
    assert sorted(path.name for path in output.parent.iterdir() if path.name[0] != ".") == ["07_tiny.ipynb"]
    assert [path.name for path in output.parent.iterdir() if path.suffix == ".ipynb"] == ["07_tiny.ipynb"]
    count(kills, 3, "notebook")


def test_two_executions_of_one_notebook_at_once_take_turns(notebook):
    executed(notebook)
    output = paths.executed("smoke") / "07_tiny.ipynb"
    straight = output.read_bytes()
    both = [faults.process(executed, notebook) for _ in range(2)]
    while any(child.is_alive() for child in both):
        assert output.read_bytes() == straight  # never half of one
        time.sleep(0.005)
    assert [child.exitcode for child in both] == [0, 0]
    assert output.read_bytes() == straight
