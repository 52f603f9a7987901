"""`make reproduce`: train and measure every experiment, a process for each core, then execute every notebook."""

import multiprocessing
import os
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import torch
from tqdm import tqdm

from . import data, notebooks, papers, paths, presets, runs
from .config import DataSpec, Experiment
from .errors import SmisError, did_you_mean
from .evaluate import evaluate, is_measured
from .processes import cores
from .runs import Run
from .train import train

# paper -> the notebooks that show it. The first five are SMIS's own
NOTEBOOKS = {
    "smis": (*(f"{n:02d}" for n in range(10)), "16"),
    "pix2pix": ("10",),
    "spade": ("11", "12"),
    "oasis": ("13",),
    "s3gan": ("14", "15"),
}
POLL = 1.0  # seconds between looks at the running trainings: their own cores have better things to do


def plan(preset: str, seeds: int = 1, paper: str | None = None) -> list[Experiment]:
    """Every experiment behind the tables and figures, on the data sets of `presets.tables_data` and `presets.rows`; or those of
    one paper, then also those that its tables have beside (`EVERYTHING` of S3GAN).

    Papers that have no data in DATA_ROOT are left out; one that was asked for is a SmisError.
    """
    asked = []
    if paper in (None, "smis"):
        folders, (main, root) = presets.tables_data(), presets.main_data()
        asked += [(model, main, root) for model in (*presets.TABLE_1, *presets.table_3(preset))]
        asked += [(model, name, folder) for name, folder in folders.items() for model in presets.TABLE_2]
    absent = presets.left_out() if paper is None else ()
    for name in papers.NAMES:
        if name == paper or (paper is None and name not in absent):
            asked += presets.rows(name, everything=name == paper)
    every = [presets.experiment(model, name, preset, seed, folder) for seed in range(seeds) for model, name, folder in asked]
    if paper in (None, "smis"):
        every.append(presets.experiment("groupdnet", "photos", preset, 0))
    return list(dict.fromkeys(every))


