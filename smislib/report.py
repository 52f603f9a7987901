"""`make report`: the tables, figures, claims and widget strips of a preset in one file, figures/report.html, and as PDF.

Which of them belongs to which paper, and in what order, is what the notebooks say: `reproduce.NOTEBOOKS` has the notebooks of a
paper, `notebooks.named` what each saves. Numbers come from the files and the records; a name without a file is listed as
missing, with the command that makes it. The same files give the same bytes.
"""

import base64
import collections
import io
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jinja2
import nbformat
from PIL import Image

from . import atomic, data, exhibits, notebooks, papers, paths, presets, results, runs
from .claims import ledger
from .claims.logic import VERDICTS
from .errors import SmisError
from .reproduce import NOTEBOOKS

BESIDE = ("Beside the papers", "What belongs to no single one of them", "")
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
OUTSIDE_PROTOCOL = {"counted", "repeats", "step", "n per class", "skipped classes"}  # of one record, not of its protocol


@dataclass(frozen=True)
class Missing:
    """What a notebook names and nobody has made."""

    name: str
    why: str
    command: str


@dataclass
class Chapter:
    """What the notebooks of one paper made, in their order."""

    key: str
    short: str
    title: str
    arxiv: str
    tables: list[exhibits.Table] = field(default_factory=list)
    claims: list[exhibits.Table] = field(default_factory=list)
    figures: list[exhibits.Picture] = field(default_factory=list)
    missing: list[Missing] = field(default_factory=list)
    ledger: collections.Counter | None = None  # of the paper's claims in the ledger, where that has been made

    @property
    def verdicts(self) -> dict[str, int]:
        """How many of the paper's claims in the ledger have each verdict; without a ledger, of the statements of its tables."""
        counts = self.ledger or sum((table.verdicts for table in self.claims), collections.Counter())
        return {verdict: counts[verdict] for verdict in VERDICTS.values()}


def report(preset: str = "demo", pdf: bool = True) -> Iterator[str]:
    """Write figures/report.html, and report.pdf where a Chromium is found; yields a line about each."""
    presets.check_preset(preset)
    content = contents(preset)
    path = paths.figures(preset) / "report.html"
    atomic.write(path, lambda file: file.write_text(render(content)))
    yield f"{path}  {path.stat().st_size / 1e6:.1f} MB, {len(content['missing']) or 'nothing'} missing"
    if pdf:
        yield print_pdf(path)


def contents(preset: str) -> dict[str, Any]:
    """All that the page says, by the names of its template."""
    chapters, (found, without), measured = collect(preset), strips(preset), records(preset)
    return {
        "preset": preset,
        "chapters": chapters,
        "strips": found,
        "missing": [m for chapter in chapters for m in chapter.missing] + without,
        "facts": facts(measured),
        "protocols": protocols(measured),
        "empty": exhibits.EMPTY,
        "verdicts": dict(zip(VERDICTS.values(), ("yes", "no", "open"), strict=True)),
    }


def render(content: dict[str, Any]) -> str:
    """The page of `contents`."""
    environment = jinja2.Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined)
    return environment.from_string((paths.ASSETS / "report.html").read_text()).render(content)


def collect(preset: str) -> list[Chapter]:
    """The chapters of the five papers, and one for notebooks that belong to none where there are such."""
    folder = paths.figures(preset)
    stems = {path.stem for suffix in ("csv", "png") for path in folder.glob(f"*.{suffix}")}
    if not stems:
        raise SmisError(f"{folder} has no tables and no figures: make reproduce PRESET={preset} makes them.")
    sources = notebooks.select()
    made = assign(sources, sorted(stems, key=lambda stem: [(not p.isdigit(), p.zfill(9)) for p in re.split(r"(\d+)", stem)]))
    paper_of = {source: next((key for key, n in NOTEBOOKS.items() if source.stem[:2] in n), "") for source in sources}
    chapters = [Chapter(key, *papers.CITED.get(key, BESIDE)) for key in (*NOTEBOOKS, "") if key in paper_of.values()]
    for chapter in chapters:
        for source in (source for source in sources if paper_of[source] == chapter.key):
            command = f"smis notebooks {source.stem[:2]} --preset {preset}"
            for name, found in made[source].items():
                if not found:
                    chapter.missing.append(Missing(name, f"{source.name} names it, {folder.name}/ has no such file", command))
                for stem in found:
                    if (file := folder / f"{stem}.csv").exists():
                        table = exhibits.read_table(file, command)
                        (chapter.claims if table.tested else chapter.tables).append(table)
                    else:
                        chapter.figures.append(exhibits.read_figure(folder / f"{stem}.png", command))
    whole = next((t for chapter in chapters for t in chapter.claims if t.name == ledger.NAME), None)
    if whole:
        for chapter in chapters:
            chapter.ledger = whole.counts("paper", chapter.short)
            if whole in chapter.claims and (reasons := folder / f"{whole.name}_reasons.csv").exists():
                chapter.claims.append(exhibits.read_table(reasons, f"smis claims --preset {preset}"))
    return chapters


