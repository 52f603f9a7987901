"""Results are records, not numbers: a value with its protocol, seed, preset, experiment, device and versions.

Tables are joins over records. A column takes records of one protocol only, so two numbers that were not measured the
same way never stand under one heading.
"""

import csv
import datetime
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from . import atomic, config, paths, presets, provenance, runs
from .errors import SmisError
from .metrics import METRICS, Measurement
from .models import MODELS
from .published import read as read_published
from .versions import versions

# What may differ between two records of one column: it describes the model, not the measurement.
OF_THE_MODEL = {"counted", "repeats", "raters", "resampled", "agreement", "kappa"}


@dataclass(frozen=True)
class Record:
    """One measurement of one run."""

    metric: str
    value: float
    protocol: dict
    model: str
    data: str
    preset: str
    seed: int
    experiment: str  # the hash that names the run's folder
    weights: str  # hash of the weights that were measured
    interval: tuple[float, float] | None = None  # 95 %
    spread: float | None = None
    device: str = "cpu"
    versions: dict = field(default_factory=dict)
    date: str = ""
    seconds: float = 0.0

    @property
    def protocol_hash(self) -> str:
        return config.content_hash({k: v for k, v in self.protocol.items() if k not in OF_THE_MODEL})


def record(measurement: Measurement, run: runs.Run, weights: str, device: str, seconds: float) -> Record:
    """A measurement of a run as a record. Where other code trained it, its versions say by which it was."""
    e, made_by = run.experiment, versions()
    if run.code not in ("", made_by["code"]):
        made_by["trained by"] = run.code
    return Record(
        metric=measurement.metric,
        value=measurement.value,
        protocol=measurement.protocol,
        model=e.model,
        data=e.data.name,
        preset=e.preset,
        seed=e.seed,
        experiment=e.hash,
        weights=weights,
        interval=measurement.interval,
        spread=measurement.spread,
        device=device,
        versions=made_by,
        date=datetime.date.today().isoformat(),
        seconds=round(seconds, 2),
    )


def write(folder: Path, records: Iterable[Record], name: str) -> None:
    """All the records of one measurement as one file, each with its check sum."""
    body = [values | {"checksum": config.content_hash(values)} for values in map(config.to_dict, records)]
    atomic.write(folder / f"{name}.json", lambda path: path.write_text(json.dumps(body, indent=1) + "\n"))


def read(folder: Path) -> list[Record]:
    """The records below a folder. A file that cannot be read is an error that names it; one that is being written is hidden."""
    found = sorted(p for p in folder.rglob("*.json") if not any(part[0] == "." for part in p.relative_to(folder).parts))
    return [record for path in found for record in read_file(path)]


def read_file(path: Path) -> list[Record]:
    """The records of one file. One that cannot be read is an error that names it."""
    try:
        return [config.from_dict(Record, _checked(body)) for body in json.loads(path.read_text())]
    except (ValueError, TypeError, RecursionError, SmisError) as error:
        raise SmisError(f"{path} is not a file of records ({error}). Delete it; `smis eval` writes it again.") from error


def _checked(body: Any) -> Any:
    """A record's values without their check sum, which has to be theirs; records of earlier versions have none."""
    if not isinstance(body, dict) or "checksum" not in body:
        return body
    values = {key: value for key, value in body.items() if key != "checksum"}
    if (found := config.content_hash(values)) != body["checksum"]:
        raise SmisError(f"damaged or edited: its check sum is {found}, not {body['checksum']}")
    return values


def of_runs(data: str, preset: str) -> list[Record]:
    """The records of the store for one data set at one preset.

    Only runs that are the preset as it stands: one that `--set` changed, or made before the preset changed, carries its
    name but not its values. `read(run.records)` gives the records of any run.
    """
    records = []
    for run in runs.list_runs():
        e = run.experiment
        if (e.data.name, e.preset) == (data, preset) and presets.as_it_stands(e):
            records += read(run.records)
    return records


def committed() -> list[Record]:
    """The records that are committed with the library."""
    return read(paths.COMMITTED_RECORDS) if paths.COMMITTED_RECORDS.exists() else []


def with_committed(
    records: Sequence[Record], data: str, preset: str, others: Sequence[Record] | None = None
) -> tuple[list[Record], str]:
    """The records of the store, and, of experiments that it has not measured, those committed with the library (`others`, for
    who has read them already); and a sentence that says which are which.

    Only records of experiments that are the preset as it stands, by their hash: others are of values that have changed.
    """
    here, current = {r.experiment for r in records}, {}
    added = []
    for r in committed() if others is None else others:
        if (r.data, r.preset) != (data, preset) or r.experiment in here or r.model not in MODELS:
            continue
        key = r.model, r.seed
        if key not in current:
            current[key] = presets.experiment(r.model, data, preset, r.seed).hash
        added += [r] if r.experiment == current[key] else []
    n, m = len(here), len({r.experiment for r in added})
    return [*records, *added], f"Of {n + m} trainings {n} are in this run store, {m} are committed records of another machine's."


