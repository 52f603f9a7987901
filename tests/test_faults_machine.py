"""Memory that runs out, workers that die, a batch that is not finite, a changed clock, a GPU that is gone, two at once."""

import multiprocessing
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import faults
import pytest
import torch
from test_bad_input import call
from test_faults_kills import TINY, executed, measured, trained, values
from test_train import at_step, elsewhere, outcome, poisoned, raising, same

from smislib import data, notebooks, paths, presets, reproduce, results, runs
from smislib import train as training
from smislib.config import Experiment
from smislib.data.loading import StepSampler, loader
from smislib.errors import SmisError
from smislib.train import train

RESUMES = "the same command resumes"


@pytest.fixture
def straight(home, small, monkeypatch):
    """An experiment and the outcome of an undisturbed training; SMIS_HOME is then another, empty store."""
    experiment = small()
    trained(experiment)
    found = outcome(runs.run_of(experiment))
    elsewhere(monkeypatch, home / "again")
    return experiment, found


def command(experiment: Experiment) -> list[str]:
    """The arguments that train what `small` makes."""
    sets = {"data.n_train": 8, "data.n_test": 6, "train.steps": 5, "train.checkpoint_every": 2, "train.sample_every": 100}
    assert experiment == presets.experiment("groupdnet", "mannequins", "smoke", assignments={k: str(v) for k, v in sets.items()})
    given = [part for key, value in sets.items() for part in ("--set", f"{key}={value}")]
    return ["train", "groupdnet", "--preset", "smoke", "--accelerator", "cpu", "--no-progress", *given]


# --- memory and workers -----------------------------------------------------------------------------------------------


def without_more_memory(home: str, arguments: list[str], told: Path) -> None:
    """As under `ulimit -v`: with what the process has when everything is imported, and no more."""
    os.environ["SMIS_HOME"] = home
    call("train", "nothing")
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used, used))
    status, _, err = call(*arguments)
    told.write_text(f"{status} {err}")


@pytest.mark.skipif(sys.platform != "linux", reason="how much a process has is read from /proc")
def test_a_training_that_runs_out_of_memory_says_so_and_resumes(straight, home, processes):
    experiment, expected = straight
    told = home / "told.txt"  # no fork of this process, which may have enough that earlier tests have freed
    child = processes(without_more_memory, str(paths.home()), command(experiment), told)
    child.join(300)
    assert child.exitcode == 0
    said = told.read_text()
    assert said.startswith("2 smis: out of memory") and "train.accumulate=2" in said and RESUMES in said, said
    assert "Traceback" not in said and not runs.run_of(experiment).finished
    trained(experiment)
    assert same(outcome(runs.run_of(experiment)), expected)


class Deadly(torch.utils.data.Dataset):
    """A data set at whose image `bad` a worker of a loader is killed."""

    def __init__(self, dataset, bad: int):
        self.dataset, self.bad = dataset, bad

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: int) -> dict:
        if index == self.bad and torch.utils.data.get_worker_info():
            os.kill(os.getpid(), signal.SIGKILL)
        return self.dataset[index]


def test_a_worker_that_is_killed_ends_the_training_which_resumes(straight, monkeypatch):
    experiment, expected = straight
    with monkeypatch.context() as patch:  # workers as where there is a GPU
        patch.setattr(training, "loader", lambda *of, workers, pin: loader(Deadly(of[0], 3), of[1], workers=2, pin=False))
        status, _, err = call(*command(experiment))
    assert status == 2
    assert "a process that loads images was killed" in err and RESUMES in err and "Traceback" not in err
    assert not runs.run_of(experiment).finished
    assert call(*command(experiment))[0] == 0
    assert same(outcome(runs.run_of(experiment)), expected)


def dies(*_) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_process_of_reproduce_that_is_killed_is_named_with_what_to_do(straight, monkeypatch):
    experiment, _ = straight
    monkeypatch.setattr(reproduce, "POLL", 0.05)
    monkeypatch.setattr(reproduce, "_start", lambda _: subprocess.Popen(["sh", "-c", "kill -9 $$"]))
    with pytest.raises(SmisError, match=rf"{experiment.name} was ended by signal 9.*memory.*--jobs 1.*last checkpoint"):
        reproduce._train_and_measure([experiment], 1)
    monkeypatch.setattr(reproduce, "_open", dies)
    monkeypatch.setattr(multiprocessing, "get_context", lambda _, original=faults.CONTEXT: original)
    with pytest.raises(SmisError, match=r"renders or checks the data was killed.*--jobs 1.*what was finished is kept"):
        reproduce._open_data([experiment], 1)


