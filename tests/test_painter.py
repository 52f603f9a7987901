"""The painter: what a brush may and may not do, files from outside, and that an export is the picture, bit for bit."""

import base64
import io
import json
import re
import sys
from datetime import UTC, datetime

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from scipy import ndimage

from smislib import cli, runs, ui, viz
from smislib.data.spec import Classes, colour, instance_edge
from smislib.errors import SmisError
from smislib.studio import Studio
from smislib.ui import upload
from smislib.ui.drawing import Drawing

H, W = 12, 17
CLASSES = Classes(("sky", "road", "car"), ((10, 20, 30), (200, 100, 0), (0, 0, 250)), ignore_index=255, things=(2,))
PLAIN = Classes(CLASSES.names, CLASSES.palette)

cells = st.tuples(st.integers(-4, H + 3), st.integers(-4, W + 3))
within = st.tuples(st.integers(0, H - 1), st.integers(0, W - 1))
strokes = st.tuples(st.integers(0, 2), st.integers(1, 9), st.lists(cells, min_size=1, max_size=5))
maps = st.builds(
    lambda seed: torch.randint(0, 3, (H, W), generator=torch.Generator().manual_seed(seed)), st.integers(0, 2**31)
)  # fmt: skip


def drawing(label_map=None, classes=CLASSES):
    return Drawing({"label_map": torch.zeros(H, W, dtype=torch.long) if label_map is None else label_map}, classes)


def same(a: dict, b: dict) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[key], b[key]) for key in a)


# the brush


@given(maps, st.lists(strokes, min_size=1, max_size=4))
@settings(max_examples=40)
def test_undo_takes_back_and_redo_makes_again(label_map, several):
    d = drawing(label_map)
    states = [d.sample]
    for c, size, path in several:
        d.stroke(c, size, *path)
        states.append(d.sample)
    for state in states[-2::-1]:
        assert d.undo() and same(d.sample, state)
    assert not d.undo()
    for state in states[1:]:
        assert d.redo() and same(d.sample, state)
    assert not d.redo()


@given(maps, within, st.integers(0, 2))
@settings(max_examples=40)
def test_fill_is_the_region_that_is_joined_and_nothing_else(label_map, cell, c):
    d = drawing(label_map, PLAIN)
    before = label_map.clone()
    d.fill(c, cell)
    regions, _ = ndimage.label((before == before[cell]).numpy())
    region = torch.from_numpy(regions == regions[cell])
    assert (d.sample["label_map"][region] == c).all()
    assert torch.equal(d.sample["label_map"][~region], before[~region])
    assert torch.equal(label_map, before)  # the map that was given is never written to
    d.undo()
    assert torch.equal(d.sample["label_map"], before)


@given(within, within, st.sampled_from((1, 3, 5)))
def test_a_stroke_has_no_gap_and_no_more_than_its_width(a, b, size):
    d = drawing()
    d.stroke(1, size, a, b)
    painted = (d.sample["label_map"] == 1).numpy()
    assert painted[a] and painted[b]
    assert ndimage.label(painted, np.ones((3, 3)))[1] == 1
    (ay, ax), (by, bx), length = a, b, max(1e-9, np.hypot(b[0] - a[0], b[1] - a[1]))
    for y, x in zip(*np.nonzero(painted), strict=True):
        t = np.clip(((y - ay) * (by - ay) + (x - ax) * (bx - ax)) / length**2, 0, 1)
        assert np.hypot(y - ay - t * (by - ay), x - ax - t * (bx - ax)) <= size / 2 + 1e-2


@given(strokes)
@settings(max_examples=40)
def test_a_stroke_in_pieces_is_the_stroke(stroke):
    c, size, path = stroke
    whole, pieces = drawing(), drawing()
    whole.stroke(c, size, *path)
    pieces.start(c, size, path[0])
    for cell in path[1:]:
        pieces.to(cell)
        pieces.to(cell)  # a pointer that rests
    pieces.end()
    pieces.to((0, 0))  # a pointer that moves with no button down
    assert same(whole.sample, pieces.sample)
    pieces.undo()
    assert not pieces.sample["label_map"].any()


