"""The `smis` command. Bad input ends in one sentence and exit status 2; Ctrl-C leaves every run resumable."""

import sys
from typing import Annotated

import typer

from . import processes
from .cli_data import data_app
from .cli_options import BAD_INPUT, INTERRUPTED, Accelerator, Data, Devices, Model, Nodes, Paper, Preset, Root, Seed, Set
from .cli_study import study_app
from .errors import SmisError

OUT_OF_MEMORY = ("can't allocate memory", "Cannot allocate memory", "out of memory", "DataLoader worker")  # of torch, the system

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, help=__doc__)
app.add_typer(data_app, name="data")
app.add_typer(study_app, name="study")


@app.command()
def train(
    model: Model,
    data: Data = "mannequins",
    preset: Preset = "demo",
    seed: Seed = 0,
    root: Root = None,
    set_: Set = [],  # noqa: B006 (typer copies it)
    accelerator: Accelerator = "auto",
    devices: Devices = 1,
    nodes: Nodes = 1,
    progress: Annotated[bool, typer.Option(help="show a progress bar")] = True,
    measure: Annotated[bool, typer.Option("--eval", help="measure it when it is trained")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="only say what it would take: memory, time; needs no data")] = False,
):
    """Train one experiment, or resume it where it stopped, on any number of devices. A finished one is left alone.

    Several machines, for example under SLURM: `srun torchrun --nnodes 2 --nproc-per-node 8 --rdzv-backend c10d
    --rdzv-endpoint HOST:29500 -m smislib train ...` with neither --devices nor --nodes; docs/cluster.md has the whole script.
    """
    from . import presets
    from .train import train as train_experiment

    experiment = presets.experiment(model, data, preset, seed, root, _assignments(set_))
    if dry_run:
        from .rehearsal import rehearse

        print(rehearse(experiment, accelerator=accelerator, devices=devices, nodes=nodes))
        return
    if measure:
        from .evaluate import check
        from .evaluate import evaluate as evaluate_run

        check(experiment)
    run = train_experiment(experiment, accelerator=accelerator, devices=devices, nodes=nodes, progress=progress)
    if processes.is_first():
        print(run.folder)
    if measure:
        device = "cpu" if accelerator == "cpu" else "auto"
        evaluate_run(run, device=device, devices=devices, nodes=nodes, progress=progress)


@app.command("eval")
def evaluate(
    run: Annotated[str, typer.Argument(help="name of a run, or its beginning")],
    again: Annotated[bool, typer.Option(help="measure again what has records")] = False,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda")] = "auto",
    devices: Devices = 1,
    nodes: Nodes = 1,
):
    """Measure a finished run; its records appear beside its weights. Several devices share the images (see `smis train`)."""
    from . import runs
    from .evaluate import evaluate as evaluate_run

    records = evaluate_run(runs.find(run), device=device, devices=devices, nodes=nodes, again=again)
    for record in records if processes.is_first() else ():
        print(_line(record))


@app.command()
def show(run: Annotated[str, typer.Argument(help="name of a run, or its beginning")]):
    """An experiment's values, how far it is, and its records."""
    import json

    from . import config, results, runs

    found = runs.find(run)
    records = results.read(found.records)  # damaged ones are an error before anything is shown
    print(json.dumps(config.to_dict(found.experiment), indent=1))
    history = found.history()
    if history:
        last = history[-1]
        spent = ", ".join(f"{part} {share:.1%}" for part, share in found.shares().items() if share)
        of_step = f"{last['seconds'] / last['step']:.3f} s/step" + (f" ({spent})" if spent else "")
        print(f"step {last['step']} of {found.experiment.train.steps}, {of_step}")
    print(f"{'finished' if found.finished else 'not finished: smis train resumes it'}: {found.folder}")
    for record in records:
        print(_line(record))


@app.command()
def convert(
    file: Annotated[str, typer.Argument(help="a .pth file that the authors released, or its folder")],
    name: Annotated[str, typer.Argument(help="what it is, e.g. smis/deepfashion/G; of a folder, smis/deepfashion")],
    out: Annotated[str | None, typer.Option(help="default: beside FILE")] = None,
):
    """Write an official checkpoint as a safetensors file that `smislib.load` rebuilds."""
    from .convert import convert as convert_checkpoint

    print(convert_checkpoint(file, name, out))


