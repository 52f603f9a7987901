"""Widgets without a browser: what a reader does, what is drawn then, and what a page without a kernel shows."""

import importlib
import json
import shutil
import threading

import pytest
import torch

from smislib import presets, runs, ui
from smislib.errors import SmisError
from smislib.recipe import Source
from smislib.studio import Studio
from smislib.ui import live
from smislib.ui.mixer import Mixture
from smislib.ui.monitor import said
from smislib.viz import to_pil

UPPER = 4
morphs = importlib.import_module("smislib.ui.morph")  # `ui.morph` is its function


@pytest.fixture(scope="session")
def networks(tmp_path_factory):
    """`networks("oasis")`: untrained, saved and loaded, so that they have an experiment."""
    made, folder = {}, tmp_path_factory.mktemp("networks")

    def make(model: str, name: str = "mannequins"):
        if (model, name) not in made:
            size = {"data.n_train": "4", "data.n_test": "6"}
            e = presets.experiment(model, name, "smoke", assignments=size)
            runs.save(folder / f"{e.name}.safetensors", runs.build(e), e)
            made[model, name] = runs.load(folder / f"{e.name}.safetensors")
        return made[model, name]

    return make


@pytest.fixture
def studio(home, networks):
    return Studio(networks("groupdnet"))


def shown(panel) -> bytes:
    panel.wait()
    assert "smis-error" not in panel.message.value
    return panel._image.value


# --- what all share ---------------------------------------------------------------------------------------------------


def test_requests_that_come_while_it_draws_count_as_one():
    free, started, drawn, state = threading.Event(), threading.Event(), [], [0]

    def draw():
        seen = state[0]
        started.set()
        free.wait(10)
        drawn.append(seen)

    latest = live.Latest(draw, lambda error: None)
    latest.request()
    assert started.wait(10)
    for i in range(1, 50):
        state[0] = i
        latest.request()
    free.set()
    latest.wait(10)
    assert drawn == [0, 49]


def test_it_rests_only_where_nothing_is_asked_for():
    found = []
    latest = live.Latest(lambda: found.append((latest.newest(), latest.rests(0.05))), lambda error: None)
    latest.request()
    latest.wait(10)
    assert found == [(True, True)]


def test_what_goes_wrong_is_said_and_the_next_is_drawn(studio):
    panel = ui.explorer(studio)
    panel.wait()
    good, panel.recipe = panel.recipe, live.Recipe("other", "0000", "")
    panel.refresh()
    panel.wait()
    assert "smis-error" in panel.message.value
    panel.recipe = good
    panel.refresh()
    assert shown(panel)


PANELS = {
    "explorer": lambda of: ui.explorer(of("groupdnet")),
    "explorer, whole image": lambda of: ui.explorer(of("bicyclegan")),
    "mixer": lambda of: ui.mixer(of("groupdnet")),
    "mixer, whole image": lambda of: ui.mixer(of("spade_vae")),
    "morph": lambda of: ui.morph(of("groupdnet"), classes=["hair"]),
    "morph, drawn": lambda of: ui.morph(of("oasis")),
    "noise": lambda of: ui.noise(of("oasis", "streets")),
    "noise, dropout": lambda of: ui.noise(of("pix2pix", "photos_from_grey")),
    "classes": lambda of: ui.classes(of("biggan", "tokens")),
}


@pytest.mark.parametrize("name", PANELS)
def test_on_paper_it_is_a_picture(home, networks, name):
    panel = PANELS[name](networks)
    panel.wait()
    assert "smis-error" not in panel.message.value
    bundle = panel._repr_mimebundle_()
    assert bundle["image/png"].startswith("iVBOR") and bundle["text/plain"] == panel.summary
    assert "application/vnd.jupyter.widget-view+json" not in bundle


def test_where_it_is_live_it_is_a_widget_too(studio, monkeypatch):
    monkeypatch.setattr(live, "live", lambda: True)
    bundle = ui.explorer(studio)._repr_mimebundle_()
    assert {"image/png", "application/vnd.jupyter.widget-view+json"} <= bundle.keys()


