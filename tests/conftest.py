"""What the tests share: one thread, a store of their own, networks small enough to build in milliseconds."""

import collections
import multiprocessing
import os

# before anything is imported, here and in every process that a test starts
os.environ |= {"OMP_NUM_THREADS": "1", "TQDM_DISABLE": "1"}

import pytest
import torch
from hypothesis import settings

from smislib import presets
from smislib.config import Experiment

torch.set_num_threads(1)
# No deadline: a loaded machine is no failure. The same examples each time: what passes on one clone passes on the next;
# `pytest --hypothesis-profile explore` draws new ones.
settings.register_profile("smis", deadline=None, derandomize=True)
settings.register_profile("explore", deadline=None)
settings.load_profile("smis")
multiprocessing.set_forkserver_preload(["smislib.train"])  # a child then starts in milliseconds, not in seconds


@pytest.fixture(scope="session")
def rendered(tmp_path_factory):
    """Rendered data, made once: every store's cache points here."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def home(tmp_path, monkeypatch, rendered):
    """An empty SMIS_HOME."""
    folder = tmp_path / "home"
    (folder / "runs").mkdir(parents=True)
    (folder / "runs" / ".cache").symlink_to(rendered, target_is_directory=True)
    monkeypatch.setenv("SMIS_HOME", str(folder))
    return folder


@pytest.fixture
def small():
    """`small(model="groupdnet", **{"train.steps": 5})`: a smoke experiment on eight mannequins."""

    def make(model: str = "groupdnet", seed: int = 0, **assignments) -> Experiment:
        size = {"data.n_train": 8, "data.n_test": 6, "train.steps": 5, "train.checkpoint_every": 2, "train.sample_every": 100}
        texts = {key: str(value) for key, value in (size | assignments).items()}
        return presets.experiment(model, "mannequins", "smoke", seed, assignments=texts)

    return make


@pytest.fixture
def processes():
    """Starts functions in processes of their own; what still runs when the test ends is killed."""
    context = multiprocessing.get_context("forkserver")
    started = []

    def start(function, *arguments):
        process = context.Process(target=function, args=arguments)
        process.start()
        started.append(process)
        return process

    start.context = context
    yield start
    for process in started:
        if process.is_alive():
            process.kill()
        process.join()


def pytest_terminal_summary(terminalreporter):
    """Says what the processes that test_faults_kills.py killed were doing."""
    kills = collections.Counter()
    for report in terminalreporter.getreports("passed"):
        kills.update(dict(report.user_properties).get("kills", {}))
    if kills:
        terminalreporter.write_line(f"{kills.total()} kills: " + ", ".join(f"{n} in {doing}" for doing, n in kills.most_common()))
