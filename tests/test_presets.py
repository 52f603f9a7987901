"""The experiments behind the tables: which there are, and on which folders."""

import json

import pytest
import sample_trees
import torch

from smislib import config, data, models, papers, paths, presets, reproduce, runs, schedules
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


def planned(paper: str | None = None) -> set[tuple[str, str, str | None]]:
    return {(e.model, e.data.name, e.data.root) for e in reproduce.plan("smoke", paper=paper)}


def test_without_a_data_root_the_papers_rows_are_as_they_stand(monkeypatch):
    monkeypatch.delenv("DATA_ROOT", raising=False)
    assert presets.left_out() == {}
    for name, module in papers.NAMES.items():
        pairs = getattr(module, "EVERYTHING", module.EXPERIMENTS)
        assert presets.rows(name, everything=True) == [(*pair, None) for pair in pairs]
        hashes = [presets.experiment(*pair, "demo").hash for pair in pairs if "photos" not in pair[1]]
        assert [e.hash for e in reproduce.plan("demo", paper=name) if "photos" not in e.data.name] == hashes


def test_the_papers_move_to_the_folders_of_a_data_root(monkeypatch, tmp_path):
    monkeypatch.setenv("DATA_ROOT", str(tmp_path))
    for name in ("cityscapes", "ade20k"):
        sample_trees.make(name, tmp_path / name)
    for name in ("facades", "maps"):
        sample_trees.make_pairs(tmp_path / name)
    city, ade, facades, maps = (str(tmp_path / name) for name in ("cityscapes", "ade20k", "facades", "maps"))
    wanted = {(model, "cityscapes", city) for model in papers.oasis.ROWS} | {("spade_vae", "cityscapes", city)}
    wanted |= {(row, "ade20k", ade) for row in papers.gaugan.ROWS}
    wanted |= {
        (row, "cityscapes_from_labels", city) for rows in (papers.pix2pix.OBJECTIVES, papers.pix2pix.PATCHES) for row in rows
    }
    wanted |= {(row, "cityscapes_to_labels", city) for row in papers.pix2pix.INVERSE}
    wanted |= {(row, "facades", facades) for row in ("pix2pix_l1", "pix2pix_cgan", "pix2pix")}
    wanted |= {("pix2pix", "maps", maps), ("pix2pix", "maps_to_aerial", maps), ("pix2pix", "photos_from_grey", None)}
    assert wanted <= planned()
    stand_ins = {"mannequins", "streets", "rooms", "streets_from_labels", "streets_to_labels", "cityscapes_pairs"}
    assert not stand_ins & {name for _, name, _ in planned()}
    for e in reproduce.plan("smoke", paper="pix2pix"):
        assert len(data.open_split(e.data, "test")) and schedules_fit(e)


def schedules_fit(e) -> bool:
    return (e.network.height, e.network.width) == (e.data.height, e.data.width)


def test_what_has_no_folder_is_left_out_or_takes_the_next(monkeypatch, tmp_path):
    monkeypatch.setenv("DATA_ROOT", str(tmp_path))
    (tmp_path / "facades").mkdir()
    facades = {name for model, name, _ in planned("pix2pix") if model == "pix2pix_patch16"}
    assert facades == {"facades"} and presets.place(papers.pix2pix.PHOTO_TO_LABELS) is None
    with pytest.raises(SmisError, match=r"has none of the folders cityscapes, ade20k, on one of which the tables of oasis"):
        reproduce.plan("smoke", paper="oasis")
    with pytest.raises(
        SmisError, match=r"PAPER=pix2pix alone can also do with one of the folders facades, maps, cityscapes_pairs"
    ):
        reproduce.plan("smoke")
    (tmp_path / "facades").rmdir()
    (tmp_path / "deepfashion").mkdir()
    assert set(presets.left_out()) == {"pix2pix", "spade", "oasis"}
    assert {name for _, name, _ in planned()} == {"deepfashion", "photos", "tokens"}
    (tmp_path / "ade20k").mkdir()
    assert ("oasis_patch", "ade20k", str(tmp_path / "ade20k")) in planned()
    assert ("oasis", "deepfashion", str(tmp_path / "deepfashion")) in planned()
    (tmp_path / "classes.json").touch()
    assert {name for _, name, _ in presets.rows("pix2pix") + presets.rows("oasis") + presets.rows("spade")} == {
        "custom", "custom_from_labels", "custom_to_labels", "streets_to_night", "photos_from_edges", "photos_from_grey",
    }  # fmt: skip


