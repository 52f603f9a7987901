"""Notebooks: the .py files (jupytext percent) are the source; papermill executes them with the preset as parameter."""

import ast
import base64
import io
import json
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import Any

import jupytext
import nbformat
import numpy as np
import papermill
from filelock import FileLock
from nbclient.exceptions import DeadKernelError
from nbformat import NotebookNode
from papermill.exceptions import PapermillExecutionError
from PIL import Image
from tqdm import tqdm

from . import atomic, paths, runs
from .config import content_hash
from .errors import SmisError, did_you_mean
from .metrics.backbones import file_hash
from .presets import check_preset

MADE_FROM = "made_from"  # metadata of an executed copy
STORED_BYTES = 500_000  # of a notebook in git, with its pictures
QUALITIES = (90, 80, 70, 60, 50, 40, 30, 20)  # of JPEG: a stored notebook has the first with which it is small enough
SHIFT = 14  # of 255: how far the colours of a stored diagram may be from those that were drawn
PICTURE = ("image/png", "image/jpeg")  # what a stored picture may be


def select(names: list[str] | None = None) -> list[Path]:
    """The sources of the named notebooks ("02" is enough), or all that `make reproduce` runs."""
    everything = {path.stem: path for path in sorted(paths.NOTEBOOKS.glob("[0-9][0-9]_*.py"))}
    if not names:
        return [path for stem, path in everything.items() if not stem.startswith("9")]  # 9x: how the assets were made
    chosen = []
    for name in names:
        found = [path for stem, path in everything.items() if stem.startswith(Path(name).stem)]
        if not found:
            raise did_you_mean("notebook", name, everything)
        chosen += found
    return chosen


def execute(
    source: Path, preset: str, *, store: bool = False, parameters: dict[str, str] | None = None, progress: bool = True
) -> Path:
    """Run a notebook at a preset; returns the executed copy. With `store` its outputs go into notebooks/*.ipynb too.

    Raises SmisError for a parameter that the notebook does not have, and for a cell that fails (the copy then
    shows where).
    """
    check_preset(preset)
    notebook = jupytext.read(source)
    notebook.metadata.kernelspec = {"name": "python3", "display_name": "Python 3", "language": "python"}
    given = {k: _literal(v) for k, v in (parameters or {}).items()}
    _check_parameters(source, notebook, given)
    values = {"preset": preset} | given
    output = paths.executed(preset) / f"{source.stem}.ipynb"
    draft = output.with_name(f".{output.name}")  # papermill writes it after every cell: `output` is always a whole one
    with atomic.writing(draft):
        output.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(draft.with_suffix(".lock")), atomic.writing(draft):  # two processes take turns
        atomic.write(draft, lambda path: nbformat.write(notebook, path))
        try:
            papermill.execute_notebook(
                draft, draft, parameters=values, cwd=paths.NOTEBOOKS, kernel_name="python3", progress_bar=progress,
                extra_arguments=["--IPKernelApp.log_level=ERROR"],  # its warning about TCP is of no use here
            )  # fmt: skip
            executed = _clean(nbformat.read(draft, as_version=4))
        except PapermillExecutionError as error:
            draft.replace(output)
            raise SmisError(
                f"{source.name} failed in cell {error.exec_count}: {error.ename}: {error.evalue}. See {output}."
            ) from error
        except DeadKernelError as error:
            draft.replace(output)
            raise SmisError(
                f"the kernel of {source.name} was killed, as a system does when memory runs out. See {output} for how far it "
                "came; close other programs, or let fewer work at a time (--jobs 1), and run it again."
            ) from error
        finally:
            draft.unlink(missing_ok=True)
        if not parameters:
            executed.metadata[MADE_FROM] = made_from(source, preset)
        atomic.write(output, lambda path: nbformat.write(executed, path))
        if store:
            keep(source, preset, values)
    return output


