"""Disks that are full or must not be written, and files that are cut or have a wrong bit: one sentence, and nothing is lost."""

import os
import random
import re
import shutil
import zipfile
from pathlib import Path

import faults
import numpy as np
import pytest
import torch
from sample_trees import make as make_tree
from test_faults_kills import SIZES, measured, saved_table, trained, values
from test_train import at_step, outcome, raising, same

from smislib import atomic, data, label_sources, notebooks, paths, presets, results, runs
from smislib.config import DataSpec
from smislib.errors import SmisError


def refused(function, *arguments, words: str) -> None:
    """A call that must end in one sentence with these words, and what to do."""
    try:
        function(*arguments)
    except SmisError as error:
        assert words in str(error) and "cannot write" in str(error) and "SMIS_HOME" in str(error), error
        assert "\n" not in str(error)
    else:
        raise AssertionError(f"{function.__name__} was not refused")


def on_a_disk_of_its_own(function, *arguments, tmp_path: Path) -> None:
    child = faults.process(function, *arguments, said=tmp_path / "said.txt")
    child.join(600)
    if child.exitcode == faults.NO_DISK:
        pytest.skip("this system lets no test mount a disk of its own; test_runs.py has the limit of a file's size instead")
    assert child.exitcode == 0, (tmp_path / "said.txt").read_text()


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """A store with a trained and measured experiment."""
    folder = tmp_path_factory.mktemp("undisturbed")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SMIS_HOME", str(folder))
        sizes = {"data.n_train": 8, "data.n_test": 6, "train.steps": 5} | SIZES
        experiment = presets.experiment("groupdnet", preset="smoke", assignments={k: str(v) for k, v in sizes.items()})
        trained(experiment)
        measured(experiment)
    return folder, experiment


@pytest.fixture
def straight(undisturbed, tmp_path, monkeypatch):
    """An experiment, what an undisturbed training and measurement of it give, its bytes. SMIS_HOME is a copy of their store."""
    folder, experiment = undisturbed
    home = tmp_path / "home"
    shutil.copytree(folder, home)
    monkeypatch.setenv("SMIS_HOME", str(home))
    run = runs.run_of(experiment)
    return experiment, outcome(run), values(results.read(run.records)), run.weights.stat().st_size


