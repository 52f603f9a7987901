"""The model in the box, and the strips that stand for widgets on paper."""

import ast
import json
import re
from graphlib import TopologicalSorter
from pathlib import Path

import nbformat
import pytest
import torch

import smislib
from smislib import notebooks, paths, publish, results, runs
from smislib.errors import SmisError
from smislib.sample import generator, resample
from smislib.train import train

WIDGET = "application/vnd.jupyter.widget-view+json"


def test_the_shipped_model_is_small_and_has_its_records():
    networks = smislib.load("shipped")
    file = paths.ASSETS / "shipped.safetensors"
    assert file.stat().st_size <= publish.SHIPPED_BYTES
    assert networks.D is None and networks.G is not None and networks.E is not None
    written = results.read(paths.SHIPPED_RECORDS)
    assert {"mCSD[embedded]", "mOCD[embedded]", "FID[embedded]"} <= {record.metric for record in written}
    assert {record.experiment for record in written} == {networks.experiment.hash}


def test_the_shipped_model_changes_one_class_and_keeps_the_rest(home):
    networks = smislib.load("shipped")
    batch = smislib.batch(networks, "test", 4)
    shirt = 4
    for i in range(4):
        labels = batch["labels"][i : i + 1]
        inside = labels[0, shirt] > 0.5
        z = smislib.encode(networks, batch["image"][i : i + 1], labels)
        images = smislib.generate(networks, labels, torch.cat([z, resample(networks, z, shirt, 6, generator("shipped", i))]))
        moved = (images[1:] - images[:1]).abs().mean((0, 1))
        assert moved[inside].mean() > 0.1 > 5 * moved[~inside].mean()


def test_the_shipped_model_rebuilds_what_it_is_shown(home):
    networks = smislib.load("shipped")
    batch = smislib.batch(networks, "test", 8)
    rebuilt = smislib.reconstruct(networks, batch["image"], batch["labels"])
    wrong = smislib.reconstruct(networks, batch["image"].flip(0), batch["labels"])
    error, other = ((made - batch["image"]).abs().mean() for made in (rebuilt, wrong))
    assert error < 0.15 and error < 0.7 * other


def test_it_is_found_by_the_name_that_recipes_give_it(home):
    shipped = runs.experiment_of(paths.ASSETS / "shipped.safetensors")
    assert smislib.load(shipped.name).experiment == shipped
    with pytest.raises(SmisError, match="empty"):
        smislib.load("another")


def test_a_run_is_shipped_without_its_discriminator_and_with_its_records(home, small, tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "ASSETS", tmp_path / "assets")
    monkeypatch.setattr(paths, "SHIPPED_RECORDS", tmp_path / "records")
    (tmp_path / "assets").mkdir()
    run = train(small(), progress=False)
    with pytest.raises(SmisError, match="not measured"):
        publish.ship(run.experiment.name)
    (run.records / "made.json").write_text("[]")
    files = publish.ship(run.experiment.name)
    assert [file.name for file in files] == ["shipped.safetensors", "made.json", "config.txt"]
    shipped, trained = runs.load("shipped"), runs.load(run.weights)
    assert shipped.D is None
    assert all(torch.equal(a, b) for a, b in zip(shipped.G.state_dict().values(), trained.G.state_dict().values(), strict=True))
    assert json.loads((tmp_path / "records" / "config.txt").read_text())["model"] == "groupdnet"
    monkeypatch.setattr(publish, "SHIPPED_BYTES", 10)
    with pytest.raises(SmisError, match="smaller"):
        publish.ship(run.experiment.name)


@pytest.mark.parametrize("source", notebooks.select(), ids=lambda source: source.stem)
def test_every_widget_of_an_executed_notebook_has_its_strip(source):
    notebook = nbformat.read(source.with_suffix(".ipynb"), as_version=4)
    assert not notebook.metadata.get("widgets")
    for cell in notebook.cells:
        shown = [output.get("data", {}) for output in cell.get("outputs", [])]
        assert not any(WIDGET in data for data in shown), "a dead widget"
        if "widget" in cell.metadata.get("tags", []):
            assert any(kind in data for data in shown for kind in notebooks.PICTURE)
        elif cell.cell_type == "code" and cell.source.strip():
            assert not cell.source.strip().splitlines()[-1].startswith("ui."), "a widget whose cell is not tagged so"


def imports_at_the_top(file: Path) -> set[str]:
    """The modules of the library that a file imports when it is imported; those within functions come later."""
    name = ".".join(file.relative_to(paths.CHECKOUT).with_suffix("").parts).removesuffix(".__init__")
    package = name.split(".") if file.stem == "__init__" else name.split(".")[:-1]
    found = set()
    for node in ast.parse(file.read_text()).body:
        if isinstance(node, ast.ImportFrom) and node.level:
            base = [*package[: len(package) + 1 - node.level], *filter(None, [node.module])]
            found |= {".".join([*base, alias.name]) for alias in node.names} | {".".join(base)}
    return found - {name}


def test_no_modules_import_one_another_in_a_circle():
    files = {".".join(f.relative_to(paths.CHECKOUT).with_suffix("").parts): f for f in paths.PACKAGE.rglob("*.py")}
    modules = {name.removesuffix(".__init__"): file for name, file in files.items()}
    # a package is there for its modules while it still imports them: only the modules count
    graph = {
        name: {n for n in imports_at_the_top(f) if n in modules and not name.startswith(f"{n}.")} for name, f in modules.items()
    }
    assert sum(map(len, graph.values())) > 500
    list(TopologicalSorter(graph).static_order())  # raises CycleError, which names the circle


MACHINE = r"(?<![\w:/.])/(?:home|root|tmp|work|Users|mnt|opt|usr)/|[A-Z]:\\"  # the beginning of a path of somebody's machine


@pytest.mark.parametrize("source", notebooks.select(), ids=lambda source: source.stem)
def test_an_executed_notebook_is_small_and_of_no_machine(source):
    stored = source.with_suffix(".ipynb")
    assert stored.stat().st_size <= notebooks.STORED_BYTES + 1, "smis notebooks --store makes it so"
    notebook = nbformat.read(stored, as_version=4)
    assert set(notebook.metadata) <= {"kernelspec", "jupytext"}
    for cell in notebook.cells:
        assert set(cell.metadata) <= {"tags"}
        for output in cell.get("outputs", []):
            texts = [output.get("text", ""), *(body for kind, body in output.get("data", {}).items() if kind.startswith("text/"))]
            assert not [text for text in texts if re.search(MACHINE, text)]
