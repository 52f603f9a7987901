"""`make reproduce`: it asks for what is missing, so many at a time, and says what stopped one. Workers are stand-ins here."""

import os
import sys
import time

import pytest
import torch

from smislib import notebooks, paths, presets, reproduce, runs
from smislib.errors import SmisError


@pytest.fixture
def worker(home, tmp_path, monkeypatch):
    """`worker("exit 1")`: in the place of Python, a program that notes what it is asked for and then does that."""
    asked = tmp_path / "asked"

    def make(does: str = ""):
        program = tmp_path / "worker"
        program.write_text(f'#!/bin/sh\necho "$OMP_NUM_THREADS $MKL_NUM_THREADS $*" >> {asked}\n{does}\n')
        program.chmod(0o755)
        monkeypatch.setattr(sys, "executable", str(program))
        monkeypatch.setattr(reproduce, "POLL", 0.01)
        return asked

    return make


def smoke(*models: str) -> list:
    return [presets.experiment(model, "tokens", "smoke", seed=2) for model in models]


def test_every_experiment_is_one_command(worker):
    asked = worker()
    reproduce._train_and_measure(smoke("rotation", "labeller_20"), jobs=1)
    line = "1 1 -m smislib train {} --data tokens --preset smoke --seed 2 --eval --no-progress"
    assert asked.read_text().splitlines() == [line.format("rotation"), line.format("labeller_20")]


def test_what_is_measured_is_not_asked_for_again(worker, monkeypatch, capsys):
    asked = worker()
    monkeypatch.setattr(reproduce, "is_measured", lambda run: run.experiment.model == "rotation")
    rotation, other = smoke("rotation", "labeller_20")
    run = runs.open_run(rotation)
    run.weights.write_bytes(b"")
    runs.open_run(other).log.write_text('{"step": 1, "seconds": 1}\n{"step": 4, "seconds": 4}\n')  # killed after step 4
    reproduce._train_and_measure([rotation, other], jobs=1)
    assert "train labeller_20" in asked.read_text() and "rotation" not in asked.read_text()
    assert "2 experiments, 1 at a time; 10 of 12 steps are done already." in capsys.readouterr().out


def test_a_system_without_affinity_uses_all_cores(monkeypatch):
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)  # macOS
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert reproduce._default_jobs(smoke("rotation")) == os.cpu_count()  # a thread each


@pytest.mark.parametrize("jobs", [1, 2])
def test_so_many_work_at_once(jobs, worker, tmp_path):
    worker(f"echo 1 >> {tmp_path}/at_work; sleep 0.5; echo -1 >> {tmp_path}/at_work")
    reproduce._train_and_measure(smoke("rotation", "labeller_5", "labeller_10", "labeller_20"), jobs=jobs)
    steps = [int(line) for line in (tmp_path / "at_work").read_text().split()]
    assert max(sum(steps[: i + 1]) for i in range(len(steps))) == jobs and steps.count(1) == 4


def test_what_stops_one_is_said_and_ends_the_others(worker):
    fails = 'sleep 0.3; echo step 1; echo "smis: disk full."; exit 2'
    asked = worker(f'case "$*" in *rotation*) {fails};; *) exec sleep 300;; esac')
    first, second = smoke("rotation", "labeller_20")
    started = time.monotonic()
    with pytest.raises(SmisError, match=r"tokens-rotation-smoke-s2-\w+ stopped with: smis: disk full\.$"):
        reproduce._train_and_measure([first, second], jobs=2)
    assert time.monotonic() - started < 60 and len(asked.read_text().splitlines()) == 2  # nobody waited for the second
    worker("exit 1")
    with pytest.raises(SmisError, match=r"stopped with: no message; see .*output\.txt"):
        reproduce._train_and_measure([first], jobs=1)


def test_stale_notebooks_are_executed_and_what_there_is_is_named(home, tmp_path, monkeypatch, capsys):
    figures, executed = tmp_path / "figures", []
    figures.mkdir()
    for name in ("fig_07.png", "fig_07.svg", "table_1.csv", "fig_07.json", "other.png"):
        (figures / name).touch()
    sources = [tmp_path / "07_old.py", tmp_path / "08_new.py", tmp_path / "10_left_out.py"]
    monkeypatch.setattr(reproduce, "plan", lambda *asked: smoke("rotation"))
    monkeypatch.setattr(reproduce, "_open_data", lambda experiments, jobs: None)
    monkeypatch.setattr(reproduce, "_train_and_measure", lambda experiments, jobs: None)
    monkeypatch.setattr(presets, "left_out", lambda: {"pix2pix": "no folder of facades."})
    monkeypatch.setattr(notebooks, "select", lambda names: sources)
    monkeypatch.setattr(notebooks, "is_current", lambda source, preset: source.stem == "08_new")
    monkeypatch.setattr(notebooks, "execute_all", lambda stale, preset, jobs: executed.extend(stale))
    monkeypatch.setattr(paths, "figures", lambda preset: figures)
    reproduce.reproduce("smoke", jobs=1)
    told = capsys.readouterr().out
    assert executed == sources[:1]
    assert "Left out: no folder of facades." in told and "1 of 2 notebooks to execute" in told
    assert f"{figures}/fig_07.png fig_07.svg\n" in told and f"{figures}/table_1.csv\n" in told
    assert "other.png" not in told and "json" not in told and "10_left_out" not in told
    assert f"{paths.executed('smoke') / '08_new.ipynb'}\n" in told


@pytest.mark.parametrize("finished", [False, True])
def test_a_notebook_gets_the_run_that_it_needs(finished, home, monkeypatch, capsys):
    (experiment,) = smoke("rotation")
    did = []
    monkeypatch.setattr(reproduce, "train", lambda e, progress: did.append("trained"))
    monkeypatch.setattr(reproduce, "evaluate", lambda run, progress: did.append("measured"))
    if finished:
        runs.open_run(experiment).weights.write_bytes(b"")
    assert reproduce.ready(experiment).experiment == experiment
    assert did == ["measured"] if finished else ["trained", "measured"]
    assert ("rotation on tokens: training 6 steps" in capsys.readouterr().out) != finished
    reproduce.ready(experiment, measure=False)
    assert did.count("measured") == 1
