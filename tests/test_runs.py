"""The run store: nothing half-written, nothing done twice, nothing lost."""

import json
import os
import resource
import signal
import time
from pathlib import Path

import pytest
import safetensors.torch
import torch
from PIL import Image

from smislib import atomic, config, paths, presets, results, runs, versions
from smislib import train as training
from smislib.errors import SmisError
from smislib.metrics import Measurement
from smislib.models import MODELS


def files(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def randomised(experiment: config.Experiment) -> torch.nn.Module:
    """Networks whose every weight and buffer is random: what a round trip could lose shows."""
    networks = runs.build(experiment)
    rng = torch.Generator().manual_seed(0)
    for value in networks.state_dict().values():
        value.copy_(torch.rand(value.shape, generator=rng))
    return networks


# --- atomic.write -----------------------------------------------------------------------------------------------------


FAULTS = [OSError(28, "No space left on device"), ValueError("a fault of the writer"), KeyboardInterrupt()]


@pytest.mark.parametrize("error", FAULTS, ids=["disk", "writer", "ctrl-c"])
def test_a_writer_that_fails_leaves_the_old_file_and_nothing_else(tmp_path, error):
    path = tmp_path / "a.txt"
    atomic.write(path, lambda p: p.write_text("old"))

    def fail(temporary: Path) -> None:
        temporary.write_text("half of the n")
        raise error

    with pytest.raises(SmisError if isinstance(error, OSError) else type(error)) as raised:
        atomic.write(path, fail)
    assert path.read_text() == "old"
    assert files(tmp_path) == {"a.txt"}
    if isinstance(error, OSError):
        assert f"cannot write {path}: No space left on device. Free some space" in str(raised.value)


def test_the_new_file_appears_at_once_and_whole(tmp_path):
    path, seen = tmp_path / "deep" / "a.txt", []

    def write(temporary: Path) -> None:
        temporary.write_text("new")
        seen.append(path.exists())
        assert temporary.suffix == path.suffix  # writers choose a format by it

    atomic.write(path, write)
    assert seen == [False]
    assert path.read_text() == "new"
    assert files(path.parent) == {"a.txt"}
    assert path.stat().st_mode & 0o777 == 0o644


def writes_on_a_full_disk(home: str) -> None:
    """A file-size limit stands in for a full disk: the kernel refuses the same writes."""
    folder = Path(home)
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    unlimited = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, unlimited[1]))
    big, noise = {"x": torch.rand(100_000)}, Image.effect_noise((400, 400), 90)
    writers = {
        "checkpoint.pt": lambda p: torch.save(big, p),
        "weights.safetensors": lambda p: safetensors.torch.save_file(big, p),
        "samples.png": lambda p: noise.save(p),
        "log.jsonl": lambda p: p.write_text("x" * 100_000),
    }
    for name, write in writers.items():
        try:
            atomic.write(folder / name, write)
        except SmisError as error:
            assert f"cannot write {folder / name}: " in str(error), error
            assert "\n" not in str(error)
        else:
            raise AssertionError(f"{name} was written")
    resource.setrlimit(resource.RLIMIT_FSIZE, unlimited)  # `make coverage` writes what it saw when this process ends


def test_a_full_disk_is_one_sentence_and_keeps_every_old_file(tmp_path, processes):
    names = {"checkpoint.pt", "weights.safetensors", "samples.png", "log.jsonl"}
    for name in names:
        (tmp_path / name).write_text("old")
    child = processes(writes_on_a_full_disk, str(tmp_path))
    child.join(300)
    assert child.exitcode == 0
    assert files(tmp_path) == names
    assert all((tmp_path / name).read_text() == "old" for name in names)


def test_a_store_that_cannot_be_written_is_one_sentence(tmp_path, monkeypatch, small):
    experiment = small()
    (tmp_path / "file").write_text("")
    for home in (tmp_path / "file", Path("/proc/nowhere")):
        monkeypatch.setenv("SMIS_HOME", str(home))
        with pytest.raises(SmisError, match=rf"cannot write .*{home}/runs/.*SMIS_HOME"):
            training.train(experiment, progress=False)


def test_a_run_folder_that_refuses_its_lock_is_one_sentence(home, small):
    run = runs.open_run(small())
    (run.folder / ".lock").mkdir()
    with pytest.raises(SmisError, match=r"cannot write .*\.lock: "), run.lock():
        pass