@app.command("list")
def list_runs():
    """Every run of the store: how far it is."""
    from . import runs

    for run in runs.list_runs():
        history = run.history()
        step = history[-1]["step"] if history else 0
        print(f"{'finished' if run.finished else f'{step}/{run.experiment.train.steps}':>12}  {run.experiment.name}")


@app.command()
def reproduce(
    preset: Preset = "demo",
    seeds: Annotated[int, typer.Option(help="seeds 0 .. n-1 of every experiment")] = 1,
    jobs: Annotated[int | None, typer.Option(help="trainings at a time; default: one per core on a CPU, 1 on a GPU")] = None,
    root: Root = None,
    paper: Paper = None,
):
    """Train, measure and execute every notebook; then list every table and figure with its path.

    With --root (or DATA_ROOT) the tables are made on real data: a folder that holds deepfashion, cityscapes, ade20k or some
    of them, for pix2pix also the A|B folders facades, maps, cityscapes_pairs; or a custom folder with its classes.json.
    What has no folder is left out, with a line that says so.
    """
    from .reproduce import reproduce as reproduce_all

    reproduce_all(preset, seeds, jobs, root, paper)


@app.command()
def notebooks(
    names: Annotated[list[str] | None, typer.Argument(help="e.g. 02 05; default: all")] = None,
    preset: Preset = "demo",
    store: Annotated[bool, typer.Option(help="also keep the outputs in notebooks/*.ipynb")] = False,
    parameter: Annotated[list[str], typer.Option("-p", metavar="NAME=VALUE", help="a notebook parameter")] = [],  # noqa: B006
):
    """Execute notebooks by papermill."""
    from . import notebooks as nb

    for path in nb.select(names):
        print(nb.execute(path, preset, store=store, parameters=_assignments(parameter)))


@app.command()
def report(
    preset: Preset = "demo",
    pdf: Annotated[bool, typer.Option(help="also print it as PDF, where a Chromium is installed")] = True,
):
    """Tables, figures, claims and widget strips in one file that needs no network: figures/report.html."""
    from .report import report as write_report

    for line in write_report(preset, pdf):
        print(line, flush=True)


@app.command()
def claims(preset: Preset = "demo"):
    """The ledger: what the five papers claim, each claim tested on the records; also written to figures/claims.md."""
    from .claims import ledger

    findings = ledger.ledger(preset)
    for number, line in ledger.table(findings, preset).iterrows():
        print(f"{number:10} {line['verdict']:15} {line['claim']} ({line['where']}; {line['seeds']} seed(s))")
        print(f"{'':26} {line['found']}")
    print(f"\n{ledger.summary(findings).to_string()}\n")
    for path in ledger.save(findings, ledger.NAME, preset):
        print(path)


@app.command()
def why(
    table: Annotated[str, typer.Argument(help="a table's file or name, or the beginning of it: figures/table01.csv")],
    row: Annotated[str, typer.Argument(help="what the row is called")],
    column: Annotated[str, typer.Argument(help="a heading, or enough words of it: FID")],
    preset: Preset = "demo",
):
    """Where a number in a table comes from: its records, their runs, weights and code, and the command that makes it again."""
    from .why import why as answer

    for line in answer(table, row, column, preset):
        print(line)


@app.command()
def publish(preset: Preset = "demo", paper: Paper = None):
    """For maintainers: commit-ready copies of the store's records and notebooks, and the README's table made of them."""
    from .publish import publish as publish_records

    for path in publish_records(preset, paper):
        print(path)


@app.command()
def ship(run: Annotated[str, typer.Argument(help="name of a finished, measured run, or its beginning")]):
    """For maintainers: make a run the model that comes with the library."""
    from .publish import ship as ship_run

    for path in ship_run(run):
        print(path)


