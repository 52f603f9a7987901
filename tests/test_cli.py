"""The `smis` command: bad input ends in status 2 and one sentence, good input in what was asked for."""

import json
import sys
from pathlib import Path

import nbformat
import numpy as np
import pytest
from PIL import Image

from smislib import evaluate as evaluation
from smislib import notebooks, paths, runs
from smislib.cli import main
from smislib.errors import SmisError


@pytest.fixture
def smis(home, monkeypatch, capfd):
    """`smis("list")` runs a command line in this process: (status, stdout, stderr). No pretrained weights are there."""
    monkeypatch.setenv("TORCH_HOME", str(home / "torch"))
    monkeypatch.delenv("SMIS_WEIGHTS", raising=False)

    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["smis", *arguments])
        capfd.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        captured = capfd.readouterr()
        return ended.value.code, captured.out, captured.err

    return run


TINY = ["--set", "data.n_train=8", "--set", "data.n_test=6", "--set", "train.steps=2", "--set", "evaluation.n_fid=6"]


@pytest.mark.parametrize(
    ("line", "parts"),
    [
        ("trian groupdnet", ["No such command 'trian'"]),
        ("train", ["Missing", "model"]),
        ("data", ["Missing command"]),
        ("train groupdnet --preset smoke --set loss.backbone=vgg19", ["needs vgg19-dcbb9e9d.pth", "curl -L -o"]),
        ("train groupdnet --preset smoke --eval --set evaluation.backbone=paper", ["needs pt_inception", "curl -L -o"]),
        ("train groupdnet --preset smoke --eval --set data.n_test=6", ["has 6 images", "asks for 32", "evaluation.n_fid=6"]),
        ("train groupdnet --preset smoke --eval --set data.n_test=3", ["has 3 images", "asks for 32", "4 would do"]),
        ("train biggan --data tokens --preset smoke --eval --set evaluation.n_fid=19", ["at least 20 images", "n_fid=19"]),
        ("train groupdnet --presset smoke", ["--presset", "--preset"]),
        ("train groupdnet --seed one", ["--seed", "integer"]),
        ("train groupdnet --set", ["--set"]),
        ("train groupdnt", ["unknown model 'groupdnt'", "'groupdnet'"]),
        ("train groupdnet --data manequins", ["unknown data set 'manequins'", "'mannequins'"]),
        ("train groupdnet --preset smokey", ["unknown preset 'smokey'", "'smoke'"]),
        ("train groupdnet --preset smoke --set train.step=4", ["unknown TrainSpec key 'step'", "'steps'"]),
        ("train groupdnet --preset smoke --set train.steps", ["'train.steps' is not KEY=VALUE"]),
        ("train groupdnet --preset smoke --set train.steps=many", ["must be int, found 'many'"]),
        ("train groupdnet --preset smoke --set train.steps=0", ["must be at least 1, found 0"]),
        ("train groupdnet --preset smoke --set loss.backbone=vgg", ["unknown perceptual backbone 'vgg'", "'vgg19'"]),
        ("train groupdnet --preset smoke --set data.height=36 --set data.width=36", ["36x36", "multiples of 8"]),
        ("train groupdnet --preset smoke --set model=vspade", ["model cannot be assigned"]),
        ("train groupdnet --preset smoke --data custom", ["needs its folder: --root"]),
        ("train groupdnet --preset smoke --data custom --root nowhere", ["nowhere is not a folder"]),
        ("train groupdnet --preset smoke --devices 3", ["must divide evenly"]),
        ("train groupdnet --preset smoke --accelerator abacus", ["accelerator=abacus"]),
        ("show nothing", ["is empty. Train something first"]),
        ("eval nothing", ["is empty. Train something first"]),
        ("notebooks 77", ["unknown notebook '77'"]),
        ("data check custom nowhere", ["nowhere is not a folder"]),
        ("data check mannequins", ["there is no folder to check"]),
    ],
)
def test_bad_input_ends_in_status_2_and_one_line(line, parts, smis, home):
    status, out, err = smis(*line.split())
    assert status == 2
    told = [line for line in err.strip().splitlines() if not line.startswith("  mkdir -p ")]  # a command to copy
    assert len(told) == 1, err
    assert told[0].startswith("smis: ")
    assert all(part.lower() in err.lower() for part in parts), err
    assert out == ""
    assert not list(Path(home, "runs").glob("*/checkpoint.pt"))


def test_nothing_asked_shows_what_can_be_asked(smis):
    for arguments in ((), ("--help",)):
        status, out, err = smis(*arguments)
        assert status == 0
        assert all(command in out + err for command in ("train", "eval", "show", "list", "reproduce", "notebooks"))
        assert "smis: " not in err