# --- weights ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("model", presets.TABLE_1)
def test_weights_come_back_exactly_and_without_flags(model, home, small, tmp_path):
    experiment = small(model)
    networks = randomised(experiment)
    runs.save(tmp_path / "w.safetensors", networks, experiment)
    loaded = runs.load(tmp_path / "w.safetensors")
    assert loaded.experiment == experiment
    assert not loaded.training
    assert not any(p.requires_grad for p in loaded.parameters())
    expected = networks.state_dict()
    assert loaded.state_dict().keys() == expected.keys()
    assert all(torch.equal(value, expected[key]) for key, value in loaded.state_dict().items())
    z, labels = torch.randn(1, *loaded.schedule.z_shape), torch.zeros(1, 8, 32, 32)
    labels[:, 0] = 1
    images = loaded.G(labels, z), networks.eval().G(labels, z)
    assert images[0].isfinite().all()
    assert torch.equal(*images)


def test_equal_networks_are_equal_files(small, tmp_path):
    """safetensors leaves the order of metadata to chance; a record names its weights by the file's hash."""
    experiment = small("groupdnet")
    networks = randomised(experiment)
    for i in range(8):
        runs.save(tmp_path / f"{i}.safetensors", networks, experiment)
    assert len({path.read_bytes() for path in tmp_path.iterdir()}) == 1
    kept = safetensors.torch.load_file(tmp_path / "0.safetensors")
    assert all(torch.equal(value, networks.state_dict()[key]) for key, value in kept.items())


@pytest.mark.parametrize("model", {of.networks: name for name, of in MODELS.items()}.values())
def test_a_network_of_every_file_is_all_in_its_weights(model, tmp_path):
    experiment = presets.experiment(model, "tokens" if MODELS[model].whole else "mannequins", "smoke")
    networks = randomised(experiment)
    runs.save(tmp_path / "w.safetensors", networks, experiment)
    loaded = runs.load(tmp_path / "w.safetensors")
    made = dict([*loaded.named_parameters(), *loaded.named_buffers()])
    assert made.keys() == loaded.state_dict().keys()  # what is not saved could not be had again
    assert not any(value.is_meta for value in made.values())
    assert all(torch.equal(value, networks.state_dict()[key]) for key, value in made.items())


def test_a_run_is_found_by_name_beginning_and_folder(home, small):
    first, second = small(), small("vspade")
    for experiment in (first, second):
        run = runs.open_run(experiment)
        run.finish(runs.build(experiment))
    for name in (first.name, "mannequins-groupdnet", first.hash[:8], str(paths.runs() / first.name)):
        assert runs.load(name).experiment == first
    with pytest.raises(SmisError, match="'mannequins' fits 2 runs: mannequins-groupdnet"):
        runs.find("mannequins")
    with pytest.raises(SmisError, match=f"Did you mean '{second.name}'"):
        runs.find(second.name.replace("vspade", "vspad"))


def test_an_empty_store_and_an_unfinished_run(home, small):
    with pytest.raises(SmisError, match=r"is empty\. Train something first: smis train"):
        runs.find("anything")
    runs.open_run(small())
    with pytest.raises(SmisError, match="is not finished: smis train resumes it"):
        runs.load("mannequins-groupdnet")
    with pytest.raises(SmisError, match=r"there is no weights file nothing\.safetensors"):
        runs.load("nothing.safetensors")