def keep(source: Path, preset: str, values: dict[str, object]) -> Path:
    """Store the outputs of the executed copy in notebooks/*.ipynb; `values` are the parameters that it was given."""
    executed = nbformat.read(paths.executed(preset) / f"{source.stem}.ipynb", as_version=4)
    executed.metadata.pop(MADE_FROM, None)
    stored, target = _small(without_injected(executed, values)), source.with_suffix(".ipynb")
    atomic.write(target, lambda path: nbformat.write(stored, path))
    return target


def made_from(source: Path, preset: str) -> str:
    """A hash of all that decides what a notebook shows: its source, the library, its packages, the runs of the preset."""
    lock = paths.CHECKOUT / "requirements.lock"
    library = [path for path in sorted(paths.PACKAGE.rglob("*")) if path.suffix in (".py", ".safetensors")]
    ours = [run for run in runs.list_runs() if run.experiment.preset == preset]
    store = [path for run in ours for path in (run.weights, run.log, *sorted(run.records.glob("*.json")))]
    read = [path for path in (source, lock, *library, *store) if path.exists()]
    return content_hash([(path.name, file_hash(path)) for path in read])


def is_current(source: Path, preset: str) -> bool:
    """Whether the executed copy is of this source, library and store, and the figures and tables it names are there."""
    output = paths.executed(preset) / f"{source.stem}.ipynb"
    try:
        stamp = nbformat.read(output, as_version=4).metadata.get(MADE_FROM)
    except Exception:  # missing, or damaged in whatever way
        return False
    if stamp != made_from(source, preset):
        return False
    return all(any(paths.figures(preset).glob(f"{name}.*")) for name in named(source))


def named(source: Path) -> list[str]:
    """The figures and tables that a notebook saves: the names it gives to `viz.save` and `results.save_table`, as patterns
    with a * for what an f-string fills in, in the order of the source."""
    calls = [node for node in ast.walk(ast.parse(source.read_text())) if isinstance(node, ast.Call) and len(node.args) > 2]
    calls.sort(key=lambda call: call.lineno)  # walk goes level by level
    place = {"save": 1, "save_table": 2}
    arguments = [call.args[place[name]] for call in calls if (name := getattr(call.func, "attr", "")) in place]
    parts = [a.values if isinstance(a, ast.JoinedStr) else [a] for a in arguments]
    return ["".join(str(part.value) if isinstance(part, ast.Constant) else "*" for part in name) for name in parts]


def execute_all(sources: list[Path], preset: str, *, jobs: int = 1, **arguments: Any) -> list[Path]:
    """`execute` for each, `jobs` at a time: a thread each, that waits for the notebook's own kernel process."""
    with ThreadPoolExecutor(jobs) as pool, tqdm(total=len(sources), desc="notebooks", unit="notebook") as bar:
        started = {pool.submit(execute, source, preset, progress=False, **arguments): source for source in sources}
        try:
            for finished in as_completed(started):
                finished.result()  # what it raised is raised here
                bar.set_postfix_str(f"done: {started[finished].stem}", refresh=False)
                bar.update()
        except BaseException:
            pool.shutdown(cancel_futures=True)  # those that run end by themselves, the others never start
            raise
    return [finished.result() for finished in started]


def parameters(notebook: NotebookNode) -> dict[str, object]:
    """Names and defaults of the cell tagged `parameters`."""
    for cell in notebook.cells:
        if "parameters" in cell.metadata.get("tags", []):
            assigned = [node for node in ast.parse(cell.source).body if isinstance(node, ast.Assign)]
            return {node.targets[0].id: ast.literal_eval(node.value) for node in assigned}
    return {}


def _check_parameters(source: Path, notebook: NotebookNode, values: dict) -> None:
    known = parameters(notebook)
    for name in values:
        if name not in known:
            raise did_you_mean(f"parameter of {source.name}", name, known)
        if name == "preset":
            raise SmisError(f"the preset of {source.name} is no -p of its own: give --preset.")
        wanted, value = type(known[name]), values[name]
        if known[name] is not None and type(value) is not wanted and (wanted, type(value)) != (float, int):
            raise SmisError(f"parameter {name} of {source.name} must be {wanted.__name__}, found {value!r}.")


