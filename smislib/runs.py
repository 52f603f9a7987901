"""The run store: one folder per experiment, named by its hash. Finished work is never redone, half-finished work resumes.

    runs/mannequins-groupdnet-demo-s0-1a2b3c4d/
        config.json           the experiment
        log.jsonl             one line per logged step: it can be plotted while it grows
        samples/step_*.png    samples on the way
        snapshots/            generators on the way, where `train.snapshots` asks for them
        checkpoint.pt         everything a resume needs; gone once the run is finished
        versions.json         of the packages and of the code that trained it, no part of the weights, which are the same by all
        weights.safetensors   written last: its presence means finished. Self-describing
        records/*.json        measurements (see results.py)

A run's randomness is a function of (seed, step), so a checkpoint holds no generator states.
"""

import contextlib
import json
import shutil
import sys
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import safetensors.torch
import torch
from filelock import FileLock, Timeout
from safetensors import SafetensorError, safe_open
from torch import nn

from . import atomic, config, paths, pickled
from .atomic import first_line
from .config import Experiment
from .errors import SmisError, did_you_mean
from .models import MODELS
from .versions import versions

FORMAT = "smislib-1"
SHIPPED = "shipped"  # the name of the networks that come with the library


@dataclass(frozen=True)
class Run:
    """An experiment and its folder."""

    experiment: Experiment
    folder: Path

    @property
    def weights(self) -> Path:
        return self.folder / "weights.safetensors"

    def snapshot(self, step: int) -> Path:
        """Where the generator as it was after a step is kept, if `train.snapshots` asks for it."""
        return self.folder / "snapshots" / f"step_{step:06d}.safetensors"

    def snapshots(self) -> dict[int, Path]:
        """step -> the generator as it was then: those on the way, and the finished one."""
        on_the_way = {int(path.stem.split("_")[1]): path for path in sorted(self.folder.glob("snapshots/*.safetensors"))}
        return on_the_way | ({self.experiment.train.steps: self.weights} if self.finished else {})

    @property
    def log(self) -> Path:
        return self.folder / "log.jsonl"

    @property
    def records(self) -> Path:
        return self.folder / "records"

    @property
    def finished(self) -> bool:
        return self.weights.exists()

    @property
    def code(self) -> str:
        """The version of the code that trained it, as `versions.code` has it; "" where nobody kept it."""
        try:
            return str(json.loads((self.folder / "versions.json").read_text())["code"]) if self.finished else ""
        except (OSError, ValueError, LookupError, TypeError):  # of an earlier version of the library
            return ""

    def history(self) -> list[dict]:
        """The log so far; a line that a crash cut short, or that is no step, is not part of it."""
        entries = []
        for line in self.log.read_text("utf-8", "replace").splitlines() if self.log.exists() else []:
            with contextlib.suppress(ValueError, RecursionError):
                entries.append(json.loads(line))
        return [e for e in entries if isinstance(e, dict) and all(_positive(e.get(key)) for key in ("step", "seconds"))]

    def shares(self) -> dict[str, float]:
        """The parts of its training time that went into data, G and D."""
        spent = {part: sum(e.get(f"seconds_{part}", 0.0) for e in self.history()) for part in ("data", "g", "d")}
        return {part: seconds / max(sum(spent.values()), 1e-9) for part, seconds in spent.items()}

    @contextlib.contextmanager
    def lock(self) -> Iterator[None]:
        """One process at a time works on a run; the others wait. A killed process frees its lock."""
        lock = FileLock(self.folder / ".lock")
        try:
            lock.acquire(timeout=0)
        except Timeout:
            print(f"{self.experiment.name}: another process works on this run; waiting for it.", file=sys.stderr)
            lock.acquire()
        except OSError as error:
            raise atomic.cannot_write(lock.lock_file, error) from error
        try:
            self._clear()
            yield
        finally:
            lock.release()

    def _clear(self) -> None:
        """Remove what a killed process left: files that it was writing (see `atomic`), the checkpoint of a finished run."""
        for left in [*self.folder.rglob(".*.*/")]:
            if not left.name.startswith(".config.json"):  # which is written without the lock
                shutil.rmtree(left, ignore_errors=True)
        if self.finished:
            (self.folder / "checkpoint.pt").unlink(missing_ok=True)

    def save_checkpoint(self, state: dict) -> None:
        atomic.write(self.folder / "checkpoint.pt", lambda path: torch.save(state, path))

    def load_checkpoint(self) -> dict | None:
        path = self.folder / "checkpoint.pt"
        if not path.exists():
            return None
        try:
            return pickled.read(path)
        except SmisError as error:
            raise SmisError(f"checkpoint {error} Or delete it to train this run from its start.") from error

    def finish(self, networks: nn.Module, by: dict[str, str] | None = None) -> None:
        """Write the weights, and beside them the `versions` that trained them (None: those of now), and drop the checkpoint."""
        text = json.dumps(versions() if by is None else by, indent=1)
        atomic.write(self.folder / "versions.json", lambda path: path.write_text(text))
        save(self.weights, networks, self.experiment)
        (self.folder / "checkpoint.pt").unlink(missing_ok=True)