@pytest.mark.parametrize("damage", ["cut", "empty", "text", "another format", "another shape", "no metadata"])
def test_a_damaged_weights_file_is_named(damage, small, tmp_path, home):
    path, experiment = tmp_path / "w.safetensors", small()
    networks = runs.build(experiment)
    runs.save(path, networks, experiment)
    state, whole = networks.state_dict(), path.read_bytes()
    text = json.dumps(config.to_dict(experiment))
    match damage:
        case "cut":
            path.write_bytes(whole[: len(whole) // 2])
        case "empty":
            path.write_bytes(b"")
        case "text":
            path.write_text("<html>not found</html>")
        case "another format":
            safetensors.torch.save_file(state, path, {"format": "pt", "experiment": text})
        case "another shape":
            state["G.fc.bias"] = torch.zeros(3)
            safetensors.torch.save_file(state, path, {"format": runs.FORMAT, "experiment": text})
        case "no metadata":
            safetensors.torch.save_file(state, path)
    expected = {
        "another format": "has format 'pt', expected 'smislib-1'",
        "another shape": "does not fit the networks that it describes",
        "no metadata": "has format None, expected 'smislib-1'",
    }.get(damage, "is not a complete safetensors file")
    with pytest.raises(SmisError, match=f"{path} {expected}") as raised:
        runs.load(path)
    assert "\n" not in str(raised.value)


# --- the life of a run ------------------------------------------------------------------------------------------------


def test_a_finished_run_is_left_alone(home, small, capsys):
    run = training.train(small(), progress=False)
    assert run.finished
    assert not (run.folder / "checkpoint.pt").exists()
    before = {path: path.stat().st_mtime_ns for path in run.folder.rglob("*")}
    time.sleep(0.01)
    again = training.train(small(), progress=False)
    assert again == run
    assert {path: path.stat().st_mtime_ns for path in run.folder.rglob("*")} == before
    assert "trained by" not in capsys.readouterr().err


def test_a_run_that_other_code_trained_is_said_to_be(home, small, monkeypatch, capsys):
    run = runs.open_run(small())
    run.finish(runs.build(small()))
    here, weights = versions.code(), runs._metadata(run.weights)
    measured = Measurement("FID", 1.0, {})
    assert run.code == here and "trained by" not in results.record(measured, run, "", "cpu", 0).versions
    monkeypatch.setattr(versions, "code", lambda: "0f02243")
    training.train(small(), progress=False)
    assert f"finished, trained by code {here}; the code is now 0f02243. To train it anew, delete" in capsys.readouterr().err
    made_by = results.record(measured, run, "", "cpu", 0).versions
    assert (made_by["code"], made_by["trained by"]) == ("0f02243", here)
    run.finish(runs.build(small()))
    assert runs._metadata(run.weights) == weights  # which know nothing of the code
    (run.folder / "versions.json").unlink()  # as of an earlier version of the library
    training.train(small(), progress=False)
    assert "trained by" not in capsys.readouterr().err + str(results.record(measured, run, "", "cpu", 0).versions)


def test_a_runs_folder_says_what_it_is(home, small):
    run = training.train(small(), progress=False)
    assert {"config.json", "log.jsonl", "samples", "records", "weights.safetensors"} <= files(run.folder)
    (listed,) = runs.list_runs()
    assert listed == run
    assert [entry["step"] for entry in run.history()] == [1, 2, 3, 4, 5]
    assert files(run.folder / "samples") == {"step_000005.png"}


def test_a_config_of_another_version_is_named(home, small):
    run = runs.open_run(small())
    path = run.folder / "config.json"
    body = json.loads(path.read_text())
    body["train"]["warmup"] = 3
    path.write_text(json.dumps(body))
    with pytest.raises(SmisError, match=rf"{path} is not an experiment of this version \(unknown TrainSpec key 'warmup'"):
        runs.list_runs()
    path.write_text("{")
    with pytest.raises(SmisError, match=f"{path} is not an experiment"):
        runs.list_runs()


def test_the_lock_clears_what_a_killed_writer_left(home, small):
    run = runs.open_run(small())
    names = (
        ".checkpoint.pt.ab12",
        ".weights.safetensors.cd34",
        ".log.jsonl.e",
        "records/.a.json.f",
        "snapshots/.b.safetensors.5",
    )
    left = [run.folder / name for name in names]
    for path in left:
        path.mkdir(parents=True)
        (path / path.name[1:].rpartition(".")[0]).write_text("half")
    assert results.read(run.records) == [] and run.snapshots() == {}  # half-written files are no part of a run
    with run.lock():
        assert not any(path.exists() for path in left)
        assert (run.folder / "config.json").exists()


def holds_the_lock(home: str, experiment: config.Experiment, held, release) -> None:
    os.environ["SMIS_HOME"] = home
    with runs.open_run(experiment).lock():
        held.set()
        release.wait(300)


@pytest.mark.parametrize("how", ["killed", "released"])
def test_the_lock_of_another_process_is_waited_for_and_freed_by_its_death(how, home, small, processes, capsys):
    held, release = processes.context.Event(), processes.context.Event()
    child = processes(holds_the_lock, str(home), small(), held, release)
    assert held.wait(300)
    child.kill() if how == "killed" else release.set()
    started = time.monotonic()
    with runs.open_run(small()).lock():
        assert time.monotonic() - started < 30