REFUSED = {
    "no encoder": (lambda of: ui.mixer(of("oasis")), "has no encoder.*it is for GroupDNet"),
    "no code to mix": (lambda of: ui.mixer(of("spade")), "has no encoder"),
    "no code to morph": (lambda of: ui.morph(of("spade")), "ui.morph is for models with a code"),
    "no code to explore": (lambda of: ui.explorer(of("spade")), "ui.explorer is for models with a code"),
    "no code to draw": (lambda of: ui.noise(of("spade")), "ui.noise is for models with a code"),
    "label maps": (lambda of: ui.classes(of("groupdnet")), "ui.classes is for class-conditional"),
    "classes": (lambda of: ui.explorer(of("biggan", "tokens")), "ui.classes"),
    "a class": (lambda of: ui.classes(of("biggan", "tokens"), 99), "class 99 is outside"),
    "a name": (lambda of: ui.explorer(of("groupdnet"), active="hiar"), "Did you mean 'hair'"),
    "a source's name": (lambda of: ui.mixer(of("groupdnet"), sources={"hiar": "test/1"}), "Did you mean 'hair'"),
    "a morph's name": (lambda of: ui.morph(of("groupdnet"), classes=["hiar"]), "Did you mean 'hair'"),
    "a picture": (lambda of: ui.morph(of("groupdnet"), a="test/9"), "no picture 'test/9'"),
    "a seed": (lambda of: ui.morph(of("oasis"), a="test/1"), "'seed 0'"),
    "a run": (lambda of: ui.monitor("nothing"), "run store .* is empty"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_it_is_not_for_is_refused(home, networks, name):
    call, message = REFUSED[name]
    with pytest.raises(SmisError, match=message):
        call(networks)


# --- explorer ---------------------------------------------------------------------------------------------------------


def test_a_slider_moves_its_class_alone(studio):
    panel = ui.explorer(studio)
    before, start = shown(panel), panel.recipe
    panel._rows[UPPER].value = 0.5
    assert shown(panel) != before
    assert panel.recipe == start.with_part(UPPER, t=0.5) and panel.active == UPPER
    assert panel._export._recipe == panel.recipe


def test_locked_classes_stay(studio):
    panel = ui.explorer(studio)
    panel._lock(UPPER, True)
    panel._all.value = 1.0
    assert [part.t for part in panel.recipe.parts] == [0.0 if c == UPPER else 1.0 for c in range(8)]
    assert panel._rows[UPPER].value == 0.0
    panel.resample()
    assert panel.recipe.parts[UPPER].b == Source(seed=1) and panel.recipe.parts[0].b == Source(seed=2)
    panel.reset()
    panel.wait()
    assert panel.recipe == studio.recipe("test/0") and not panel.locked


def test_truncation_and_another_map_keep_the_codes(studio):
    panel = ui.explorer(studio)
    panel.set(UPPER, 0.7)
    panel._truncation.value = 1.0
    panel._picture.value = "test/3"
    panel.wait()
    assert panel.recipe.truncation == 1.0 and panel.recipe.parts[UPPER].t == 0.7
    assert torch.equal(studio.label_map(panel.recipe), studio.picture("test/3")["label_map"])
    assert set(panel._rows) == set(studio.picture("test/3")["label_map"].unique().tolist())


# --- mixer ------------------------------------------------------------------------------------------------------------


def test_a_mixture_swaps_base_and_source():
    mixture = Mixture("a", ((1, "b"), (2, "c")))
    assert mixture.swapped("b") == Mixture("b", ((1, "a"), (2, "c")))
    assert mixture.swapped("b").swapped("a") == mixture
    assert mixture.taking(1, "a").sources == ((2, "c"),)


def test_a_class_looks_as_in_its_source(studio):
    panel = ui.mixer(studio, sources={})
    panel.wait()
    assert panel.recipe == studio.recipe("test/0")
    source = panel._rows[UPPER].options[1]
    panel._rows[UPPER].value = source
    panel.wait()
    assert panel.recipe == studio.recipe("test/0").with_part(UPPER, a=Source(picture=source))
    taken = panel._regions(panel.mixture, "test/0").any(0)
    assert torch.equal(taken, studio.picture("test/0")["label_map"] == UPPER)
    assert panel._result.value == live.encoded(live.enlarged(studio.image(panel.recipe), taken))
    assert all(UPPER in panel._shows[name] for name in panel._rows[UPPER].options[1:])
    panel._swap_row(UPPER)
    panel.wait()
    assert panel.mixture == Mixture(source, ((UPPER, "test/0"),)) and panel._picture.value == source
    assert torch.equal(studio.label_map(panel.recipe), studio.picture(source)["label_map"])
    panel.reset()
    assert panel.recipe == studio.recipe(source)


# --- morph ------------------------------------------------------------------------------------------------------------


def test_a_round_shows_no_end_twice():
    assert morphs.order(4, morphs.LOOP) == [0, 1, 2, 3]
    assert morphs.order(4, morphs.BACK) == [0, 1, 2, 3, 2, 1]
    assert morphs.order(2, morphs.BACK) == [0, 1]


def test_a_film_goes_from_one_look_to_the_other(studio, monkeypatch):
    panel = ui.morph(studio, "test/1", "test/2", classes=["hair"], frames=3)
    assert panel._recipe(panel.way, 0.0) == studio.recipe("test/0", Source(picture="test/1"), Source(picture="test/2"))
    panel._play.value = 1
    panel.wait()
    assert [part.t for part in panel.recipe.parts] == [0.5 if c == 1 else 0.0 for c in range(8)]
    film = panel.film()
    assert len(film) == 4 and film[1].tobytes() == film[3].tobytes() != film[0].tobytes()
    monkeypatch.setattr(shutil, "which", lambda name: None)
    panel.export()
    panel._writing.wait(60)
    assert "morph.gif" in panel._files.value and morphs.NO_FFMPEG in panel._files.value
    with pytest.raises(SmisError, match="conda install ffmpeg"):
        morphs.mp4(film)
    with morphs.Image.open(morphs.io.BytesIO(morphs.gif(film))) as written:
        assert written.n_frames == 4 and written.info["loop"] == 0


# --- noise and classes ------------------------------------------------------------------------------------------------


def test_noise_of_an_object_is_a_spot(home, networks):
    panel = ui.noise(networks("oasis", "streets"))
    before, start = shown(panel), panel.recipe
    name = next(name for name in panel.regions if " of " in name)
    panel.resample(name)
    assert shown(panel) != before
    changed = (panel.studio.z(panel.recipe) != panel.studio.z(start)).any(1)[0]
    assert torch.equal(changed, panel.regions[name])
    panel.undo()
    panel.wait()
    assert panel.recipe == start
    panel.resample("sky")
    changed = (panel.studio.z(panel.recipe) != panel.studio.z(start)).any(1)[0]
    assert torch.equal(changed, panel.regions["sky"])


def test_dropout_is_drawn_again(home, networks):
    panel = ui.noise(networks("pix2pix", "photos_from_grey"))
    before = shown(panel)
    panel.resample()
    assert shown(panel) != before and list(panel.regions) == ["whole image"]


def test_classes_are_mixed_softly(home, networks):
    panel = ui.classes(networks("biggan", "tokens"), 2, 5)
    before = shown(panel)
    panel.controls["t"].value = 0.25
    assert shown(panel) != before
    y, z = panel._asked(panel.state)
    assert y[0, 2] == 0.75 and y[0, 5] == 0.25 and y.sum() == 1
    panel.controls["u"].value = 1.0
    panel.controls["truncation"].value = 0.5
    end = panel._asked(panel.state)[1]
    assert end.abs().max() <= 0.5
    panel.change(seed=1, u=0.0)
    assert torch.equal(panel._asked(panel.state)[1], end) and not torch.equal(z, end)


# --- monitor ----------------------------------------------------------------------------------------------------------


def test_progress_in_words():
    history = [{"step": 10 * i, "seconds": 5.0 * i} for i in range(1, 4)]
    assert said([], 100, False) == "no step in the log yet"
    assert said(history, 100, False) == "step 30 of 100, 2.00 steps a second, 00:00:35 left"
    assert said(history, 30, True) == "finished: 30 steps in 00:00:15"
    assert "finished" in said([], 30, True)


def test_a_run_is_followed_from_before_its_start_to_its_end(home, small):
    e = small()
    panel = ui.monitor(e, every=0.02)
    panel.wait()
    assert panel._bar.value == 0 and panel._repr_mimebundle_()["image/png"]
    run = runs.open_run(e)
    run.log.write_text("")
    panel.refresh()
    panel.wait()
    line = {"step": 2, "seconds": 1.0, "lr": 1e-3, "g_gan": 0.5, "d_hinge": -0.1}
    run.log.write_text(json.dumps(line) + "\n" + json.dumps(line | {"step": 3})[:20])
    to_pil(torch.zeros(3, 8, 8)).save(run.folder / "samples" / "step_000002.png")
    panel.refresh()
    panel.wait()
    assert panel._bar.value == 2 and panel._curves.value and panel._samples.value and "smis-error" not in panel.message.value
    assert panel._thread.is_alive()
    run.weights.write_text("")
    panel._thread.join(10)
    panel.wait()
    assert not panel._thread.is_alive() and panel._bar.value == e.train.steps


def test_a_closed_monitor_looks_no_more(home, small):
    panel = ui.monitor(small(), every=0.02)
    panel.close()
    panel._thread.join(10)
    assert not panel._thread.is_alive()