def run_of(experiment: Experiment) -> Run:
    """The run of an experiment, whether it has a folder yet or not."""
    return Run(experiment, paths.runs() / experiment.name)


def open_run(experiment: Experiment) -> Run:
    """The run of an experiment; makes its folder if there is none."""
    run = run_of(experiment)
    try:
        (run.folder / "samples").mkdir(parents=True, exist_ok=True)
        run.records.mkdir(exist_ok=True)
    except OSError as error:
        raise atomic.cannot_write(run.folder, error) from error
    if not (run.folder / "config.json").exists():
        text = json.dumps(config.to_dict(experiment), indent=1)
        atomic.write(run.folder / "config.json", lambda path: path.write_text(text))
    return run


def list_runs() -> list[Run]:
    """Every run of the store, by name."""
    folders = sorted(path.parent for path in paths.runs().glob("*/config.json"))
    return [Run(read_experiment(folder / "config.json"), folder) for folder in folders]


def find(name: str) -> Run:
    """The run whose name, unique beginning or unique ending (its hash) is `name`."""
    if not name:
        raise SmisError("'' is no run: give its name, or its beginning; `smis list` shows them.")
    everything = {run.experiment.name: run for run in list_runs()}
    matches = [run for key, run in everything.items() if key.startswith(name) or key.endswith(name)]
    if name in everything or len(matches) == 1:
        return everything.get(name) or matches[0]
    if matches:
        raise SmisError(f"{name!r} fits {len(matches)} runs: {', '.join(m.experiment.name for m in matches[:4])}.")
    if not everything:
        raise SmisError(f"the run store {paths.runs()} is empty. Train something first: smis train groupdnet --preset smoke.")
    raise did_you_mean("run", name, everything)


def build(experiment: Experiment) -> nn.Module:
    """The networks of an experiment, initialised from its seed."""
    if experiment.model not in MODELS:
        raise did_you_mean("model", experiment.model, MODELS)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(experiment.seed)
        return MODELS[experiment.model].networks(experiment.network)


def save(path: Path, networks: nn.Module, experiment: Experiment) -> None:
    """A self-describing safetensors file: `load` needs nothing else. A player may be missing (a converted checkpoint)."""
    tensors = {key: value.detach().cpu().contiguous() for key, value in networks.state_dict().items()}
    players = "".join(player for player in "GED" if getattr(networks, player) is not None)
    metadata = {"format": FORMAT, "experiment": json.dumps(config.to_dict(experiment), sort_keys=True), "players": players}
    metadata["checksum"] = _checksum(tensors, metadata)
    atomic.write_tensors(path, tensors, metadata)


def load(path_or_name: str | Path) -> nn.Module:
    """The exact networks of a weights file, a run's folder or a run's name, in eval mode, without flags; or "shipped", the
    GroupDNet that comes with the library.

    They are `networks.G`, `.E` and `.D`, on the CPU, None where there is none; `networks.schedule` and `networks.experiment`
    say what they are. Raises SmisError for a name or a file that there is not, a run that is not finished, and a file that is
    damaged or of another program.
    """
    path = _weights_of(path_or_name)
    if not path.exists():
        raise SmisError(f"there is no weights file {path}. `smis list` shows the runs of the store.")
    metadata, experiment = _metadata(path), experiment_of(path)
    state = safetensors.torch.load_file(path)
    if metadata.get("checksum", found := _checksum(state, metadata)) != found:  # files of earlier versions have none
        raise SmisError(f"{path} is damaged: it has check sum {found}, not {metadata['checksum']}. Make or fetch it again.")
    try:
        with torch.device("meta"):  # without memory: a description may ask for more than there is
            networks = _without(build(experiment), metadata)
        copies = {key: value.clone() for key, value in state.items()}  # aligned: in a mapped file kernels round otherwise
        networks.load_state_dict(copies, assign=True)
    except Exception as error:  # whatever values in the description do to torch
        raise SmisError(f"{path} does not fit the networks that it describes: {first_line(error)}.") from error
    networks.experiment = experiment
    return networks.eval().requires_grad_(False)


