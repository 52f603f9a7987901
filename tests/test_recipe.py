"""A picture as a value: what is written is read, gives the same pixels, and is refused where it does not belong."""

import json
from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from smislib import presets, preview, runs, viz
from smislib.errors import SmisError
from smislib.recipe import Part, Recipe, Source, Spot, pack, read, unpack
from smislib.sample import class_slice
from smislib.studio import Overtaken, Studio, render

UPPER = 4  # any class
N = {"data.n_train": "4", "data.n_test": "6"}


def loaded(folder, model: str = "groupdnet", seed: int = 0, name: str = "mannequins"):
    """Untrained networks, saved and loaded: they have an experiment."""
    e = presets.experiment(model, name, "smoke", seed, assignments=N)
    path = folder / f"{e.name}.safetensors"
    runs.save(path, runs.build(e), e)
    return runs.load(path)


@pytest.fixture
def studio(home):
    return Studio(loaded(home))


def looks(model_studio: Studio) -> Recipe:
    """A recipe in which each class has a look of its own, half way from one picture to a drawn code."""
    r = model_studio.recipe("test/1")
    for c in range(model_studio.n_parts):
        r = r.with_part(c, a=Source(picture=f"test/{c % 3}") if model_studio.encodes else Source(seed=c), t=0.25)
    return r


@given(st.lists(st.lists(st.integers(-1, 65_534), min_size=3, max_size=3), min_size=1, max_size=5))
def test_packed_integers_come_back(rows):
    values = torch.tensor(rows)
    assert torch.equal(unpack(pack(values)), values)


def test_a_file_is_the_recipe_and_gives_the_same_pixels(studio, home, tmp_path):
    r = looks(studio)
    r.save(tmp_path / "r.json")
    assert read(tmp_path / "r.json") == r
    again = Studio(loaded(home))
    assert torch.equal(again.image(read(tmp_path / "r.json")), studio.image(r))
    weights = home / f"{studio.networks.experiment.name}.safetensors"
    made = viz.to_pil(studio.image(r))
    assert render(tmp_path / "r.json", str(weights)).tobytes() == made.tobytes()


def test_a_file_carries_pictures_from_outside(studio, home, tmp_path):
    sample = studio.picture("test/2")
    image = (sample["image"] * 127.5).round() / 127.5  # what a PNG holds
    studio.add("mine", image, sample["label_map"])
    r = studio.recipe("mine")
    studio.complete(r).save(tmp_path / "r.json")
    again = Studio(loaded(home))
    torch.testing.assert_close(again.image(read(tmp_path / "r.json")), studio.image(r), atol=0.02, rtol=0)
    assert again.names()[-1] == "mine"
    with pytest.raises(SmisError, match="no picture 'mine'"):
        Studio(loaded(home)).image(r)  # not completed


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"parts": [{"a": 1}]}', '{"parts": [], "pictures": 3}'])
def test_a_damaged_file_is_refused(tmp_path, text):
    (tmp_path / "r.json").write_text(text)
    with pytest.raises(SmisError, match="not a recipe of this version"):
        read(tmp_path / "r.json")
    with pytest.raises(SmisError, match="not a recipe"):
        read(tmp_path / "nothing.json")


def test_a_file_with_an_unknown_key_is_refused(studio, tmp_path):
    body = json.loads(looks(studio).text) | {"colour": 1}
    (tmp_path / "r.json").write_text(json.dumps(body))
    with pytest.raises(SmisError, match="colour"):
        read(tmp_path / "r.json")


def test_other_weights_and_other_models_are_refused(studio, home):
    other = Studio(loaded(home, seed=1))
    with pytest.raises(SmisError, match=f"of networks {studio.weights}, these are {other.weights}"):
        other.image(studio.recipe())
    with pytest.raises(SmisError, match="1 parts, this model 8"):
        studio.z(Recipe("m", studio.weights, studio.recipe().label_map, (Part(Source(seed=0), Source(seed=1)),)))


def test_pictures_from_outside_are_checked(studio):
    sample = studio.picture("test/0")
    with pytest.raises(SmisError, match=r"image \(3, 16, 32\)"):
        studio.add("flat", sample["image"][:, :16], sample["label_map"])
    with pytest.raises(SmisError, match=r"label value 99 in 'odd'"):
        studio.add("odd", sample["image"], sample["label_map"].clone().fill_(99))
    assert studio.names()[-1] == "test/5"