def test_a_run_is_trained_measured_listed_and_shown(smis):
    status, out, err = smis("train", "groupdnet", "--preset", "smoke", *TINY, "--eval", "--no-progress")
    assert (status, err) == (0, "")
    folder = Path(out.splitlines()[0])
    (run,) = runs.list_runs()
    assert folder == run.folder
    written = {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}

    status, out, _ = smis("list")
    assert (status, out.split()) == (0, ["finished", run.experiment.name])

    status, shown, _ = smis("show", "mannequins-groupdnet")
    assert status == 0
    body, _, rest = shown.partition("\n}\n")
    assert json.loads(body + "\n}") == json.loads((folder / "config.json").read_text())
    assert rest.startswith("step 2 of 2, ")
    assert f"finished: {folder}" in rest
    on_a_backbone = ("FID", "KID", "mCSD", "mOCD", "LPIPS", "mIoU")
    assert all(name in rest for name in (*(f"{metric}[embedded]" for metric in on_a_backbone), "Params", "FPS", "s/step"))

    status, measured, _ = smis("eval", "mannequins-groupdnet", "--device", "cpu")
    assert status == 0
    assert measured in shown  # the same records: nothing was measured again
    status, out, err = smis("train", "groupdnet", "--preset", "smoke", *TINY, "--eval", "--no-progress")
    assert (status, out.strip(), err) == (0, str(folder), "")
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()} == written

    status, out, err = smis("eval", "mannequins-groupdnet", "--device", "abacus")
    assert status == 2
    assert err.startswith("smis: device 'abacus' cannot be used here")


def test_an_unfinished_run_is_listed_but_not_measured(smis, small):
    run = runs.open_run(small())
    run.log.write_text('{"step": 3, "seconds": 1.5}\n')
    assert smis("list")[1].split() == ["3/5", run.experiment.name]
    status, out, _ = smis("show", run.experiment.name)
    assert status == 0
    assert "step 3 of 5, 0.500 s/step\nnot finished: smis train resumes it" in out
    status, _, err = smis("eval", run.experiment.name)
    assert status == 2
    assert "is not trained to its end" in err


def test_measuring_again_replaces_another_protocol(home, small, monkeypatch):
    """Two protocols in one run would make every table refuse it."""
    run = runs.open_run(small())
    run.finish(runs.build(run.experiment))
    monkeypatch.setattr(evaluation, "files", lambda run: {"quality": run.records / "quality-new0new0.json"})
    monkeypatch.setattr(evaluation._Bench, "quality", lambda self: [])
    (run.records / "quality-0ld0ld00.json").write_text("[]")
    (run.records / "cost-0ld0ld00.json").write_text("[]")

    def quality() -> list[str]:
        return sorted(path.name for path in run.records.glob("quality-*"))

    evaluation.evaluate(run, device="cpu", progress=False)
    assert len(quality()) == 2
    evaluation.evaluate(run, device="cpu", again=True, progress=False)
    assert quality() == ["quality-new0new0.json"]
    assert (run.records / "cost-0ld0ld00.json").exists()


def custom(root: Path, value: int) -> Path:
    """Two classes, one of whose label maps holds `value`."""
    for split in ("train", "test"):
        for i in range(4):
            for part in ("images", "labels"):
                (root / split / part).mkdir(parents=True, exist_ok=True)
            Image.fromarray(np.full((32, 32, 3), 40 * i, np.uint8)).save(root / split / "images" / f"p{i}.png")
            label = np.zeros((32, 32), np.uint8)
            label[:, 16:] = value if (split, i) == ("train", 2) else 1
            Image.fromarray(label).save(root / split / "labels" / f"p{i}.png")
    (root / "classes.json").write_text('{"names": ["left", "right"]}')
    return root


def test_a_folder_of_ones_own_is_trained_and_a_wrong_label_named(smis, tmp_path):
    good, bad = custom(tmp_path / "good", 1), custom(tmp_path / "bad", 7)
    line = ["train", "groupdnet", "--preset", "smoke", "--data", "custom", "--set", "train.steps=1", "--no-progress"]
    status, out, err = smis(*line, "--root", str(good))
    assert (status, err) == (0, "")
    assert runs.load(out.strip()).schedule.C == 2
    status, _, err = smis(*line, "--root", str(bad))
    assert status == 2
    assert f"{bad}/train/labels/p2.png holds 7, expected 0..1 (left .. right)" in err
    status, out, _ = smis("data", "check", "custom", str(bad), "--preset", "smoke")
    assert status == 2
    assert "p2.png holds 7" in out
    assert smis("data", "check", "custom", str(good), "--preset", "smoke")[0] == 0