def assign(sources: Sequence[Path], stems: Sequence[str]) -> dict[Path, dict[str, list[str]]]:
    """Source -> name or pattern of `notebooks.named` -> the stems that it made, none where it is missing.

    Patterns of several notebooks may fit a stem: it goes to the one that explains most of its letters, by its own or by words
    of its source or names of data sets in the place of its stars. One that explains less than half made none of it.
    """
    texts = {source: source.read_text() for source in sources}
    made = {source: {name: [] for name in notebooks.named(source)} for source in sources}

    def explained(source: Path, pattern: str, stem: str) -> int:
        filled = re.fullmatch(re.escape(pattern).replace(r"\*", "(.+)"), stem)
        if not filled:
            return -1
        words = (w for w in filled.groups() if w in data.DATA or re.search(rf"\b{re.escape(w)}\b", texts[source]))
        return len(pattern.replace("*", "")) + sum(map(len, words))

    for stem in stems:
        fits = [(explained(source, name, stem), name == stem, source, name) for source, names in made.items() for name in names]
        most, _, source, name = max(fits, key=lambda fit: fit[:2], default=(-1, False, Path(), ""))
        if 2 * most >= len(stem):
            made[source][name].append(stem)
    return made


def strips(preset: str) -> tuple[list[tuple[str, list[exhibits.Picture]]], list[Missing]]:
    """Notebook -> the pictures of its cells tagged `widget`, each below the heading it stands under; and what is missing."""
    folder, found, missing = paths.NOTEBOOKS if preset == "demo" else paths.executed(preset), [], []
    for source in notebooks.select():
        path, pictures, heading = folder / f"{source.stem}.ipynb", [], ""
        command = f"smis notebooks {source.stem[:2]} --preset {preset}" + " --store" * (preset == "demo")
        if not path.exists():
            missing.append(Missing(path.name, "the executed notebook is not there, nor are the strips of its widgets", command))
            continue
        for cell in nbformat.read(path, as_version=4).cells:
            heads = re.findall(r"^#+ (.+)$", cell.source, re.MULTILINE) if cell.cell_type == "markdown" else []
            heading = heads[-1] if heads else heading
            if "widget" not in cell.metadata.get("tags", []):
                continue
            shown = [o.get("data", {}) for o in cell.get("outputs", [])]
            images = [data[kind] for data in shown for kind in notebooks.PICTURE if kind in data]
            if not images:
                missing.append(Missing(path.name, f"the widget below “{heading}” has no strip", command))
            for body in images:
                image = Image.open(io.BytesIO(base64.b64decode(body))).convert("RGB")
                pictures.append(exhibits.picture(f"{source.stem}-{len(pictures) + 1}", heading, image, image.width / 110))
        found += [(source.stem, pictures)] if pictures else []
    return found, missing


def records(preset: str) -> list[results.Record]:
    """The records of a preset: of the runs in the store that are the preset as it stands, and the committed ones of others."""
    here = [run for run in runs.list_runs() if run.experiment.preset == preset and presets.as_it_stands(run.experiment)]
    measured = [record for run in here for record in results.read(run.records)]
    known = {record.experiment for record in measured}
    return measured + [r for r in results.committed() if r.preset == preset and r.experiment not in known]


def facts(measured: Sequence[results.Record]) -> dict[str, str]:
    """What the records say about where they come from."""
    each = {
        "seeds": [str(r.seed) for r in measured],
        "data": [r.data for r in measured],
        "machine": [r.device for r in measured],
        "library commit": [r.versions.get("code", "unknown") for r in measured],
        "packages": [f"{name} {v}" for r in measured for name, v in r.versions.items() if name != "code"],
        "measured on": [r.date for r in measured],
    }
    trainings = len({r.experiment for r in measured})
    return {"records": f"{len(measured):,} of {trainings} trainings"} | {k: ", ".join(sorted(set(v))) for k, v in each.items()}


def protocols(measured: Sequence[results.Record]) -> list[dict[str, str]]:
    """How each metric was measured: one row for each protocol that it has."""
    found = collections.defaultdict(list)
    for r in measured:
        said = "; ".join(f"{k}: {v}" for k, v in r.protocol.items() if k not in OUTSIDE_PROTOCOL)
        found[r.metric, said].append(r)
    return [
        {"metric": metric, "protocol": said or "–", "data": ", ".join(sorted({r.data for r in of})), "records": str(len(of))}
        for (metric, said), of in sorted(found.items())
    ]


def print_pdf(page: Path) -> str:
    """The page as PDF beside it, printed by a Chromium; a line that says what came of it."""
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        return f"no PDF: none of {', '.join(BROWSERS)} is installed. Print {page.name} from a browser, or install one."
    target = page.with_suffix(".pdf")

    def make(file: Path) -> None:
        with tempfile.TemporaryDirectory() as folder:
            copy = Path(folder, page.name)
            copy.write_text(re.sub(r"data:image/webp;base64,([\w+/=]+)", _as_jpeg, page.read_text()))
            command = [browser, "--headless", "--no-sandbox", "--disable-gpu", "--no-pdf-header-footer",
                       f"--user-data-dir={folder}/profile", f"--print-to-pdf={file}", copy.as_uri()]  # fmt: skip
            done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode or not file.stat().st_size:
            raise SmisError(f"{browser} could not print {page}: {(done.stderr.strip() or 'no message').splitlines()[-1]}")

    atomic.write(target, make)
    return f"{target}  {target.stat().st_size / 1e6:.1f} MB"


def _as_jpeg(uri: re.Match) -> str:
    """A PDF holds a JPEG as it is, and the pixels of anything else: a tenth of the size."""
    written = io.BytesIO()
    Image.open(io.BytesIO(base64.b64decode(uri[1]))).save(written, "jpeg", quality=80, optimize=True)
    return exhibits.data_uri("jpeg", written.getvalue())
