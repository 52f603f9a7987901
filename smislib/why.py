"""`smis why TABLE ROW COLUMN`: from a number in a table to its records, and from each to its run, its code and its command.

One step for any number that comes from records: `results.save_table` left their names beside the table (`provenance`), and the
records are looked up anew, so an answer says when they have changed since. A number without a record is answered too: by the
source of what a paper prints, or by the notebook that worked it out.
"""

import dataclasses
import json
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import config, notebooks, paths, presets, provenance, report, results, runs, study
from .config import Experiment
from .errors import SmisError, did_you_mean
from .metrics.backbones import file_hash
from .results import Record


@dataclass(frozen=True)
class Printed:
    """A table read back: its columns, its rows with their labels, and what stands behind the cells (None: it was saved before
    tables left that)."""

    path: Path
    columns: list[str]
    labels: list[str]
    rows: list[list[str]]
    behind: dict[str, Any] | None


@dataclass(frozen=True)
class Source:
    """A record with the file that it is in and the experiment that was measured."""

    record: Record
    file: Path
    config: Path | None
    experiment: Experiment | None


def why(table: str, row: str, column: str, preset: str = "demo") -> Iterator[str]:
    """The answer, line by line. Raises SmisError for a table, row or column that is not there, with the nearest that is."""
    presets.check_preset(preset)
    printed, number, heading = _cell(tables(table, preset), row, column)
    text = printed.rows[number][printed.columns.index(heading)]
    yield f"{printed.path.stem}: {printed.labels[number]}, {heading}: {text}"
    wanted = _behind(printed, number, heading)
    if not wanted:
        yield from _without_record(printed, number, heading, text)
        return
    for identity in wanted:
        yield ""
        yield from _answer(identity, printed)


def tables(name: str, preset: str) -> list[Printed]:
    """The tables of figures/ of that file or name; or all whose names begin so."""
    path = Path(name)
    if path.is_file() and path.suffix == ".csv":
        return [read_table(path)]
    folder = path.parent if path.parent.is_dir() and path.parent != Path() else paths.figures(preset)
    known = {file.stem: file for file in sorted(folder.glob("*.csv"))}
    if not known:
        raise SmisError(f"{folder} has no tables: make reproduce PRESET={preset} makes them.")
    stem = path.name.removesuffix(path.suffix if path.suffix in (".csv", ".md", ".tex") else "")
    fits = [stem] if stem in known else [key for key in known if key.startswith(stem)]
    if not fits:
        raise did_you_mean("table", stem, known)
    return [read_table(known[fit]) for fit in fits]


def _cell(candidates: list[Printed], row: str, column: str) -> tuple[Printed, int, str]:
    """The one table of some that has such a row and column, and which they are."""
    found, wrong = [], None
    for printed in candidates:
        try:
            found.append((printed, _row(printed, row), _column(printed, column)))
        except SmisError as error:
            wrong = error
    if len(found) == 1:
        return found[0]
    if len(candidates) == 1 and wrong:
        raise wrong
    names = ", ".join(printed.path.stem for printed in candidates)
    raise SmisError(f"{len(found) or 'none'} of the tables {names} have a row {row!r} and a column {column!r}: name one in full.")


def read_table(path: Path) -> Printed:
    """A table of `results.save_table`, with what it left beside it."""
    beside = path.with_suffix(provenance.SUFFIX)
    try:
        behind = json.loads(beside.read_text("utf-8")) if beside.exists() else None
    except (ValueError, RecursionError) as error:
        raise SmisError(f"{beside} cannot be read ({error}): make reproduce writes it again.") from error
    _, header, rows = results.read_table(path, "make reproduce")
    return Printed(path, header[1:], [r[0] for r in rows], [r[1:] for r in rows], behind)