# --- notebooks --------------------------------------------------------------------------------------------------------


@pytest.fixture
def notebook(home, tmp_path, monkeypatch):
    """A source folder with one tiny notebook."""
    folder = tmp_path / "notebooks"
    folder.mkdir()
    source = folder / "07_tiny.py"
    first, second = 'preset = "demo"\nn = 2', 'print(preset, n * 2)\nassert n < 5, "too many"'
    source.write_text(f'# %% tags=["parameters"]\n{first}\n\n# %%\n{second}\n')
    monkeypatch.setattr(paths, "NOTEBOOKS", folder)
    return source


def test_a_parameter_that_the_notebook_does_not_know_is_an_error(notebook, smis):
    with pytest.raises(SmisError, match=r"unknown parameter of 07_tiny.py 'presets'. Did you mean 'preset'\? Known: n, preset"):
        notebooks.execute(notebook, "smoke", parameters={"presets": "demo"})
    status, _, err = smis("notebooks", "07", "-p", "m=3")
    assert status == 2
    assert "unknown parameter of 07_tiny.py 'm'" in err


def test_a_notebook_is_executed_at_a_preset_and_stored(notebook):
    first = notebooks.execute(notebook, "smoke", store=True, parameters={"n": "3"})
    assert first == paths.executed("smoke") / "07_tiny.ipynb"
    texts = [cell.outputs[0].text for cell in nbformat.read(first, 4).cells if cell.cell_type == "code" and cell.outputs]
    assert texts == ["smoke 6\n"]
    stored = notebook.with_suffix(".ipynb")
    before = stored.read_bytes()
    cells = nbformat.read(stored, 4).cells
    assert [cell.source for cell in cells] == ['preset = "smoke"\nn = 3', 'print(preset, n * 2)\nassert n < 5, "too many"']
    notebooks.execute(notebook, "smoke", store=True, parameters={"n": "3"})
    assert stored.read_bytes() == before  # nothing in it tells one execution from another
    with pytest.raises(SmisError, match=r"07_tiny.py failed in cell \d: AssertionError: too many. See .*07_tiny.ipynb"):
        notebooks.execute(notebook, "smoke", parameters={"n": "9"})
    assert sorted(path.name for path in paths.executed("smoke").iterdir()) == [".07_tiny.lock", "07_tiny.ipynb"]


def test_notebooks_execute_two_at_a_time_and_the_first_failure_stops_the_rest(notebook):
    other = notebook.with_name("08_other.py")
    other.write_text(notebook.read_text().replace("n = 2", "n = 4"))
    both = notebooks.execute_all([notebook, other], "smoke", jobs=2)
    texts = [[c.outputs[0].text for c in nbformat.read(path, 4).cells if c.get("outputs")] for path in both]
    assert texts == [["smoke 4\n"], ["smoke 8\n"]]  # in the order asked for, whichever ends first
    notebook.write_text(notebook.read_text().replace("n = 2", "n = 7"))
    with pytest.raises(SmisError, match=r"07_tiny\.py failed"):
        notebooks.execute_all([notebook, other], "smoke", jobs=1)


def test_an_executed_notebook_is_current_until_something_it_was_made_from_changes(notebook, small):
    notebook.write_text(notebook.read_text() + "# viz.save(fig, ...)\n")
    assert not notebooks.is_current(notebook, "smoke")
    notebooks.execute(notebook, "smoke")
    assert notebooks.is_current(notebook, "smoke")
    assert not notebooks.is_current(notebook, "demo")
    run = runs.open_run(small())
    run.weights.write_bytes(b"new")  # a run appears in the store
    assert not notebooks.is_current(notebook, "smoke")
    notebooks.execute(notebook, "smoke", parameters={"n": "3"})  # not as `make reproduce` executes it
    assert not notebooks.is_current(notebook, "smoke")
    notebooks.execute(notebook, "smoke")
    assert notebooks.is_current(notebook, "smoke")
    notebook.write_text(notebook.read_text() + "# another comment\n")
    assert not notebooks.is_current(notebook, "smoke")


def test_an_executed_notebook_is_not_current_without_its_figures(notebook):
    saves = (
        'import matplotlib.pyplot as plt\nfrom smislib import viz\nfig = plt.figure()\nviz.save(fig, "fig_07", "None.", preset)\n'
    )
    notebook.write_text(notebook.read_text() + f"\n# %%\n{saves}")
    assert notebooks.named(notebook) == ["fig_07"]
    notebooks.execute(notebook, "smoke")
    assert notebooks.is_current(notebook, "smoke")
    for path in paths.figures("smoke").glob("fig_07.*"):
        path.unlink()
    assert not notebooks.is_current(notebook, "smoke")