def reproduce(preset: str, seeds: int = 1, jobs: int | None = None, root: str | None = None, paper: str | None = None) -> None:
    """Everything, from nothing or from wherever an earlier call stopped; prints what it made.

    `root`: as the environment variable DATA_ROOT, see `presets.tables_data`. `paper`: that of one paper alone, a key of
    `NOTEBOOKS`.
    """
    if paper is not None and paper not in NOTEBOOKS:
        raise did_you_mean("paper", paper, NOTEBOOKS)
    for name, n in {"seeds": seeds, "jobs": jobs}.items():
        if n is not None and n < 1:
            raise SmisError(f"{name} must be at least 1, found {n}.")
    started = time.monotonic()
    if root:
        os.environ["DATA_ROOT"] = root  # the notebooks' kernels read it
    experiments = plan(preset, seeds, paper)
    jobs = jobs or _default_jobs(experiments)
    _open_data(experiments, jobs)
    _train_and_measure(experiments, jobs)
    absent = presets.left_out() if paper is None else {}
    for reason in absent.values():
        print(f"Left out: {reason}", flush=True)
    sources = notebooks.select(list(NOTEBOOKS[paper]) if paper else None)
    sources = [source for source in sources if not any(source.stem[:2] in NOTEBOOKS[name] for name in absent)]
    stale = [source for source in sources if not notebooks.is_current(source, preset)]
    print(f"{len(stale)} of {len(sources)} notebooks to execute; the others are as they would be.", flush=True)
    threads = max(1, cores() // jobs)
    os.environ.setdefault("OMP_NUM_THREADS", str(threads))  # of the kernels: more threads than cores wait for each other
    notebooks.execute_all(stale, preset, jobs=jobs)
    executed = [paths.executed(preset) / f"{source.stem}.ipynb" for source in sources]
    _summary(preset, executed, time.monotonic() - started)


def ready(experiment: Experiment, measure: bool = True) -> Run:
    """The run of an experiment; what is missing is trained, and measured, here and now, with a message."""
    run = runs.run_of(experiment)
    if not run.finished:
        print(f"{experiment.model} on {experiment.data.name}: training {experiment.train.steps} steps ...", flush=True)
        train(experiment, progress=False)
    if measure:
        evaluate(run, progress=False)
    return run


def _default_jobs(experiments: list[Experiment]) -> int:
    if torch.cuda.is_available():
        return 1
    return max(1, cores() // (experiments[0].train.threads or cores()))


def _open_data(experiments: list[Experiment], jobs: int) -> None:
    """Render, or check, every split once, `jobs` at a time: its faults show before any work, and no worker does it again."""
    splits = [(spec, split) for spec in dict.fromkeys(e.data for e in experiments) for split in ("train", "test")]
    with ProcessPoolExecutor(jobs, mp_context=multiprocessing.get_context("spawn")) as pool:
        try:
            for opened in [pool.submit(_open, *arguments) for arguments in splits]:
                opened.result()
        except BrokenProcessPool as error:
            raise SmisError(
                "a process that renders or checks the data was killed, as a system does when memory runs out. Close other "
                "programs, or let fewer work at a time (--jobs 1), and run it again; what was finished is kept."
            ) from error


def _open(spec: DataSpec, split: str) -> None:
    data.open_split(spec, split)


def _train_and_measure(experiments: list[Experiment], jobs: int) -> None:
    """One `smis train --eval` process an experiment, `jobs` at a time; one progress bar over all their steps."""
    waiting, running = [e for e in experiments if not is_measured(runs.run_of(e))], {}
    steps = {e: _steps_done(e) for e in experiments}
    total = sum(e.train.steps for e in experiments)
    print(
        f"{len(experiments)} experiments, {jobs} at a time; {sum(steps.values())} of {total} steps are done already.", flush=True
    )
    steady = 1.0 if sys.stderr.isatty() else 20.0  # seconds between updates: a log file wants fewer
    bar = tqdm(total=total, initial=sum(steps.values()), desc="train + measure", unit="step", mininterval=steady, file=sys.stderr)
    try:
        while waiting or running:
            while waiting and len(running) < jobs:
                experiment = waiting.pop(0)
                running[_start(experiment)] = experiment
            time.sleep(POLL)
            for process in [p for p in running if p.poll() is not None]:
                experiment = running.pop(process)
                if process.returncode:
                    raise SmisError(f"{experiment.name} {_end_of(experiment, process.returncode)}")
                steps[experiment] = experiment.train.steps
            steps |= {e: _steps_done(e) for e in running.values()}
            bar.set_postfix_str(", ".join(f"{e.model}/{e.data.name} {steps[e]}" for e in running.values()), refresh=False)
            bar.update(sum(steps.values()) - bar.n)
    finally:
        bar.close()
        for process in running:
            process.terminate()
        for process in running:
            process.wait()


def _start(experiment: Experiment) -> subprocess.Popen:
    e = experiment
    command = [sys.executable, "-m", "smislib", "train", e.model, "--data", e.data.name, "--preset", e.preset]
    command += ["--seed", str(e.seed), "--eval", "--no-progress"] + (["--root", e.data.root] if e.data.root else [])
    threads = str(e.train.threads or "")
    environment = os.environ | ({"OMP_NUM_THREADS": threads, "MKL_NUM_THREADS": threads} if threads else {})
    with _output_of(experiment).open("w") as file:
        return subprocess.Popen(command, stdout=file, stderr=subprocess.STDOUT, env=environment)


def _output_of(experiment: Experiment) -> Path:
    return runs.open_run(experiment).folder / "output.txt"


def _end_of(experiment: Experiment, status: int) -> str:
    if status < 0:
        return (
            f"was ended by signal {-status}, as a system does when memory runs out (9). Close other programs, or let fewer work "
            f"at a time (--jobs 1), and run it again: it goes on from its last checkpoint. Its output: {_output_of(experiment)}"
        )
    lines = _output_of(experiment).read_text("utf-8", "replace").strip().splitlines()
    return f"stopped with: {lines[-1] if lines else f'no message; see {_output_of(experiment)}'}"


def _steps_done(experiment: Experiment) -> int:
    run = runs.run_of(experiment)
    if run.finished:
        return experiment.train.steps
    history = run.history()
    return history[-1]["step"] if history else 0


def _summary(preset: str, executed: list[Path], seconds: float) -> None:
    figures = paths.figures(preset)
    made = sorted(p for p in figures.glob("*") if p.is_file() and p.stem[:3] in ("fig", "tab", "cla") and p.suffix != ".json")
    names = dict.fromkeys(p.stem for p in made)
    print(f"\nDone in {seconds / 60:.1f} min. Tables and figures (preset {preset}):")
    for name in names:
        files = [p.name for p in made if p.stem == name]
        print(f"  {_shown(figures)}/{' '.join(files)}")
    print("Executed notebooks:")
    for path in executed:
        print(f"  {_shown(path)}")


def _shown(path: Path) -> Path:
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
