"""What is committed of a reproduction: the records behind the tables, the executed notebooks, the README's table."""

import re
import shutil
from pathlib import Path

from . import notebooks, paths, presets, results, runs
from .errors import SmisError, did_you_mean
from .models import MODELS
from .presets import TABLE_1
from .reproduce import NOTEBOOKS
from .versions import UNCOMMITTED

README = paths.CHECKOUT / "README.md"
SHIPPED_BYTES = 4_000_000
COLUMNS = {  # metric -> heading
    "mCSD[embedded]": "mCSD ↑",
    "mOCD[embedded]": "mOCD ↓",
    "mCSD/mOCD[embedded]": "mCSD/mOCD ↑",
    "FID[embedded]": "FID ↓",
    "LPIPS[embedded]": "LPIPS ↑",
    "mIoU[embedded]": "mIoU ↑",
    "Params": "parameters",
}


def publish(preset: str = "demo", paper: str | None = None) -> list[Path]:
    """Copy the store's records of a preset to results/runs, what `smis bench` measured to results/bench, and executed
    notebooks, or those of one paper, to notebooks/; write the README's table from the records. The files written.

    Committed records of experiments that the store does not have stay, unless their preset has changed.
    """
    presets.check_preset(preset)
    if paper is not None and paper not in NOTEBOOKS:
        raise did_you_mean("paper", paper, NOTEBOOKS)
    finished = [
        run
        for run in runs.list_runs()
        if run.experiment.preset == preset and run.finished and presets.as_it_stands(run.experiment)
    ]
    if not finished:
        raise SmisError(f"the store has no finished run of preset {preset!r}: make reproduce PRESET={preset}.")
    for run in finished:
        if any(v.endswith(UNCOMMITTED) for r in results.read(run.records) for v in r.versions.values()):
            raise SmisError(
                f"{run.folder} was trained or measured by code with changes that are in no commit, so nobody could make its "
                f"numbers again. Commit, delete that folder, then make reproduce PRESET={preset}."
            )
    for old in paths.COMMITTED_RECORDS.glob(f"*-{preset}-s*"):
        if not presets.as_it_stands(runs.read_experiment(old / "config.txt")):
            shutil.rmtree(old)
    copied = []
    for run in finished:
        target = paths.COMMITTED_RECORDS / run.experiment.name
        shutil.rmtree(target, ignore_errors=True)
        target.mkdir(parents=True)
        copied += [Path(shutil.copy(path, target)) for path in sorted(run.records.glob("*.json"))]
        shutil.copy(run.folder / "config.json", target / "config.txt")
    for path in sorted(paths.bench().glob("*.json")):
        paths.COMMITTED_BENCH.mkdir(exist_ok=True)
        copied.append(Path(shutil.copy(path, paths.COMMITTED_BENCH)))
    for source in notebooks.select(list(NOTEBOOKS[paper]) if paper else None):
        if not notebooks.is_current(source, preset):
            raise SmisError(f"{source.name} was not executed on what is in the store: make reproduce PRESET={preset}.")
        copied.append(notebooks.keep(source, preset, {"preset": preset}))
    README.write_text(fill(README.read_text(), "table 1", table_1(preset)))
    return copied


def ship(name: str) -> list[Path]:
    """Make a finished, measured run the model that `smislib.load("shipped")` gives: its G and E, and its records.

    Raises SmisError for a run without records, and for weights of more than SHIPPED_BYTES.
    """
    run = runs.find(name)
    records = sorted(run.records.glob("*.json"))
    if not run.finished or not records:
        raise SmisError(f"{run.experiment.name} is not finished or not measured: smis train ... --eval, or smis eval {name}.")
    networks = runs.load(run.weights)
    networks.D = None  # nobody needs it to make pictures
    target = paths.ASSETS / f"{runs.SHIPPED}.safetensors"
    runs.save(target, networks, run.experiment)
    if target.stat().st_size > SHIPPED_BYTES:
        raise SmisError(f"{target} has {target.stat().st_size:,} bytes, more than {SHIPPED_BYTES:,}: train a smaller network.")
    shutil.rmtree(paths.SHIPPED_RECORDS, ignore_errors=True)
    paths.SHIPPED_RECORDS.mkdir(parents=True)
    copied = [Path(shutil.copy(path, paths.SHIPPED_RECORDS)) for path in records]
    return [target, *copied, Path(shutil.copy(run.folder / "config.json", paths.SHIPPED_RECORDS / "config.txt"))]


def table_1(preset: str = "demo") -> str:
    """The README's table, from the committed records alone."""
    committed = results.in_reading(results.read(paths.COMMITTED_RECORDS), "masked")
    records = [r for r in committed if r.data == "mannequins" and r.preset == preset]
    table = results.cells(records, TABLE_1, list(COLUMNS))
    lines = ["| model | " + " | ".join(COLUMNS.values()) + " |", "|---" * (len(COLUMNS) + 1) + "|"]
    for model in TABLE_1:
        cells = [results.significant(table[model, m].value) if (model, m) in table else "not run" for m in COLUMNS]
        lines.append(f"| {MODELS[model].title} | " + " | ".join(cells) + " |")
    seeds = {r.seed for r in records if r.model in TABLE_1}
    lines.append(
        f"\nPreset {preset}, {len(seeds)} seed(s). Intervals: `figures/table01_multimodality.md`. Protocols: `results/runs`."
    )
    return "\n".join(lines)


def fill(text: str, marker: str, body: str) -> str:
    """`text` with what stands between <!-- marker --> and <!-- /marker --> replaced by `body`."""
    pattern = re.compile(rf"(<!-- {marker} -->\n).*?(<!-- /{marker} -->)", re.DOTALL)
    if not pattern.search(text):
        raise SmisError(f"README.md lacks the lines <!-- {marker} --> and <!-- /{marker} -->.")
    return pattern.sub(lambda m: f"{m[1]}{body}\n{m[2]}", text)