def test_a_picture_added_again_is_the_new_one(studio):
    a, b = studio.picture("test/0"), studio.picture("test/1")
    studio.add("mine", a["image"], a["label_map"])
    before = studio.z(studio.recipe("test/2", a=Source(picture="mine")))
    studio.add("mine", b["image"], b["label_map"])
    assert not torch.equal(studio.z(studio.recipe("test/2", a=Source(picture="mine"))), before)


@pytest.mark.parametrize("name", ["test/6", "train/0", "test/", "else"])
def test_a_picture_that_there_is_not(studio, name):
    with pytest.raises(SmisError, match="known are test/0 to test/5"):
        studio.picture(name)


def test_each_class_has_the_code_of_its_part(studio):
    r, z = looks(studio), studio.z(looks(studio))
    moved = studio.z(r.with_part(UPPER, t=1.0))
    for c in range(studio.n_parts):
        own = class_slice(studio.networks, c)
        assert torch.equal(moved[:, own], z[:, own]) == (c != UPPER)
    far = studio.z(studio.recipe("test/1", b=Source(seed=5)).with_part(UPPER, t=1.0))
    own = class_slice(studio.networks, UPPER)
    assert torch.equal(far[:, own], studio._code(Source(seed=5), None, None)[:, own])


def test_truncated_codes_stay_in_range(studio):
    r = studio.recipe(a=Source(seed=0))
    assert studio.z(r).abs().max() > 0.5
    assert studio.z(replace(r, truncation=0.5)).abs().max() <= 0.5


def test_noise_maps_differ_by_class_and_by_spot(home):
    studio = Studio(loaded(home, "oasis"))
    r = studio.recipe("test/0")
    z, label_map = studio.z(r)[0], studio.label_map(r)
    present = label_map.unique().tolist()
    vectors = [z[:, label_map == c] for c in present]
    assert all((v == v[:, :1]).all() for v in vectors)
    assert len({tuple(v[:, 0].tolist()) for v in vectors}) == len(present)
    region = torch.zeros_like(label_map)
    region[:8, :8] = 1
    spotted = replace(r, spots=(Spot(pack(region), 7),))
    changed = (studio.z(spotted)[0] != z).any(0)
    assert torch.equal(changed, region > 0)
    assert not torch.equal(studio.image(spotted), studio.image(r))


def test_a_picture_may_be_made_from_a_picture(home, tmp_path):
    studio = Studio(loaded(home, "pix2pix", name="photos_from_grey"))
    r = studio.recipe("test/0")
    r.save(tmp_path / "r.json")
    assert read(tmp_path / "r.json") == r and studio.n_parts == 1
    torch.testing.assert_close(studio.labels(r)[0], studio.picture("test/0")["input"], atol=0.0041, rtol=0)
    assert not torch.equal(studio.image(r), studio.image(r.with_part(0, t=1.0)))
    with pytest.raises(SmisError, match="there is no label map"):
        studio.label_map(r)


def test_a_preview_is_near_and_never_what_is_exported(studio, monkeypatch):
    assert not studio._previews  # its pictures are small
    monkeypatch.setattr(preview, "LARGE", 0)
    studio = Studio(studio.networks)
    r = looks(studio)
    rough = studio.preview(r)
    assert rough.shape == (3, 32, 32) and studio._previews
    full = studio.image(r)
    assert not torch.equal(rough, full) and torch.equal(studio.preview(r), full)  # what is there is shown
    other = studio.with_labels(r, studio.picture("test/3"))
    fresh = Studio(studio.networks)
    assert torch.equal(studio.preview(other), fresh.preview(other))  # nothing is kept of another label map


def test_a_picture_that_is_not_wanted_is_given_up(studio):
    r, asked = looks(studio), []
    with pytest.raises(Overtaken):
        studio.image(r, lambda: len(asked) > 3 or asked.append(1) or len(asked) < 3)
    assert len(asked) == 3 and r not in studio._made
    assert torch.equal(studio.image(r), Studio(studio.networks).image(r))


def test_images_of_classes_are_for_another_widget(home):
    with pytest.raises(SmisError, match=r"ui\.classes"):
        Studio(loaded(home, "biggan", name="tokens"))