def _row(printed: Printed, row: str) -> int:
    """The number of the row of that label, or of the only one in which a cell is, or begins with, that text."""
    texts = [[label, *(text for text in cells)] for label, cells in zip(printed.labels, printed.rows, strict=True)]
    for fits in (
        [i for i, label in enumerate(printed.labels) if label == row],
        [i for i, label in enumerate(printed.labels) if label.casefold() == row.casefold()],
        [i for i, cells in enumerate(texts) if row in cells],
        [i for i, cells in enumerate(texts) if any(cell.casefold().startswith(row.casefold()) for cell in cells)],
    ):
        if len(fits) == 1:
            return fits[0]
        if fits:
            break
    else:
        numbered = printed.labels == [str(i) for i in range(len(printed.labels))]
        raise did_you_mean(f"row of {printed.path.name}", row, [cells[1 if numbered else 0] for cells in texts])
    several = ", ".join(f"{printed.labels[i]} ({printed.rows[i][0]})" for i in fits[:8])
    raise SmisError(f"{row!r} fits {len(fits)} rows of {printed.path.name}: {several}. Give the first column.")


def _column(printed: Printed, column: str) -> str:
    """The column of that heading; or of the metric, the setting or the words in it, ours before the published one."""
    if column in printed.columns:
        return column
    words = column.casefold().split()
    fits = [head for head in printed.columns if all(word in head.casefold().replace(",", " ") for word in words)]
    exact = [head for head in fits if column.casefold() in {part.rstrip(" ↑↓").casefold() for part in head.split(", ")}]
    fits = exact or fits
    if len(ours := [head for head in fits if not head.endswith("published")]) == 1:
        return ours[0]
    if len(fits) == 1:
        return fits[0]
    if fits:
        raise SmisError(f"{column!r} fits {len(fits)} columns of {printed.path.name}: {'; '.join(fits)}.")
    raise did_you_mean(f"column of {printed.path.name}", column, printed.columns)


def _behind(printed: Printed, number: int, column: str) -> list[dict[str, Any]]:
    """The identities of the records of a cell."""
    if printed.behind is None:
        raise SmisError(
            f"{printed.path} was saved before tables left the names of their records beside them: "
            f"{_command(printed.path)} writes it again."
        )
    places = printed.behind["cells"].get(str(number), {}).get(column, [])
    return [printed.behind["records"][place] for place in places]


def _answer(identity: dict[str, Any], printed: Printed) -> Iterator[str]:
    """What is known of one record."""
    name = f"{identity['metric']} of {identity['model']} on {identity['data']}, seed {identity['seed']}: {identity['value']:.6g}"
    found = list(sources(identity))
    yield name
    if not found and identity["metric"] in {protocol.metric for protocol in study.NAMES.values()}:
        yield f"  answers     {_shown(study.folder())}: people said so. `smis study score NAME` counts them again."
    elif not found:
        yield (
            f"  record      gone: neither {paths.runs()} nor {paths.COMMITTED_RECORDS} has one of experiment "
            f"{identity['experiment']} and weights {identity['weights']}. {_command(printed.path)} writes the table again."
        )
    if not found:
        return
    first = next((source for source in found if source.record.value == identity["value"]), found[0])
    r, e = first.record, first.experiment
    yield from (f"  record      {_shown(source.file)}" for source in found)
    if r.value != identity["value"]:
        yield f"  changed     the record now says {r.value:.6g}: the table is older. {_command(printed.path)} writes it again."
    if r.interval:
        yield f"  interval    [{r.interval[0]:.6g}, {r.interval[1]:.6g}], 95 %"
    if e is not None:
        run = runs.run_of(e)
        yield f"  run         {e.name}: {_shown(run.folder) if run.folder.exists() else 'not in the store of this machine'}"
    written = f"{_shown(first.config)}: " if first.config else ""
    yield f"  experiment  {written}model {r.model}, data {r.data}, preset {r.preset}, seed {r.seed}, hash {r.experiment}"
    yield f"  weights     {r.weights}{_weights_here(e, r)}"
    packages = ", ".join(f"{name} {version}" for name, version in r.versions.items() if name not in ("code", "trained by"))
    trained = f" measured it, {r.versions['trained by']} trained it" if "trained by" in r.versions else ""
    yield f"  code        {r.versions.get('code', 'unknown')}{trained}; {packages}"
    yield "  protocol    " + "; ".join(f"{key}: {value}" for key, value in r.protocol.items())
    yield f"  measured    {r.date or 'unknown date'}, {r.device}, {r.seconds:g} s"
    if e is not None:
        yield f"  again       {again(e)}"


