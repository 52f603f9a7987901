"""The recipes of CONTRIBUTING.md, applied literally to a copy of the tree: what they add is there, and works."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import contributed
import pytest

from smislib import paths, presets

TEXT = (paths.CHECKOUT / "CONTRIBUTING.md").read_text()
RECIPES = dict(re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", TEXT, re.DOTALL | re.MULTILINE))
ROWS = 10


def blocks(recipe: str, kind: str) -> list[str]:
    return re.findall(rf"^```{kind}\n(.*?)^```", recipe, re.DOTALL | re.MULTILINE)


def edits(diff: str) -> Iterator[tuple[str, str, str]]:
    """(file, what stands there, what then stands there) of each part of a diff without line numbers."""
    for part in re.split(r"^(?=[^ +-])", diff, flags=re.MULTILINE)[1:]:
        file, *lines = part.splitlines()
        before, after = ("".join(f"{line[1:]}\n" for line in lines if line[0] in signs) for signs in (" -", " +"))
        yield file, before, after


def new_files(recipe: str) -> Iterator[tuple[str, str]]:
    for block in blocks(recipe, "python"):
        name, text = block.removeprefix("# ").split("\n", 1)
        yield name, text


def apply(recipe: str, root: Path) -> None:
    for diff in blocks(recipe, "diff"):
        for file, before, after in edits(diff):
            text = (root / file).read_text()
            assert text.count(before) == 1, f"{file} has {text.count(before)} times:\n{before}"
            (root / file).write_text(text.replace(before, after))
    for file, text in new_files(recipe):
        assert not (root / file).exists()
        (root / file).write_text(text)


def test_no_recipe_is_longer_than_ten_lines():
    for name, recipe in RECIPES.items():
        lines = [line for diff in blocks(recipe, "diff") for line in diff.splitlines() if line[0] in "+-"]
        lines += [line for _, text in new_files(recipe) for line in text.splitlines() if line.strip()]
        assert 0 < len(lines) <= ROWS, name


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> dict:
    """All recipes in one copy of the tree, and what came of them, in a process of its own."""
    root = tmp_path_factory.mktemp("contributed")
    shutil.copytree(paths.PACKAGE, root / "smislib", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(paths.NOTEBOOKS, root / "notebooks", ignore=shutil.ignore_patterns("*.ipynb"))
    (root / "results").symlink_to(paths.CHECKOUT / "results", target_is_directory=True)
    (root / "Makefile").touch()
    for recipe in RECIPES.values():
        apply(recipe, root)
    command = [sys.executable, str(Path(__file__).with_name("contributed.py")), "made.json"]
    environment = os.environ | {"PYTHONPATH": str(root), "SMIS_HOME": str(root / "home")}
    done = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads((root / "made.json").read_text())


def test_a_model_trains_and_is_a_row_of_table_3(made):
    model = made["model"]
    assert (model["steps"], model["class_view"], model["in table 3"]) == (2, "mask", True)
    assert model["late groups"] == [8, 8, 8, 1]


def test_a_loss_term_is_logged_and_changes_no_other_experiment(made):
    plain = presets.experiment("groupdnet", preset="smoke", assignments={k: str(v) for k, v in contributed.SMALL.items()})
    assert made["loss"]["hash"] == plain.hash
    assert made["loss"]["logged"] == [False, True] and 0 < made["loss"]["l1"] < 10


def test_a_metric_is_a_record_and_a_column(made):
    (value,) = made["model"]["chroma"]
    assert 0 < value < 2
    assert made["model"]["columns"] == [["Chroma", "reproduced as Chroma"]]
    assert float(made["model"]["cells"][0]) == pytest.approx(value, rel=0.01)


def test_a_data_set_is_checked_and_read(made):
    assert made["data"] == {"faults": 0, "title": "faces and their parts", "labels": [0, 1, 2], "C": 3}


def test_a_claim_has_a_verdict_from_the_records(made):
    assert made["claim"]["verdict"] in ("reproduced", "not reproduced", "not decidable")
    assert re.search(r"DSCGAN \d.*VSPADE \d", made["claim"]["found"])
    assert made["claim"]["last"] == "VSPADE has a better FID than DSCGAN."


def test_a_notebook_is_executed_and_kept(made):
    assert made["notebook"] == {"printed": "8\n", "kept": ["markdown", "code", "code", "code"]}