def in_reading(records: Iterable[Record], reading: str) -> list[Record]:
    """The records of one reading ("masked" or "spatial" of mCSD and mOCD; "image" and others of LPIPS), and those of metrics
    that it does not have: the LPIPS of `evaluate`'s diversity is no reading, and gives way to that of its variation.
    """
    records = list(records)
    read = {r.metric for r in records if r.protocol.get("reading") == reading}
    return [r for r in records if r.protocol.get("reading", None if r.metric in read else reading) == reading]


@dataclass(frozen=True)
class Cell:
    """A table cell: mean over seeds, and the spread that is known (over seeds, else the interval of the one seed)."""

    value: float
    records: tuple[Record, ...]

    @property
    def seeds(self) -> int:
        return len({r.seed for r in self.records})

    @property
    def interval(self) -> tuple[float, float] | None:
        if self.seeds > 1:
            sd = float(np.std([r.value for r in self.records], ddof=1))
            return self.value - sd, self.value + sd
        interval = self.records[0].interval
        return (interval[0], interval[1]) if interval else None

    def __str__(self) -> str:
        text = significant(self.value)
        if self.seeds > 1:
            sd = float(np.std([r.value for r in self.records], ddof=1))
            text += f" ± {significant(sd, 2)}" if sd else ""  # a count is the same for each seed
        elif self.interval:
            text += f" [{significant(self.interval[0])}, {significant(self.interval[1])}]"
        return provenance.note(text, self.records)


def significant(value: float, digits: int = 3) -> str:
    """`value` with so many significant digits, without an exponent where that is readable."""
    if not np.isfinite(value):
        return str(value)
    if abs(value) >= 1e5:
        return f"{value / 1e6:.{digits}g} M"
    if value == 0 or abs(value) < 1e-5:
        return f"{value:.{digits - 1}e}" if value else "0"
    decimals = max(0, digits - 1 - int(np.floor(np.log10(abs(value)))))
    return f"{value:.{decimals}f}"


def cells(records: Sequence[Record], models: Sequence[str], metrics: Sequence[str]) -> dict[tuple[str, str], Cell]:
    """(model, metric) -> cell.

    Raises SmisError when a column would mix protocols, presets or data sets, or count one seed of a model twice.
    """
    table = {}
    for metric in metrics:
        column = [r for r in records if r.metric == metric and r.model in models]
        for what in ("protocol_hash", "preset", "data"):
            values = {getattr(r, what): r for r in column}
            if len(values) > 1:
                a, b = list(values.values())[:2]
                raise SmisError(
                    f"column {metric} would mix records of different {what.split('_')[0]}: {a.model} (seed {a.seed}) and "
                    f"{b.model} (seed {b.seed}) {_difference(a, b)}. Evaluate again with one protocol: smis eval --again."
                )
        for model in models:
            mine = tuple(r for r in column if r.model == model)
            if len({r.seed for r in mine}) < len(mine):
                found = ", ".join(sorted({r.experiment for r in mine}))
                raise SmisError(f"column {metric} has several records of {model} with one seed (experiments {found}): keep one.")
            if mine:
                table[model, metric] = Cell(float(np.mean([r.value for r in mine])), mine)
    return table


def _difference(a: Record, b: Record) -> str:
    keys = sorted(k for k in a.protocol.keys() | b.protocol.keys() if a.protocol.get(k) != b.protocol.get(k))
    if not keys:
        return f"are of {a.data}/{a.preset} and {b.data}/{b.preset}"
    return "differ in " + ", ".join(f"{k} ({a.protocol.get(k)} | {b.protocol.get(k)})" for k in keys[:3])


def published(paper: str, table: str) -> dict:
    """What a paper prints: {"columns": [...], "rows": {name: [value or None]}, "source": ..., "confidence": ...}."""
    return read_published(paper, table)


def _absent(model: str, metric: str) -> str:
    """What stands where there is no record: a model that gives one image per label map has no diversity to measure."""
    if metric == "SHE":
        return "no study"
    return "–" if METRICS[metric].of_code and not MODELS[model].multimodal else "not run"