def test_size_one_paints_the_cell_under_the_pointer():
    d = drawing()
    d.stroke(1, 1, (3, 4))
    assert (d.sample["label_map"] == 1).nonzero().tolist() == [[3, 4]]
    assert d.pick((3, 4)) == 1 and d.pick((0, 0)) == 0


def test_each_stroke_of_a_thing_is_an_object_of_its_own():
    d = drawing()
    d.stroke(2, 3, (5, 3), (5, 8))
    d.stroke(2, 3, (5, 9), (5, 13))
    numbers = d.sample["instance_map"][d.sample["label_map"] == 2].unique().tolist()
    assert numbers == [2000, 2001]
    edge = instance_edge(d.sample["instance_map"][None])[0, 0]
    assert edge[5, 7:11].any()  # where they touch
    d.fill(1, (5, 12))  # one of them, not both
    assert (d.sample["label_map"] == 2).any() and d.sample["instance_map"][d.sample["label_map"] == 1].unique().tolist() == [1]


def test_a_new_change_ends_what_could_be_made_again():
    d = drawing()
    d.stroke(1, 3, (2, 2))
    d.undo()
    d.stroke(2, 3, (6, 6))
    assert not d.redo()


REFUSED = {
    "an unknown class": lambda d: d.start(3, 1, (0, 0)),
    "no width": lambda d: d.start(1, 0, (0, 0)),
    "a fill outside": lambda d: d.fill(1, (H, 0)),
    "a pick outside": lambda d: d.pick((0, -1)),
    "another size": lambda d: d.load({"label_map": torch.zeros(3, 3).long()}),
}


@pytest.mark.parametrize("act", REFUSED.values(), ids=REFUSED)
def test_what_a_drawing_refuses_leaves_it_as_it_was(act):
    d = drawing()
    before = d.sample
    with pytest.raises(SmisError):
        act(d)
    assert d.sample is before and not d.undo()


# files


def png(image: Image.Image, **options) -> bytes:
    file = io.BytesIO()
    image.save(file, options.pop("format", "png"), **options)
    return file.getvalue()


def grey(values: np.ndarray) -> bytes:
    return png(Image.fromarray(values.astype(np.uint8)))


def read(content: bytes, classes=CLASSES):
    return upload.label_map(content, "map.png", classes, (H, W))


@given(maps)
@settings(max_examples=20)
def test_a_saved_label_map_is_read_again(label_map):
    label_map = label_map.clone()
    label_map[0, 0] = 255  # ignored
    assert torch.equal(read(upload.written(label_map, CLASSES))[0], label_map)
    as_colours = png(viz.to_pil(colour(label_map[None], CLASSES)[0]))
    values, said = read(as_colours)
    assert torch.equal(values, label_map) and "by colour" in said
    assert torch.equal(read(grey(label_map.numpy()))[0], label_map)


def test_an_indexed_picture_whose_colours_a_program_reordered_is_read_by_colour():
    label_map = torch.arange(3).repeat_interleave(4)[:, None].expand(H, W).contiguous()
    image = viz.to_pil(colour(label_map[None], CLASSES)[0]).quantize(3)
    assert not np.array_equal(np.array(image), label_map.numpy())
    assert torch.equal(read(png(image))[0], label_map)


def test_a_whole_multiple_is_thinned_and_says_so():
    label_map = torch.randint(0, 3, (H, W), generator=torch.Generator().manual_seed(0))
    for image in (
        Image.fromarray(label_map.numpy().astype(np.uint8)),
        Image.open(io.BytesIO(upload.written(label_map, CLASSES))),
    ):
        values, said = read(png(image.resize((W * 3, H * 3), Image.Resampling.NEAREST)))
        assert torch.equal(values, label_map) and "each 3x3" in said


def bomb() -> bytes:
    return png(Image.new("1", (8_000, 8_000)))