@app.command()
def render(
    recipe: Annotated[str, typer.Argument(help="a recipe.json that the explorer, the mixer or the painter exported")],
    out: Annotated[str, typer.Option(help="the picture, a PNG")] = "picture.png",
    model: Annotated[str, typer.Option(help="weights file or run that made it; default: the run that it names")] = "",
):
    """Draw an exported picture again, bit for bit."""
    from pathlib import Path

    from . import atomic
    from .studio import render as render_recipe

    if Path(out).suffix.lower() != ".png":
        raise SmisError(f"the picture is written as PNG, found --out {out}: name it NAME.png.")
    picture = render_recipe(recipe, model)
    atomic.write(Path(out), lambda temporary: picture.save(temporary, "png"))
    print(out)


@app.command("app")
def serve(
    port: Annotated[int, typer.Option(help="of 127.0.0.1")] = 8866,
    model: Annotated[str, typer.Option(help="weights file or run")] = "shipped",
    dark: Annotated[bool, typer.Option("--dark", help="light on dark")] = False,
):
    """Serve explorer, mixer and painter as a page, for a browser on this machine."""
    from .app import serve as serve_app

    serve_app(model, port, dark)


@app.command()
def bench(
    names: Annotated[list[str] | None, typer.Argument(help="rows, e.g. 'class view'; default: all")] = None,
    turns: Annotated[int, typer.Option(min=1, help="of each way, one after the other")] = 5,
):
    """How much faster the library is than the plain way of computing the same, on this machine."""
    from . import paths
    from .bench import BENCHMARKS
    from .bench import bench as race

    print(f"{'':>22} {'plain s':>9} {'ours s':>9} {'ratio':>7} {'CPU ratio':>10} {'error':>9}")
    for name in names or BENCHMARKS:
        r = race(name, turns)
        plain, ours = r.seconds["plain"], r.seconds["ours"]
        print(f"{name:>22} {plain:9.3f} {ours:9.3f} {r.ratio:7.1f} {r.cpu_ratio:10.1f} {r.max_error:9.1e}", flush=True)
    print(paths.bench())


def _assignments(texts: list[str]) -> dict[str, str]:
    for text in texts:
        if "=" not in text:
            raise SmisError(f"{text!r} is not KEY=VALUE.")
    return dict(text.split("=", 1) for text in texts)


def _line(record) -> str:
    from .results import significant

    interval = f"  [{significant(record.interval[0])}, {significant(record.interval[1])}]" if record.interval else ""
    reading = record.protocol.get("reading", "")
    return f"{record.metric:>20}  {significant(record.value):>10}{interval}  {reading}"


def _explained(error: Exception) -> str | None:
    """What to do about an error that is not the library's own, where that is known: of a path, of memory, of the command line."""
    if isinstance(error, OSError) and error.filename is not None:
        return f"{error.filename!s:.200}: {error.strerror}. Check the path, and what may be read and written there."
    if isinstance(error, MemoryError) or any(words in str(error) for words in OUT_OF_MEMORY):
        kind = (
            "a process that loads images was killed, as a system does when memory runs out"
            if "DataLoader" in str(error)
            else "out of memory"
        )
        return (
            f"{kind}. Close other programs, or ask for less at a time: train.batch, train.accumulate=2 (a batch in two parts), "
            "--jobs 1. What was finished is kept: the same command resumes from the last checkpoint."
        )
    if told := getattr(error, "format_message", None):  # click's own errors; typer may carry its own copy of click's classes
        return f"{told().rstrip('.')}. `smis --help` lists the commands and their options."
    return None


def main() -> None:
    """Entry point: the whole command line, errors as one line."""
    message, lost = None, False
    try:
        status = app(sys.argv[1:] or ["--help"], standalone_mode=False) or 0
    except SmisError as error:
        status, message = BAD_INPUT, str(error)
        lost = isinstance(error, processes.Lost)  # the first may be the one that is gone
    except (KeyboardInterrupt, typer.Abort):
        status = INTERRUPTED
    except Exception as error:
        status, message = BAD_INPUT, _explained(error)
        if message is None:
            raise
    if status == INTERRUPTED:
        message = "stopped. The same command resumes from the last checkpoint."
    if message and (lost or processes.is_first()):
        print(f"smis: {message}", file=sys.stderr)
    sys.exit(status)