def test_notebooks_of_papers_without_data_are_not_executed(monkeypatch, tmp_path, capsys):
    (tmp_path / "deepfashion").mkdir()
    monkeypatch.setenv("DATA_ROOT", str(tmp_path))
    executed = []
    for name in ("_open_data", "_train_and_measure", "_summary"):
        monkeypatch.setattr(reproduce, name, lambda *arguments: None)
    monkeypatch.setattr(reproduce.notebooks, "is_current", lambda source, preset: False)
    monkeypatch.setattr(reproduce.notebooks, "execute_all", lambda sources, preset, jobs: executed.extend(sources))
    reproduce.reproduce("smoke")
    assert {"00", "07", "09"} <= {source.stem[:2] for source in executed}
    assert not {"10", "12", "13"} & {source.stem[:2] for source in executed}
    assert "Left out: " in capsys.readouterr().out


@pytest.mark.parametrize("preset", presets.PRESETS)
def test_each_row_of_table_3_differs_from_groupdnet_in_one_value(preset):
    whole = presets.experiment("groupdnet", preset=preset)
    for model in presets.table_3(preset)[:-1]:
        changed = presets.experiment(model, preset=preset)
        fields = [f for f in vars(whole.network) if getattr(whole.network, f) != getattr(changed.network, f)]
        assert len(fields) == 1, (model, fields)
        assert (changed.train, changed.loss, changed.data) == (whole.train, whole.loss, whole.data)


@pytest.mark.parametrize(
    ("half", "message"),
    [
        (models._smis("Mine"), r"'mine' has no schedule: name it in CHANGED or GROUPS of smislib/schedules.py"),
        (models.MODELS["oasis"], "'mine' has no schedule"),
        (models.MODELS["bicyclegan"], r"mine would have a .*oasis.Schedule at smoke, MODELS says .*bicyclegan.Schedule"),
        (models._patch("Mine"), r"mine would have a .*VaeGan at smoke, MODELS says .*PairedGan: give it one in LOSS"),
    ],
    ids=["no groups", "no schedule", "another schedule", "no loss"],
)
def test_a_model_that_is_registered_by_half_is_refused(half, message, monkeypatch):
    monkeypatch.setitem(models.MODELS, "mine", half)
    if "would have" in message:
        monkeypatch.setitem(papers.SCHEDULES, "mine", papers.SCHEDULES["oasis_patch"])
    with pytest.raises(SmisError, match=message):
        presets.experiment("mine", preset="smoke")


def test_a_line_of_groups_is_a_row_of_table_3_whose_classes_stay_apart(monkeypatch):
    monkeypatch.setitem(schedules.GROUPS, "late", lambda C, falling: (C,) * (len(falling) - 1) + (1,))
    monkeypatch.setitem(models.MODELS, "late", models._smis("Late"))
    assert presets.table_3("demo")[-2:] == ("late", "groupdnet")
    for preset in presets.PRESETS:
        s, whole = (presets.experiment(model, preset=preset).network for model in ("late", "groupdnet"))
        assert s.groups == s.affine_groups == s.shared_groups == (8,) * (len(whole.groups) - 1) + (1,)
        assert (s.channels, s.hidden, s.encoder_channels) == (whole.channels, whole.hidden, whole.encoder_channels)


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