VALUES = np.zeros((H, W))
SPOTTED = np.zeros((H, W, 3), np.uint8) + np.array([10, 20, 30], np.uint8)
SPOTTED[3, 3] = 11, 20, 30
BAD = {
    "a number": (lambda: grey(VALUES + 7), r"no class: 7 \(204 pixels\).*0 sky, 1 road, 2 car"),
    "a colour": (lambda: png(Image.fromarray(SPOTTED)), r"\(11, 20, 30\) at 1 pixels.*\(200, 100, 0\) road"),
    "another size": (lambda: grey(VALUES[:-1]), r"17x11 .*take 17x12.*34x24"),
    "a multiple of one side": (lambda: grey(np.zeros((H * 2, W))), "17x24"),
    "a JPEG": (lambda: png(Image.fromarray(SPOTTED), format="jpeg"), "JPEG"),
    "a text": (lambda: b"hello" * 100, "not a picture"),
    "nothing": (lambda: b"", "not a picture"),
    "cut short": (lambda: grey(np.random.default_rng(0).integers(0, 3, (H, W)))[:70], "cut short|not a picture"),
    "50 MB": (lambda: bytes(50 * 2**20), "50.0 MB"),
    "a bomb": (bomb, "8000x8000.*million pixels"),
    "transparent": (lambda: png(Image.new("RGBA", (W, H), (10, 20, 30, 100))), "transparent"),
}


@pytest.mark.parametrize("kind", BAD)
def test_a_bad_file_is_one_sentence(kind):
    make, message = BAD[kind]
    with pytest.raises(SmisError, match=message):
        read(make())


def test_a_colour_of_two_classes_is_no_class():
    twice = Classes(("a", "b"), ((1, 1, 1), (1, 1, 1)))
    with pytest.raises(SmisError, match="that of a, b"):
        read(png(Image.new("RGB", (W, H), (1, 1, 1))), twice)
    assert read(upload.written(torch.ones(H, W).long(), twice), twice)[0].all()  # numbers tell them apart


def test_a_photo_is_averaged_and_not_cropped():
    image, _ = upload.photo(png(Image.new("RGB", (W * 2, H * 2), (255, 0, 255))), "me.png", (H, W))
    assert image.shape == (3, H, W) and image[:, 4, 4].tolist() == [1, -1, 1]
    for size in ((W * 2, H), (W - 1, H)):
        with pytest.raises(SmisError, match="proportions"):
            upload.photo(png(Image.new("RGB", size)), "me.png", (H, W))


# the widget


@pytest.fixture
def painter(home, small):
    return make(small())


def make(experiment, **options):
    run = runs.open_run(experiment)
    runs.save(run.weights, runs.build(experiment), experiment)
    panel = ui.painter(Studio(runs.load(run.weights)), **options)
    panel.wait()
    return panel


def test_a_page_that_opens_later_is_sent_the_canvas_and_its_name(painter, monkeypatch):
    sent = []
    monkeypatch.setattr(painter._board._canvas_manager, "_send_custom", lambda command, buffers=(): sent.append(command))
    painter._board._handle_custom_msg({"event": "client_ready"}, [])
    assert len(sent) == 2 and painter._board.model_id in str(sent[0])  # which canvas, then its pixels


def event(panel, kind: str, x: float, y: float) -> None:
    """What the page sends."""
    panel._board._handle_custom_msg({"event": kind, "x": x, "y": y}, [])


def test_a_stroke_by_mouse_changes_map_and_picture(painter):
    before, shown = painter.drawing.sample["label_map"], painter._image.value
    event(painter, "mouse_move", 1, 1)  # nothing is down
    assert painter.drawing.sample["label_map"] is before
    painter.choose(4)
    event(painter, "mouse_down", 2.5, 3.5)
    event(painter, "mouse_move", 12.5, 3.5)
    event(painter, "mouse_out", 40, 3.5)  # fast, to the outside
    event(painter, "mouse_move", 2.5, 10.5)  # back with the button down: the stroke has ended
    event(painter, "mouse_up", 2.5, 10.5)
    painter.wait()
    assert (painter.drawing.sample["label_map"][3, 2:] == 4).all()
    assert (painter.drawing.sample["label_map"][10] == before[10]).all()
    assert painter._image.value != shown and "cells painted" in painter._said.value
    painter.undo()
    painter.wait()
    assert torch.equal(painter.drawing.sample["label_map"], before) and painter._image.value == shown