def _literal(text: str) -> object:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def _clean(notebook: NotebookNode) -> NotebookNode:
    """Without what differs from run to run: timings, paths and versions that papermill stamps, cell ids, progress bars."""
    notebook.metadata = {k: v for k, v in notebook.metadata.items() if k in ("kernelspec", "jupytext")}
    notebook.nbformat_minor = 4  # no random cell ids
    for cell in notebook.cells:
        cell.pop("id", None)
        cell.metadata = {k: v for k, v in cell.metadata.items() if k == "tags"}
        if cell.cell_type == "code":
            cell.outputs = _joined([o for o in cell.outputs if o.get("name") != "stderr"])
    return notebook


def _joined(outputs: list[NotebookNode]) -> list[NotebookNode]:
    """What a cell prints as one output, however the kernel happened to cut it."""
    joined = []
    for output in outputs:
        if joined and output.output_type == "stream" and joined[-1].output_type == "stream":
            joined[-1].text += output.text
        else:
            joined.append(output)
    return joined


def without_injected(notebook: NotebookNode, values: dict[str, object]) -> NotebookNode:
    """With the cells of its source: papermill's own cell is dropped, its values stand in the cell tagged `parameters`."""
    notebook.cells = [c for c in notebook.cells if "injected-parameters" not in c.metadata.get("tags", [])]
    for cell in notebook.cells:
        if "parameters" in cell.metadata.get("tags", []):
            cell.source = _assign(cell.source, values)
    return notebook


def _small(notebook: NotebookNode) -> NotebookNode:
    """With pictures as true as STORED_BYTES has room for: stored notebooks live in git. What is saved in figures/ stays as
    it is.

    Raises SmisError for a notebook that no quality makes small enough.
    """
    pictures = [o.data for cell in notebook.cells for o in cell.get("outputs", []) if "image/png" in o.get("data", {})]
    drawn = [Image.open(io.BytesIO(base64.b64decode(data.pop("image/png")))).convert("RGB") for data in pictures]
    palettes = [_in_palette(picture) for picture in drawn]
    for quality in QUALITIES:
        for data, picture, png in zip(pictures, drawn, palettes, strict=True):
            jpeg = _written(picture, "jpeg", quality=quality, progressive=True, subsampling=0)  # colours as fine as the light
            written = {"image/jpeg": jpeg} | ({"image/png": png} if png else {})
            for kind in PICTURE:
                data.pop(kind, None)
            kind = min(written, key=lambda kind: len(written[kind]))
            data[kind] = base64.b64encode(written[kind]).decode()
        size = len(nbformat.writes(notebook).encode())
        if size <= STORED_BYTES:
            return notebook
    raise SmisError(f"the notebook would have {size:,} bytes, more than {STORED_BYTES:,}: show fewer or smaller pictures.")


def _in_palette(picture: Image.Image) -> bytes | None:
    """A picture as PNG of 256 colours, which is best for diagrams; None where its colours do not hold."""
    palette = picture.quantize(256, Image.Quantize.MAXCOVERAGE, kmeans=10_000, dither=Image.Dither.NONE)
    coarse, in_palette = (np.asarray(p.convert("RGB").reduce(4), int) for p in (picture, palette))
    return _written(palette, "png") if np.quantile(np.abs(coarse - in_palette).max(2), 0.99) <= SHIFT else None


def _written(picture: Image.Image, kind: str, **how: Any) -> bytes:
    to = io.BytesIO()
    picture.save(to, kind, optimize=True, **how)
    return to.getvalue()


def _assign(source: str, values: dict[str, object]) -> str:
    """Python `source` whose top-level assignments to the names in `values` are those values; the rest stays as it is."""
    lines = source.splitlines()
    for node in (node for node in ast.parse(source).body if isinstance(node, ast.Assign)):
        name = getattr(node.targets[0], "id", None)
        if name in values and ast.literal_eval(node.value) != values[name]:
            value = json.dumps(values[name]) if isinstance(values[name], str) else repr(values[name])
            lines[node.lineno - 1] = f"{name} = {value}"
    return "\n".join(lines)