def sources(identity: dict[str, Any]) -> Iterator[Source]:
    """The records of an identity in the store and among those committed; of changed ones those of the same measurement."""
    folders = [paths.runs(), paths.COMMITTED_RECORDS, paths.SHIPPED_RECORDS]
    for folder in (f for f in folders if f.exists()):
        pattern = f"{identity['data']}-{identity['model']}-{identity['preset']}-s{identity['seed']}-{identity['experiment'][:8]}"
        below = [folder] if folder == paths.SHIPPED_RECORDS else [folder / pattern]
        for place in (b for b in below if b.exists()):
            described = next((p for p in (place / "config.json", place / "config.txt") if p.exists()), None)
            for file in sorted((place / "records" if (place / "records").exists() else place).glob("*.json")):
                if file.name == "config.json":
                    continue
                for record in results.read_file(file):
                    ours = provenance.identity(record)
                    if all(ours[key] == identity[key] for key in ("metric", "experiment", "seed", "protocol_hash")):
                        yield Source(record, file, described, runs.read_experiment(described) if described else None)


def again(e: Experiment) -> str:
    """The command that trains and measures an experiment again; what differs from its preset as it stands is `--set`."""
    parts = [f"smis train {e.model} --data {e.data.name} --preset {e.preset} --seed {e.seed}"]
    parts += [f"--root {shlex.quote(e.data.root)}"] if e.data.root else []
    try:
        now = presets.experiment(e.model, e.data.name, e.preset, e.seed, e.data.root)
    except SmisError as error:
        return f"not with this version of the library: {error}"
    there, here = (_flat(dataclasses.asdict(experiment)) for experiment in (e, now))
    changed = {key: json.dumps(value) for key, value in there.items() if "." in key and here.get(key) != value}
    parts += [f"--set {shlex.quote(f'{key}={value}')}" for key, value in changed.items()]
    same = config.replace(now, changed).hash == e.hash
    return " ".join([*parts, "--eval"]) + ("" if same else "  (with the code named above: what it trains on is another by now)")


def _flat(values: dict, prefix: str = "") -> dict[str, Any]:
    """Nested names as dotted ones."""
    flat = {}
    for key, value in values.items():
        flat |= _flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return flat


def _weights_here(e: Experiment | None, record: Record) -> str:
    """What is known of the weights file of a record on this machine."""
    weights = runs.run_of(e).weights if e else None
    if weights is None or not weights.exists():
        return "; the file is not here"
    same = file_hash(weights) == record.weights
    return f", as {_shown(weights)} has" if same else f"; {_shown(weights)} is another, trained since"


def _without_record(printed: Printed, number: int, column: str, text: str) -> Iterator[str]:
    """Of a number of a paper its source, of another the notebook that made the table."""
    found = list(_published(printed.labels[number], text)) if "published" in column else []
    for line in found:
        yield f"  published   {line}"
    if not found:
        makers = ", ".join(_notebooks(printed.path)) or "a notebook"
        yield f"  no record stands behind this cell: {makers} writes it. {_command(printed.path)} does so again."


def _published(row: str, text: str) -> Iterator[str]:
    """Where results/published has `text` in a row of that name."""
    for paper, tables in json.loads(paths.PUBLISHED.read_text()).items():
        for name, body in tables.items() if isinstance(tables, dict) else ():
            values = body.get("rows", {}).get(row, []) if isinstance(body, dict) else []
            if text in map(str, values):
                yield f"{paper}, {name}, {_shown(paths.PUBLISHED)}: {body['source']} Confidence: {body['confidence']}."


def _notebooks(path: Path) -> list[str]:
    """The notebook that saves a table of this name."""
    made = report.assign(notebooks.select(), [path.stem])
    return [source.name for source, names in made.items() if any(path.stem in stems for stems in names.values())]


def _command(path: Path) -> str:
    preset = path.parent.name if path.parent.name in presets.PRESETS else "demo"
    makers = [name[:2] for name in _notebooks(path)]
    return f"smis notebooks {' '.join(makers)} --preset {preset}" if makers else f"make reproduce PRESET={preset}"


def _shown(path: Path) -> Path:
    """A path below the checkout, or below what is written, without its beginning."""
    return next((path.relative_to(top) for top in (paths.CHECKOUT, paths.home()) if path.is_relative_to(top)), path)
