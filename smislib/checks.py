"""The notebook stage of `make test`: every notebook runs at `smoke`, and what it prints must be what is stored.

    python -m smislib.checks            are the stored notebooks those of notebooks/*.py? Then nbval runs and compares
    python -m smislib.checks --store    run them and store their outputs anew (`make smoke-notebooks`)
    python -m smislib.checks --pairs    run nothing: are they, and notebooks/*.ipynb, of notebooks/*.py? (before each commit)

The stored copies are tests/notebooks/*.ipynb, without pictures. Cells whose numbers come out of a training or a clock are
tagged `nbval-ignore-output`. Both ways run in an empty, temporary SMIS_HOME, so nothing that lies around decides a result.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from itertools import zip_longest
from pathlib import Path

import jupytext
import nbformat
from nbformat import NotebookNode

from . import atomic, notebooks, paths
from .errors import SmisError

PRESET = "smoke"
STORED = paths.CHECKOUT / "tests" / "notebooks"


def stale(sources: list[Path], stored: Path = STORED, preset: str = PRESET) -> list[str]:
    """Why each stored notebook that is not its source at a preset is not: one sentence each, none when all is well."""
    reasons = []
    for source in sources:
        path = stored / f"{source.stem}.ipynb"
        if not path.exists():
            reasons.append(f"{path.name} is missing.")
            continue
        ours = _cells(notebooks.without_injected(jupytext.read(source), {"preset": preset}))
        theirs = _cells(nbformat.read(path, as_version=4))
        differs = [i for i, (a, b) in enumerate(zip_longest(ours, theirs), 1) if a != b]
        if differs:
            reasons.append(f"{path.name} differs from {source.name} in cell {differs[0]} ({len(differs)} in all).")
    return reasons


def check_pairs(sources: list[Path], executed: Path = paths.NOTEBOOKS, stored: Path = STORED) -> None:
    """Raise SmisError where an executed notebook, or its copy at `smoke`, is not of its source, with what makes it so again."""
    wrong = {
        "smis notebooks NUMBER --store": stale(sources, executed, "demo"),
        "python -m smislib.checks NUMBER --store": stale(sources, stored),
    }
    lines = [f"{reason} Run {command}." for command, reasons in wrong.items() for reason in reasons]
    if lines:
        raise SmisError("\n  ".join(["notebooks are not those of their sources:", *lines]))


def _cells(notebook: NotebookNode) -> list[tuple]:
    """What must agree between a source and its stored copy; outputs and counters are not part of it."""
    return [(c.cell_type, c.source.strip(), tuple(c.metadata.get("tags", []))) for c in notebook.cells]


def store(sources: list[Path], stored: Path = STORED) -> None:
    """Execute each notebook at `smoke` and keep its text outputs."""
    for source, path in zip(sources, notebooks.execute_all(sources, PRESET, jobs=2), strict=True):
        executed = nbformat.read(path, as_version=4)
        notebook = _without_pictures(notebooks.without_injected(executed, {"preset": PRESET}))
        path = stored / f"{source.stem}.ipynb"
        atomic.write(path, lambda temporary, notebook=notebook: nbformat.write(notebook, temporary))
        print(path)


def _without_pictures(notebook: NotebookNode) -> NotebookNode:
    """nbval compares text; without its pictures a stored notebook is a few kilobytes."""
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            for kind in [kind for kind in output.get("data", {}) if kind.startswith("image/")]:
                del output["data"][kind]
    return notebook


def compare(sources: list[Path], stored: Path = STORED) -> int:
    """pytest's exit status after nbval has executed the stored notebooks again, two at a time."""
    command = [sys.executable, "-m", "pytest", "--nbval", "--nbval-current-env", "--nbval-cell-timeout", "300"]
    command += ["--nbval-sanitize-with", str(stored / "sanitize.cfg"), "-n", "2", "--dist", "loadfile"]
    command += [str(stored / f"{source.stem}.ipynb") for source in sources]
    return subprocess.run(command, cwd=paths.CHECKOUT, check=False).returncode


def _environment(home: str) -> dict[str, str]:
    """One thread and nothing on stderr, so that two runs print the same."""
    return {"SMIS_HOME": home, "OMP_NUM_THREADS": "1", "TQDM_DISABLE": "1", "PYTHONWARNINGS": "ignore"}


def main() -> int:
    """Exit status: 0 all outputs agree, 1 some do not, 2 a stored notebook is stale or a notebook fails."""
    parser = argparse.ArgumentParser(prog="python -m smislib.checks", description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", help="e.g. 02 05; default: all")
    parser.add_argument("--store", action="store_true", help="run the notebooks and store their outputs anew")
    parser.add_argument("--pairs", action="store_true", help="run nothing: only compare notebooks with their sources")
    arguments = parser.parse_args()
    sources = notebooks.select(arguments.names)
    if arguments.pairs:
        check_pairs(sources)
        return 0
    reasons = [] if arguments.store else stale(sources)
    if reasons:
        raise SmisError("\n  ".join(["stored smoke notebooks are stale; run `make smoke-notebooks`:", *reasons]))
    with tempfile.TemporaryDirectory() as home:
        os.environ.update(_environment(home))
        os.environ.pop("MPLBACKEND", None)  # a kernel shows figures only with its own
        if not arguments.store:
            return compare(sources)
        store(sources)
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except SmisError as error:
        print(f"smis: {error}", file=sys.stderr)
        sys.exit(2)
