"""The experiments behind the tables: which there are, and on which folders."""

import json

import pytest
import torch

from smislib import config, papers, paths, presets, reproduce, runs
from smislib import publish as publishing
from smislib.errors import SmisError
from smislib.evaluate import files
from smislib.sample import draw, generator


def test_every_row_of_tables_1_to_3_is_planned_once(monkeypatch):
    monkeypatch.delenv("DATA_ROOT", raising=False)
    planned = [(e.data.name, e.model) for e in reproduce.plan("smoke")]
    assert len(set(planned)) == len(planned)
    wanted = {("mannequins", model) for model in (*presets.TABLE_1, *presets.table_3("smoke"))}
    wanted |= {(name, model) for name in ("mannequins", "streets", "rooms") for model in presets.TABLE_2}
    wanted |= {(name, model) for model, name in papers.EXPERIMENTS}
    assert set(planned) == wanted | {("photos", "groupdnet")}


def test_two_seeds_double_the_tables():
    seeds = [e.seed for e in reproduce.plan("smoke", 2)]
    assert seeds.count(1) == seeds.count(0) - 1  # the photographs are trained once


def test_a_data_root_brings_the_folders_that_are_there(monkeypatch, tmp_path):
    monkeypatch.setenv("DATA_ROOT", str(tmp_path))
    with pytest.raises(SmisError, match=r"neither classes.json.*deepfashion, cityscapes, ade20k"):
        presets.tables_data()
    (tmp_path / "ade20k").mkdir()
    (tmp_path / "deepfashion").mkdir()
    assert presets.tables_data() == {name: str(tmp_path / name) for name in ("deepfashion", "ade20k")}
    assert presets.main_data() == ("deepfashion", str(tmp_path / "deepfashion"))
    (tmp_path / "classes.json").touch()
    assert presets.tables_data() == {"custom": str(tmp_path)}


@pytest.mark.parametrize("preset", presets.PRESETS)
def test_each_row_of_table_3_differs_from_groupdnet_in_one_value(preset):
    whole = presets.experiment("groupdnet", preset=preset)
    for model in presets.table_3(preset)[:-1]:
        changed = presets.experiment(model, preset=preset)
        fields = [f for f in vars(whole.network) if getattr(whole.network, f) != getattr(changed.network, f)]
        assert len(fields) == 1, (model, fields)
        assert (changed.train, changed.loss, changed.data) == (whole.train, whole.loss, whole.data)


def test_without_split_input_every_group_sees_the_whole_image_and_nothing_else():
    networks = presets.build("groupdnet_whole", preset="smoke").eval()
    s, rng = networks.schedule, generator(1)
    labels = torch.nn.functional.one_hot(torch.randint(s.C, (2, s.height, s.width), generator=rng), s.C).movedim(-1, 1).float()
    image = torch.rand(2, 3, s.height, s.width, generator=rng, requires_grad=True)
    mu = networks.E(image, labels)[0]
    assert mu.shape == (2, *s.z_shape)
    mu[0, : s.z_channels].sum().backward()  # the code of class 0 ...
    outside = labels[0, 0] == 0
    assert (image.grad[0][:, outside] != 0).any()  # ... depends on pixels of other classes
    assert not image.grad[1].any()


@pytest.mark.parametrize("model", ["groupdnet", "mulnet", "vspade", "spade_vae", "bicyclegan"])
def test_one_label_map_serves_many_codes(model):
    networks = presets.build(model, preset="smoke").eval()
    s, rng = networks.schedule, generator(2)
    labels = torch.nn.functional.one_hot(torch.randint(s.C, (1, s.height, s.width), generator=rng), s.C).movedim(-1, 1).float()
    z = draw(networks, 3, rng)
    with torch.no_grad():
        torch.testing.assert_close(networks.G(labels, z), networks.G(labels.expand(3, -1, -1, -1), z), atol=1e-5, rtol=1e-4)


def test_streets_and_rooms_are_measured_without_class_control():
    for name, measured in {"mannequins": True, "streets": False, "rooms": False}.items():
        groups = files(runs.run_of(presets.experiment("groupdnet", name, "demo")))
        assert ("diversity" in groups) == measured


def test_the_plan_of_one_paper_is_its_own_experiments_and_all_that_its_tables_have():
    whole = set(reproduce.plan("smoke"))
    for name, module in papers.NAMES.items():
        pairs = {(e.model, e.data.name) for e in reproduce.plan("smoke", paper=name)}
        assert pairs == set(getattr(module, "EVERYTHING", module.EXPERIMENTS))
        assert reproduce.NOTEBOOKS[name]
    smis = reproduce.plan("smoke", paper="smis")
    assert set(smis) == {e for e in whole if (e.model, e.data.name) not in set(papers.EXPERIMENTS)}
    assert len(reproduce.plan("smoke", 2, "s3gan")) == 2 * len(reproduce.plan("smoke", paper="s3gan"))
    with pytest.raises(SmisError, match="Did you mean 's3gan'"):
        reproduce.reproduce("smoke", paper="s3gann")


def test_publishing_keeps_committed_records_that_the_store_does_not_have(home, tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "COMMITTED_RECORDS", tmp_path / "committed")
    monkeypatch.setattr(publishing, "README", tmp_path / "README.md")
    monkeypatch.setattr(publishing.notebooks, "select", lambda names: [])
    (tmp_path / "README.md").write_text("<!-- table 1 -->\n<!-- /table 1 -->\n")
    here, away, stale = (presets.experiment(m, preset="smoke", assignments=a) for m, a in
                         (("vspade", {}), ("groupenc", {}), ("groupdec", {"train.steps": "7"})))  # fmt: skip
    for e in (away, stale):
        folder = tmp_path / "committed" / e.name
        folder.mkdir(parents=True)
        (folder / "config.txt").write_text(json.dumps(config.to_dict(e)))
    for e in (here, stale):
        run = runs.open_run(e)
        run.weights.write_bytes(b"finished")
        (run.records / "quality-1.json").write_text("[]")
    publishing.publish("smoke")
    assert {p.name for p in (tmp_path / "committed").iterdir()} == {here.name, away.name}
    assert (tmp_path / "committed" / here.name / "quality-1.json").exists()