def published_cell(table: dict, row: str, column: str) -> str:
    """A printed number, or "not available" where we have no source for it.

    With as many decimals as its column: JSON does not keep a last zero, the 0.20 below a 0.23.
    """
    i = table["columns"].index(column)
    value = table["rows"].get(row, [None] * len(table["columns"]))[i]
    if isinstance(value, float):
        return f"{value:.{max(_decimals(row[i]) for row in table['rows'].values())}f}"
    return "not available" if value is None else str(value)


def comparison(
    records: Sequence[Record],
    models: Sequence[str],
    columns: dict[str, str | None],
    printed: dict,
    rows: dict[str, str] | None = None,
) -> tuple[pd.DataFrame, str]:
    """A table, published | reproduced, and its caption.

    `columns` maps our metric to the paper's column, or to None where the paper has none; `rows` a model to the paper's row
    where that is not the model's title.
    """
    names = [(rows or {}).get(model, MODELS[model].title) for model in models]
    ours = cells(records, models, list(columns))
    frame = {}
    for metric, theirs in columns.items():
        arrow = _arrow(metric)
        if theirs is not None:
            frame[theirs + arrow, "published"] = [published_cell(printed, name, theirs) for name in names]
        frame[(theirs or metric) + arrow, f"reproduced as {metric}"] = [
            str(ours[m, metric]) if (m, metric) in ours else _absent(m, metric) for m in models
        ]
    table = pd.DataFrame(frame, index=pd.Index(names, name="model"))
    used = [r for cell in ours.values() for r in cell.records] or [r for r in records if r.model in models]
    presets, seeds, data = _covered(used)
    several = {cell.seeds > 1 for cell in ours.values()}
    spread = "mean ± sd over seeds" if True in several else "brackets: 95 % bootstrap interval over images of the one seed"
    if len(several) > 1:
        spread += ", brackets where a row has one seed: 95 % bootstrap interval over images"
    caption = (
        f"Reproduced: preset {', '.join(presets)}, data {', '.join(data)}, {len(seeds)} seed(s) ({', '.join(map(str, seeds))}); "
        f"{spread}. {_sizes(used)}[embedded] metrics use the small shipped networks and are not the papers' metrics. "
        f"Published: {printed['confidence']}."
    )
    return table, caption


def bars(cells: Iterable[Cell]) -> str:
    """What the intervals of cells are, and of which seeds, for the caption of a figure that draws them."""
    cells = [cell for cell in cells if cell.interval]
    seeds = seeds_of(r for cell in cells for r in cell.records)
    several = {cell.seeds > 1 for cell in cells}
    if several == {True}:
        return f"sd over seeds {seeds}"
    images = "95 % over test images"
    return f"{images}, seed {seeds}" if several == {False} else f"sd over seeds {seeds}, of one seed {images}"


def brackets(cells: Iterable[Cell]) -> str:
    """Of which seeds the cells of a table of statements are, and what its brackets are: a sentence for its caption."""
    records = [r for cell in cells for r in cell.records]
    if not records:
        return "No records."
    seeds = seeds_of(records)
    over = "seeds and test images" if "," in seeds else "test images"
    return f"Seed{'s' * (',' in seeds)} {seeds}; brackets: 95 % interval over {over}."


def seeds_of(records: Iterable[Record]) -> str:
    """The seeds of records, for a caption: "0, 1, 2"."""
    return ", ".join(map(str, sorted({r.seed for r in records})))


def grid_comparison(
    records: Sequence[Record], rows: dict[str, dict[str, str]], columns: dict[str, str], printed: Sequence[dict]
) -> tuple[pd.DataFrame, str]:
    """A table of metrics at several settings, published | reproduced, and its caption.

    `rows` maps the paper's row to setting -> model; `columns` our metric to the paper's, whose column at a setting is
    "FID 5%". `printed`: tables that print the same, e.g. as medians and as means (columns "FID 5% mean", "FID 5% std").
    """
    settings = list(dict.fromkeys(setting for of in rows.values() for setting in of))
    ours = cells(records, [model for of in rows.values() for model in of.values()], list(columns))
    frame = {}
    for metric, theirs in columns.items():
        for setting in settings:
            column = f"{theirs} {setting}".strip()
            heading = column + _arrow(metric)
            for table in printed:
                how = "published" if len(printed) == 1 else f"published ({table['as']})"
                frame[heading, how] = [_printed_at(table, row, column) for row in rows]
            found = [ours.get((of.get(setting, ""), metric)) for of in rows.values()]
            frame[heading, f"reproduced as {metric}"] = [str(cell) if cell else "not run" for cell in found]
    table = pd.DataFrame(frame, index=pd.Index(rows, name="method"))
    used = [r for cell in ours.values() for r in cell.records]
    presets, _, data = _covered(used)
    counts = sorted({cell.seeds for cell in ours.values()} or {0})
    caption = (
        f"Reproduced: preset {', '.join(presets)}, data {', '.join(data)}, {' or '.join(map(str, counts))} seed(s) a cell; "
        "± is the sd over seeds, brackets the 95 % bootstrap interval over images where there is one seed. "
        f"{_sizes(used)}[embedded] metrics use a small "
        f"shipped network and are not the paper's. Published: {printed[0]['confidence']}."
    )
    return table, caption