def fills_up(disk: Path, straight: tuple, seed: int) -> None:
    experiment, expected, records, size = straight
    faults.mount_disk(disk, megabytes=16 * max(1, size // 2**20 + 1))
    rng, refusals = random.Random(seed), []
    for attempt in range(4):
        os.environ["SMIS_HOME"] = str(disk / f"home{attempt}")
        Path(os.environ["SMIS_HOME"]).mkdir()
        ballast = faults.fill(disk, left=int(3.5 * size * rng.random() ** 2))
        for work in (trained, measured):
            while True:
                try:
                    work(experiment)
                    break
                except SmisError as error:
                    assert re.fullmatch(
                        r"cannot write .*(No space left|a part of it, as a full one).*Free some space.*", str(error)
                    )
                    assert ballast.exists(), error
                refusals.append(work.__name__)
                run = runs.run_of(experiment)
                if (run.folder / "checkpoint.pt").exists():
                    assert torch.load(run.folder / "checkpoint.pt")["step"] >= 1
                assert not [path for path in disk.rglob(".*") if path.is_dir() and path.name != ".cache"]  # nothing half-written
                ballast.unlink()  # as the message says
            if not ballast.exists():
                ballast = faults.fill(disk, left=rng.randrange(40_000))
        ballast.unlink(missing_ok=True)
        run = runs.run_of(experiment)
        assert same(outcome(run), expected)
        assert values(results.read(run.records)) == records
        for path in sorted(disk.rglob("*"), reverse=True):
            path.rmdir() if path.is_dir() else path.unlink()
    assert {"trained", "measured"} == set(refusals) and len(refusals) >= 4, refusals
    print(refusals)


def test_a_full_disk_loses_nothing_and_the_numbers_are_those_of_a_large_one(straight, tmp_path):
    (tmp_path / "disk").mkdir()
    on_a_disk_of_its_own(fills_up, tmp_path / "disk", straight, 0, tmp_path=tmp_path)


def is_read_only(disk: Path, straight: tuple, notebook: Path) -> None:
    experiment, expected, records, _ = straight
    faults.mount_disk(disk, megabytes=32)
    os.environ["SMIS_HOME"] = str(disk)
    paths.NOTEBOOKS = notebook.parent
    faults.set_read_only(disk, True)
    refused(trained, experiment, words="Read-only file system")
    faults.set_read_only(disk, False)
    with at_step(3, raising), pytest.raises(Exception):  # noqa: B017 (whatever stops it)
        trained(experiment)
    saved_table(5)
    table = (paths.figures("smoke") / "table01.csv").read_bytes()
    faults.set_read_only(disk, True)
    for work, arguments in ((trained, (experiment,)), (saved_table, (7,)), (notebooks.execute, (notebook, "smoke"))):
        refused(work, *arguments, words="Read-only file system")
    assert (paths.figures("smoke") / "table01.csv").read_bytes() == table
    assert torch.load(runs.run_of(experiment).folder / "checkpoint.pt")["step"] == 3
    faults.set_read_only(disk, False)
    trained(experiment)
    faults.set_read_only(disk, True)
    refused(measured, experiment, words="Read-only file system")
    assert runs.load(runs.run_of(experiment).weights).experiment == experiment  # what is there can be read
    trained(experiment)  # finished: nothing to write
    faults.set_read_only(disk, False)
    measured(experiment)
    assert same(outcome(runs.run_of(experiment)), expected)
    assert values(results.read(runs.run_of(experiment).records)) == records


def test_a_disk_that_became_read_only_loses_nothing(straight, tmp_path):
    (tmp_path / "disk").mkdir()
    (tmp_path / "07_tiny.py").write_text('# %% tags=["parameters"]\npreset = "demo"\n')
    on_a_disk_of_its_own(is_read_only, tmp_path / "disk", straight, tmp_path / "07_tiny.py", tmp_path=tmp_path)


def presizes(disk: Path, root: Path) -> None:
    faults.mount_disk(disk, megabytes=1)
    os.environ["SMIS_HOME"] = str(disk)
    spec = DataSpec("ade20k", 128, 128, root=str(root))
    ballast = faults.fill(disk, left=200_000)  # of 262,144 bytes
    with pytest.raises(SmisError, match=r"cannot write .*No space left on device. Free some space"):
        data.presize(spec)
    ballast.unlink()
    assert all(folder.is_dir() for folder in data.presize(spec))


def test_a_full_disk_ends_no_cache_of_a_folder_by_a_signal(home, tmp_path):
    (tmp_path / "disk").mkdir()
    on_a_disk_of_its_own(presizes, tmp_path / "disk", make_tree("ade20k", tmp_path / "tree"), tmp_path=tmp_path)


# --- damaged files ----------------------------------------------------------------------------------------------------


def damaged(body: bytes, rng: random.Random, n: int):
    """The body with one wrong bit, n times, or cut, n // 4 times."""
    for _ in range(n):
        i = rng.randrange(len(body))
        yield body[:i] + bytes([body[i] ^ 1 << rng.randrange(8)]) + body[i + 1 :]
    for _ in range(n // 4):
        yield body[: rng.randrange(len(body))]


def test_a_damaged_checkpoint_is_refused_or_does_no_harm(straight, tmp_path, monkeypatch):
    experiment, expected, *_ = straight
    monkeypatch.setenv("SMIS_HOME", str(tmp_path / "again"))
    with at_step(5, raising), pytest.raises(Exception):  # noqa: B017 (whatever stops it)
        trained(experiment)
    run, refusals = runs.run_of(experiment), 0
    path = run.folder / "checkpoint.pt"
    whole = path.read_bytes()
    assert torch.load(path)["step"] == 5
    for body in damaged(whole, random.Random(0), 8):
        path.write_bytes(body)
        try:
            trained(experiment)
        except SmisError as error:
            assert f"checkpoint {path}" in str(error) and "delete it to train this run from its start" in str(error)
            assert path.read_bytes() == body and not run.finished
            refusals += 1
        else:
            assert same(outcome(run), expected)
            run.weights.unlink()
    assert refusals >= 8
    path.unlink()  # as the message says
    trained(experiment)
    assert same(outcome(run), expected)


def test_a_damaged_file_of_records_is_refused_or_reads_as_before(straight):
    experiment, _, records, _ = straight
    folder, refusals = runs.run_of(experiment).records, 0
    for path in folder.glob("*.json"):
        whole, before = path.read_bytes(), results.read_file(path)
        for body in damaged(whole, random.Random(1), 150):
            path.write_bytes(body)
            try:
                assert results.read_file(path) == before
            except SmisError as error:
                assert f"{path} is not a file of records" in str(error) and "Delete it; `smis eval` writes it again" in str(error)
                refusals += 1
        path.unlink()  # as the message says
    assert refusals > 300
    measured(experiment)
    assert values(results.read(folder)) == records
    assert results.committed()  # of an earlier version: without check sums


def test_a_damaged_cache_is_made_again(tmp_path):
    path, rng = tmp_path / "a.npz", np.random.default_rng(0)
    arrays = {"image": rng.integers(0, 255, (8, 4, 4, 3), np.uint8), "factors": rng.random((8, 5), np.float32)}
    made = []

    def make() -> dict[str, np.ndarray]:
        made.append(1)
        return arrays

    atomic.arrays(path, make)
    whole = path.read_bytes()
    bodies = [whole[:i] + bytes([whole[i] ^ 1 << bit]) + whole[i + 1 :] for i in range(len(whole)) for bit in range(8)]
    shape = whole.index(b"(8, 4, 4, 3)") * 8  # with a wrong bit numpy reads (0, 4, 4, 3) without a complaint
    for body in [
        *bodies[::13],
        *bodies[shape : shape + 96],
        *damaged(whole, random.Random(2), 100),
    ]:  # headers, contents and directory alike
        path.write_bytes(body)
        found = atomic.arrays(path, make)
        assert found.keys() == arrays.keys() and all(np.array_equal(found[k], arrays[k]) for k in arrays)
    assert len(made) > len(bodies) // 26
    path.write_bytes(whole)
    made.clear()
    atomic.arrays(path, make)
    assert not made and zipfile.ZipFile(path).testzip() is None


def test_damaged_features_and_labels_of_the_cache_are_made_again(straight, monkeypatch):
    """Those that numbers are computed from: of real pictures for FID, and what a labeller read."""
    experiment, _, records, _ = straight
    features = sorted((paths.cache() / "features").glob("*.npz"))
    assert features
    for path in features:
        path.write_bytes(next(damaged(path.read_bytes(), random.Random(3), 1)))
    for path in runs.run_of(experiment).records.glob("*.json"):
        path.unlink()
    measured(experiment)
    assert values(results.read(runs.run_of(experiment).records)) == records

    e = presets.experiment("s3gan_20", "tokens", "smoke")
    train_set = data.open_split(e.data, "train")
    logits = torch.randn(len(train_set), 24, generator=torch.Generator().manual_seed(0))
    labeller = type("Labeller", (), {"experiment": e})
    monkeypatch.setattr(label_sources, "read", lambda *_: (logits, logits))
    first = label_sources.labels_for(e, train_set, 24, labeller)
    (path,) = (paths.cache() / "labels").glob(f"{e.name}-*.npz")
    for body in damaged(path.read_bytes(), random.Random(4), 20):
        path.write_bytes(body)
        assert torch.equal(label_sources.labels_for(e, train_set, 24, labeller), first)
    path.unlink()


def test_a_damaged_cache_of_a_folder_is_named(home, tmp_path):
    spec = DataSpec("ade20k", 16, 16, root=str(make_tree("ade20k", tmp_path / "tree")))
    folder = data.presize(spec)[0]
    before, refusals = [*data.open_split(spec, "train")], 0
    for path in sorted(folder.glob("*.npy")):
        whole = path.read_bytes()
        for body in damaged(whole, random.Random(5), 60):
            path.write_bytes(body)
            try:
                found = [*data.open_split(spec, "train")]
            except SmisError as error:
                assert f"the cache {folder} is damaged" in str(error) and "Delete that folder" in str(error)
                refusals += 1
            else:
                assert all(torch.equal(a[k], b[k]) for a, b in zip(found, before, strict=True) for k in ("image", "label_map"))
        path.write_bytes(whole)
    assert refusals > 100