def test_the_canvas_shows_the_label_map(painter, monkeypatch):
    shown = painter._board._colours.copy()

    def put(pixels, x, y):
        shown[y : y + len(pixels), x : x + pixels.shape[1]] = pixels[..., :3]

    monkeypatch.setattr(painter._board, "put_image_data", put)
    painter.choose(4)
    for kind, x, y in (("mouse_down", 3, 4), ("mouse_move", 14, 9), ("mouse_up", 14, 12)):
        event(painter, kind, x, y)
    for act in (painter.undo, painter.redo, lambda: painter.load(painter.studio.picture("test/1"))):
        act()
        label_map = painter.drawing.sample["label_map"]
        assert np.array_equal(shown, np.array(viz.to_pil(colour(label_map[None], painter.studio.classes)[0])))


def test_many_events_make_few_pictures_and_the_last_counts(painter, monkeypatch):
    drawn = []
    monkeypatch.setattr(painter.studio, "image", lambda r, image=painter.studio.image: drawn.append(r) or image(r))
    event(painter, "mouse_down", 1, 1)
    for i in range(200):
        event(painter, "mouse_move", 1 + i % 14, 1 + i % 13)
    event(painter, "mouse_up", 5, 5)
    painter.wait()
    assert drawn[-2] == painter.recipe and len(drawn) < 2 * 200


def test_pick_fill_and_the_palette(painter):
    label_map = painter.drawing.sample["label_map"]
    y, x = (label_map == painter.brush).nonzero()[0].tolist()
    painter._palette.children[0].click()
    assert painter.brush == 0
    painter._tool.value = "pick"
    event(painter, "mouse_down", x + 0.5, y + 0.5)
    assert painter.brush == label_map[y, x] and painter._tool.value == "brush"
    painter._tool.value = "fill"
    event(painter, "mouse_down", 0.5, 0.5)
    event(painter, "mouse_down", -1, 0.5)  # outside
    assert painter.drawing.sample["label_map"][0, 0] == label_map[y, x]


def test_looks(painter):
    own = painter.recipe
    assert all(part.a.picture == "test/0" or part.a.seed == 1 for part in own.parts)
    painter.resample()
    assert {part.a.seed for part in painter.recipe.parts} == {2} and painter._style.value == "drawn"
    painter.resample(3)
    assert [part.a.seed for part in painter.recipe.parts].count(3) == 1
    painter._style.value = "test/1"
    shown = painter.studio.picture("test/1")["label_map"].unique().tolist()
    assert all((part.a.picture == "test/1") == (c in shown) for c, part in enumerate(painter.recipe.parts))
    painter.wait()
    assert "seed 3" in painter._said.value or len(shown) == len(painter.recipe.parts)


def test_a_photo_with_its_label_map_becomes_the_look_and_goes_into_the_export(painter, tmp_path, monkeypatch, capsys):
    sample = painter.studio.picture("test/2")
    painter.take_upload("photo", "me.png", png(viz.to_pil(sample["image"])))
    assert "now its label map" in painter.message.value
    painter.take_upload("photo labels", "me-labels.png", upload.written(sample["label_map"], painter.studio.classes))
    assert painter._style.value == "upload/0"
    painter.drawing.stroke(4, 5, (3, 3), (9, 12))
    exported(painter, tmp_path, monkeypatch)


def exported(painter, tmp_path, monkeypatch) -> None:
    """What the links hold is one picture: its pixels, and the recipe that `smis render` makes them of again."""
    painter.refresh()
    painter.wait()
    painter._export.write()
    picture, text = (base64.b64decode(body) for body in re.findall(r"base64,([^\"]+)", painter._export._links.value))
    (tmp_path / "recipe.json").write_bytes(text)
    monkeypatch.setattr(sys, "argv", ["smis", "render", str(tmp_path / "recipe.json"), "--out", str(tmp_path / "again.png")])
    with pytest.raises(SystemExit) as end:
        cli.main()
    assert end.value.code == 0 and (tmp_path / "again.png").read_bytes() == picture