def test_a_kernel_that_is_killed_is_named_with_what_to_do(home, tmp_path, monkeypatch):
    source = tmp_path / "07_tiny.py"
    source.write_text(TINY)
    monkeypatch.setattr(paths, "NOTEBOOKS", tmp_path)
    executed(source)
    output = paths.executed("smoke") / "07_tiny.ipynb"
    whole = output.read_bytes()
    source.write_text(TINY + "\n# %%\nimport os, signal\nos.kill(os.getpid(), signal.SIGKILL)\n")
    with pytest.raises(SmisError, match=r"kernel of 07_tiny.py was killed.*memory.*See .*07_tiny.ipynb.*--jobs 1.*run it again"):
        executed(source)
    assert not notebooks.is_current(source, "smoke")
    source.write_text(TINY)
    executed(source)
    assert output.read_bytes() == whole


# --- values, the clock, the GPU ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("bad", [1, 6])
def test_a_batch_that_is_not_finite_leaves_no_trace_in_the_numbers(bad, home, small, monkeypatch):
    experiment = small(**{"train.log_every": 50})
    trained(experiment)
    expected = outcome(runs.run_of(experiment))
    elsewhere(monkeypatch, home / "again")
    with monkeypatch.context() as patch:
        patch.setattr(data, "open_split", poisoned(data.open_split, bad))
        first = next(step for step in range(5) if bad in StepSampler(8, 4, 0, range(0)).indices(step))
        with pytest.raises(SmisError, match=rf"not finite since step {first} .*The last checkpoint is intact: lower"):
            trained(experiment)
    trained(experiment)
    assert same(outcome(runs.run_of(experiment)), expected)


CLOCK = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <time.h>
#include <sys/time.h>
static long shift(void) { static long n; return (++n % 3 - 1) * 1000000000L; }  /* 32 years back, none, 32 years on */
int clock_gettime(clockid_t id, struct timespec *t) {
    static int (*real)(clockid_t, struct timespec *);
    if (!real) real = dlsym(RTLD_NEXT, "clock_gettime");
    int r = real(id, t);
    if (id == CLOCK_REALTIME) t->tv_sec += shift();
    return r;
}
time_t time(time_t *t) { struct timespec s; clock_gettime(CLOCK_REALTIME, &s); if (t) *t = s.tv_sec; return s.tv_sec; }
int gettimeofday(struct timeval *restrict t, void *restrict z) {
    struct timespec s; clock_gettime(CLOCK_REALTIME, &s); t->tv_sec = s.tv_sec; t->tv_usec = s.tv_nsec / 1000; return 0;
}
"""


@pytest.mark.skipif(sys.platform != "linux" or not shutil.which("cc"), reason="a clock of its own needs Linux and a C compiler")
def test_a_clock_that_is_changed_changes_nothing(home, small, tmp_path, monkeypatch):
    """The real command, under a clock that jumps by decades at each look; the files of a run begun before are of 2100."""
    (tmp_path / "clock.c").write_text(CLOCK)
    library = tmp_path / "clock.so"
    subprocess.run(["cc", "-shared", "-fPIC", "-o", library, tmp_path / "clock.c", "-ldl"], check=True)
    look = [sys.executable, "-c", "import time; print(len({int(time.time() / 1e8) for _ in range(9)}))"]
    environment = os.environ | {"LD_PRELOAD": str(library)}
    assert subprocess.run(look, env=environment, capture_output=True, text=True, check=True).stdout == "3\n"  # it does jump

    sizes = {"evaluation.n_fid": 6, "evaluation.n_maps": 2, "evaluation.m_pairs": 1}
    experiment = small(**sizes)
    trained(experiment)
    measured(experiment)
    run = runs.run_of(experiment)
    expected, records = outcome(run), values(results.read(run.records))
    elsewhere(monkeypatch, home / "again")
    with at_step(3, raising), pytest.raises(Exception):  # noqa: B017 (whatever stops it)
        trained(experiment)
    run = runs.run_of(experiment)
    for path in run.folder.rglob("*"):
        os.utime(path, (4102444800, 4102444800))
    arguments = command(small()) + [part for key, value in sizes.items() for part in ("--set", f"{key}={value}")]
    environment = os.environ | {"LD_PRELOAD": str(library)}
    done = subprocess.run(
        [sys.executable, "-m", "smislib", *arguments, "--eval"], env=environment, capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, done.stderr
    assert same(outcome(run), expected)
    assert values(results.read(run.records)) == records
    assert all(0 <= entry["seconds"] < 600 for entry in run.history())


def on_a_gpu(storage: object) -> str:
    """Where torch.save says that a tensor was."""
    return "cuda:0"


def test_a_run_begun_on_a_gpu_resumes_without_one(straight, small, monkeypatch):
    """Its checkpoint is what a GPU's is: every tensor of it is marked as of cuda:0."""
    experiment, expected = straight
    with monkeypatch.context() as patch, at_step(3, raising), pytest.raises(Exception):  # noqa: B017 (whatever stops it)
        patch.setattr(torch.serialization, "location_tag", on_a_gpu)
        trained(experiment)
    path = runs.run_of(experiment).folder / "checkpoint.pt"
    assert b"cuda:0" in path.read_bytes()
    if not torch.cuda.is_available():
        with pytest.raises(RuntimeError, match="CUDA"):
            torch.load(path)  # as it is, it cannot be read here
        trained(experiment)
        assert same(outcome(runs.run_of(experiment)), expected)
        half = small(**{"train.precision": "16-mixed"})
        with pytest.raises(SmisError, match=r"16-mixed needs a GPU; .* A run begun with it resumes where one is"):
            train(half, progress=False)
        assert not runs.run_of(half).folder.exists()