def _sizes(records: Iterable[Record]) -> str:
    """How many images, or label maps and pairs of codes for each, the metrics of a table are over: sentences for its caption."""
    metrics = {}
    for r in records:
        if n := r.protocol.get("n"):
            over = f"{n} label maps, {r.protocol['m']} pairs of codes each" if "m" in r.protocol else f"{n} images"
            metrics.setdefault(over, {})[r.metric.replace("[embedded]", "")] = None
    return "".join(f"{', '.join(names)}: over {over}. " for over, names in metrics.items())


def _arrow(metric: str) -> str:
    return {"up": " ↑", "down": " ↓"}.get(METRICS[metric].better, "")


def _covered(records: Iterable[Record]) -> tuple[list, list, list]:
    """The presets, seeds and data sets that a table's records are of."""
    records = list(records)
    presets, seeds, data = (sorted({getattr(r, what) for r in records}) for what in ("preset", "seed", "data"))
    return presets, seeds, data


def _printed_at(table: dict, row: str, column: str) -> str:
    """What a paper prints in a cell, which may be a mean and a standard deviation; "not available" without a source."""
    if f"{column} mean" not in table["columns"]:
        return published_cell(table, row, column) if column in table["columns"] else "not available"
    mean, sd = (published_cell(table, row, f"{column} {what}") for what in ("mean", "std"))
    return mean if mean == "not available" else f"{mean} ± {sd}"


def save_table(table: pd.DataFrame, caption: str, name: str, preset: str, page: str | None = None) -> list[Path]:
    """figures/NAME.csv, .md and .tex, each with its caption; and beside them what records the numbers are of (`provenance`).

    `page`: what stands in the .md in the place of the table.
    """
    flat = table.apply(_even)
    flat.columns = [", ".join(c) if isinstance(c, tuple) else c for c in table.columns]
    folder = paths.figures(preset)
    texts = {
        "csv": f"# {caption}\n{flat.to_csv()}",
        "md": page or f"{flat.to_markdown(disable_numparse=True)}\n\n{caption}\n",
        "tex": flat.to_latex(escape=True, caption=caption),
    }
    for suffix, text in texts.items():
        atomic.write(folder / f"{name}.{suffix}", lambda path, text=text: path.write_text(text))
    provenance.leave(folder / f"{name}.csv", flat, lambda model: MODELS[model].title if model in MODELS else model)
    return [folder / f"{name}.{suffix}" for suffix in texts]


def _decimals(value: object) -> int:
    """How many decimals a number is written with: 2 of 0.25, 1 of 3.0, none of 3 and of what is no number."""
    return len(np.format_float_positional(value, trim="0").partition(".")[2]) if isinstance(value, float) else 0


def _even(column: pd.Series) -> pd.Series:
    """Rounded numbers with as many decimals each, 0.150 above 0.182; any other column as it is."""
    if column.dtype.kind != "f" or not np.isfinite(column).all():
        return column
    decimals = max(map(_decimals, column), default=0)
    return column.map(f"{{:.{decimals}f}}".format) if decimals <= 6 else column  # more: it was not rounded


def read_table(path: Path, command: str) -> tuple[str, list[str], list[list[str]]]:
    """Caption, header and rows, of which the first column is the index, of a .csv of `save_table`.

    Raises SmisError for one that is damaged, with the `command` that writes it again.
    """
    try:
        first, *lines = path.read_text("utf-8").splitlines() or [""]
        header, *rows = list(csv.reader(lines)) or [[]]
    except (ValueError, csv.Error) as error:
        raise SmisError(f"{path} cannot be read ({error}): delete it; {command} writes it again.") from error
    if not first.startswith("# ") or not rows or any(len(row) != len(header) for row in rows):
        raise SmisError(f"{path} is not a table with its caption: delete it; {command} writes it again.")
    return first[2:], header, rows


def device_name(device: torch.device) -> str:
    names = {"cuda": torch.cuda.get_device_name, "cpu": lambda _: f"cpu, {torch.get_num_threads()} threads"}
    return names.get(device.type, str)(device)