@pytest.mark.parametrize("model", ["groupdnet", "oasis", "spade_vae", "pix2pixhd"])
def test_the_command_line_draws_an_export_bit_for_bit(home, small, tmp_path, monkeypatch, model):
    painter = make(small(model))
    painter.choose(4)
    for x, kind in enumerate(("mouse_down", "mouse_move", "mouse_up")):
        event(painter, kind, 3 + 4 * x, 5)
    painter.resample()
    assert not painter.message.value
    exported(painter, tmp_path, monkeypatch)


def test_render_of_what_is_no_recipe_is_one_line(home, tmp_path, monkeypatch, capsys):
    (tmp_path / "no.json").write_text(json.dumps({"parts": []}))
    monkeypatch.setattr(sys, "argv", ["smis", "render", str(tmp_path / "no.json")])
    with pytest.raises(SystemExit) as end:
        cli.main()
    assert end.value.code == cli.BAD_INPUT and "not a recipe" in capsys.readouterr().err


def test_a_bad_upload_says_so_in_the_page_and_changes_nothing(painter):
    before = painter.drawing.sample
    field = next(widget for widget in walk(painter) if "smis-painter-upload-label-map" in widget._dom_classes)
    for content in (b"no picture", bytes(50 * 2**20)):
        field.value = ({"name": "<b>x</b>.png", "type": "", "size": 3, "content": content, "last_modified": datetime.now(UTC)},)
        assert "smis-error" in painter.message.value and "<b>" not in painter.message.value and not field.value
    assert painter.drawing.sample is before
    event(painter, "mouse_down", 3, 3)
    assert painter.message.value == "" and painter.drawing.sample is not before


def walk(widget):
    yield widget
    for child in getattr(widget, "children", ()):
        yield from walk(child)


def test_codes_of_an_explorer(home, small):
    first = make(small())
    explorer = ui.explorer(first.studio)
    painter = ui.painter(first.studio, recipe=lambda: explorer.recipe)
    explorer.set(2, 0.5)
    painter.take_codes()
    assert painter.recipe.parts == explorer.recipe.parts
    explorer.wait()
    painter.wait()


def test_streets_have_instances(home):
    from smislib import presets

    sizes = {"data.n_train": "4", "data.n_test": "3"}
    painter = make(presets.experiment("groupdnet", "streets", "smoke", assignments=sizes))
    thing = painter.studio.classes.things[0]
    painter.choose(thing)
    event(painter, "mouse_down", 6, 6)
    event(painter, "mouse_up", 9, 6)
    painter.wait()
    assert not painter.message.value
    new = painter.drawing.sample["instance_map"][6, 6].item()
    assert new >= 1000 * thing and new not in painter._loaded["instance_map"]
    painter.take_upload("label map", "map.png", upload.written(painter.drawing.sample["label_map"], painter.studio.classes))
    painter.wait()
    assert "smis-error" not in painter.message.value


def test_on_paper_it_is_a_strip(painter):
    before = painter.drawing.sample
    bundle = painter._repr_mimebundle_()
    assert bundle["image/png"] and "application/vnd.jupyter.widget-view+json" not in bundle
    assert painter.drawing.sample is before


def test_the_app_is_a_notebook_that_runs(home, small, monkeypatch):
    import nbclient
    import nbformat

    from smislib import app

    painter = make(small())
    path = app.notebook(painter.studio.networks.experiment.name)
    notebook = nbformat.read(path, 4)
    nbclient.NotebookClient(
        notebook, timeout=600, startup_timeout=600, resources={"metadata": {"path": str(path.parent)}}
    ).execute()
    made = notebook.cells[-1].outputs[-1]["data"]
    assert "application/vnd.jupyter.widget-view+json" in made


def test_the_app_refuses_a_port_that_is_taken(home):
    import socket

    from smislib import app

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(SmisError, match=f"{port} of 127.0.0.1 is taken"):
            app.serve(port=port)