# --- two at once ------------------------------------------------------------------------------------------------------


def trained_and_measured(experiment: Experiment) -> None:
    trained(experiment)
    measured(experiment)


class Started:
    """What `reproduce` needs of a training: here a fork, in the same process group, which has nothing to import."""

    def __init__(self, experiment: Experiment):
        self.process = faults.CONTEXT.Process(target=trained_and_measured, args=(experiment,))
        self.process.start()
        self.terminate, self.wait = self.process.terminate, self.process.join

    def poll(self) -> int | None:
        return self.process.exitcode

    returncode = property(poll)


def reproduces(source: Path, experiments: list[Experiment]) -> None:
    """`smis reproduce` of these experiments and one notebook."""
    reproduce.plan, reproduce.POLL, reproduce._start = (lambda *_: experiments), 0.05, Started
    notebooks.select, paths.NOTEBOOKS = (lambda _: [source]), source.parent
    reproduce._open_data = lambda *_: None  # a pool of `spawn`: what it renders is rendered by the trainings, at once
    reproduce.reproduce("smoke", jobs=1)


def test_two_reproductions_at_once_one_of_them_killed_are_one_undisturbed(home, tmp_path, monkeypatch):
    source = tmp_path / "notebooks" / "07_tiny.py"
    source.parent.mkdir()
    source.write_text(TINY)
    monkeypatch.setattr(paths, "NOTEBOOKS", source.parent)  # `executed` sets it
    experiment = presets.experiment("groupdnet", preset="smoke")
    trained(experiment)
    measured(experiment)
    run = runs.run_of(experiment)
    expected, records = outcome(run), values(results.read(run.records))
    executed(source)
    cells = (paths.executed("smoke") / "07_tiny.ipynb").read_text()

    elsewhere(monkeypatch, home / "again")
    run = runs.run_of(experiment)
    said = [tmp_path / "said0.txt", tmp_path / "said1.txt"]
    both = [faults.process(reproduces, source, [experiment], said=path) for path in said]
    until(lambda: (run.folder / "checkpoint.pt").exists() or run.finished)
    faults.kill_group(both[0])
    both[1].join(300)
    assert both[1].exitcode == 0, said[1].read_text()
    third = faults.process(reproduces, source, [experiment], said=said[0])  # a rerun of the killed one: nothing is left to do
    third.join(300)
    assert third.exitcode == 0
    assert "0 of 1 notebooks to execute" in said[0].read_text()
    assert same(outcome(run), expected)
    assert values(results.read(run.records)) == records
    again = (paths.executed("smoke") / "07_tiny.ipynb").read_text()
    a, b = ([line for line in text.splitlines() if notebooks.MADE_FROM not in line] for text in (again, cells))
    assert a == b


def until(condition: Callable[[], bool], seconds: float = 300) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_the_command_itself_killed_by_the_clock_resumes(straight):
    """`python -m smislib train`, with all that it started: a second, real process each time."""
    experiment, expected = straight
    run, rng = runs.run_of(experiment), random.Random(0)
    for _ in range(2):
        started = subprocess.Popen(
            [sys.executable, "-m", "smislib", *command(experiment)], start_new_session=True, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )  # fmt: skip
        until(run.log.exists)  # it trains
        time.sleep(rng.uniform(0, 0.3))
        os.killpg(started.pid, signal.SIGKILL)
        started.wait()
        assert run.finished or [entry["step"] for entry in run.history()] == [*range(1, len(run.history()) + 1)]
    trained(experiment)
    assert same(outcome(run), expected)