def experiment_of(weights: Path) -> Experiment:
    """The experiment that a weights file describes; its tensors are not read."""
    try:
        return _experiment(_metadata(weights).get("experiment", "nothing"))
    except SmisError as error:
        if str(error).startswith(str(weights)):
            raise
        raise SmisError(f"{weights} does not describe its networks ({error}). Make or fetch it again.") from error


def _metadata(path: Path) -> dict[str, str]:
    try:
        with safe_open(path, "pt") as file:
            metadata = file.metadata() or {}
    except (SafetensorError, OSError) as error:
        raise SmisError(f"{path} is not a complete safetensors file ({first_line(error)}); make or fetch it again.") from error
    found = metadata.get("format")
    if found != FORMAT:
        newer = str(found).startswith(FORMAT.rstrip("1"))
        reason = "it is of a newer version of this library: update it" if newer else "it was not written by this library"
        raise SmisError(f"{path} has format {found!r}, expected {FORMAT!r}: {reason}.")
    return metadata


def _checksum(tensors: dict[str, torch.Tensor], metadata: dict[str, str]) -> str:
    """Eight hex digits over the tensors and what the file says of them."""
    crc = zlib.crc32((metadata.get("experiment", "") + metadata.get("players", "")).encode())
    for key in sorted(tensors):
        crc = zlib.crc32(tensors[key].contiguous().flatten().view(torch.uint8).numpy(), zlib.crc32(key.encode(), crc))
    return f"{crc:08x}"


def _without(networks: nn.Module, metadata: dict[str, str]) -> nn.Module:
    """Networks without the players that a file does not hold."""
    for player in set("GED") - set(metadata.get("players", "GED")):
        setattr(networks, player, None)
    return networks


def _weights_of(path_or_name: str | Path) -> Path:
    path, shipped = Path(path_or_name), paths.ASSETS / f"{SHIPPED}.safetensors"
    if str(path_or_name) == SHIPPED:
        return shipped
    if path.is_dir():
        return path / "weights.safetensors"
    if path.exists() or path.suffix == ".safetensors":
        return path
    try:
        run = find(str(path_or_name))
    except SmisError:
        if shipped.exists() and experiment_of(shipped).name == str(path_or_name):  # a recipe names what it was made with
            return shipped
        raise
    if not run.finished:
        raise SmisError(f"run {run.experiment.name} is not finished: smis train resumes it.")
    return run.weights


def read_experiment(path: Path) -> Experiment:
    """The experiment that a config.json holds. Raises SmisError when it is none of this version."""
    try:
        return _experiment(path.read_text("utf-8"))
    except (OSError, ValueError, SmisError) as error:
        raise SmisError(
            f"{path} is not an experiment of this version ({first_line(error)}). Move {path.parent} out of the run store, "
            "or use the version that made it."
        ) from error


def _experiment(text: str) -> Experiment:
    """Raises SmisError for a text that is not the JSON of an experiment."""
    try:
        body = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise SmisError(f"no JSON: {first_line(error)}") from error
    if not isinstance(body, dict) or (lacks := [key for key in ("model", "network", "loss") if key not in body]):
        raise SmisError(f"it lacks {', '.join(lacks)}" if isinstance(body, dict) else f"it is {body!r:.80}")
    name = str(body["model"])
    if name not in MODELS:
        raise did_you_mean("model", name, MODELS)
    model = MODELS[name]
    try:
        parts = {
            "network": config.from_dict(model.schedule, body["network"]),
            "loss": config.from_dict(model.loss, body["loss"]),
        }
        return config.from_dict(Experiment, {**body, **parts})
    except (ArithmeticError, LookupError, TypeError, ValueError) as error:  # values that no schedule expects
        raise SmisError(f"its values do not fit together: {first_line(error)}") from error


def _positive(value: object) -> bool:
    return isinstance(value, int | float) and value > 0
