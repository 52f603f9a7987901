"""The interface as its users have it: sliders, strokes and the app on the shipped model, in JupyterLab and Voila."""

import json
import time
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Page

import smislib
from smislib import paths
from smislib.ui.live import SIDE

from . import servers
from .latency import latency
from .pages import artefacts, change, drag, fresh, paint, picture, run_all, screenshot, sticking_out, widget

INTERFACE = Path(__file__).with_name("interface.py")
SHIRT = 4  # upper clothes


@pytest.fixture(scope="module")
def shirt():
    """Where the first test picture has its shirt, in pixels of the browser's picture; and where that is sure not to be."""
    networks = smislib.load("shipped")
    label_map = smislib.batch(networks, "test", 1)["label_map"][0].numpy()
    k = -(-SIDE // len(label_map))
    inside = np.kron(label_map == SHIRT, np.ones((k, k), bool))
    grown = np.array([np.roll(inside, (dy, dx), (0, 1)) for dy in range(-k, k + 1) for dx in range(-k, k + 1)]).any(0)
    return inside, ~grown


@pytest.fixture(scope="module", params=["explorer", "mixer", "painter", "morph"])
def shown(request):
    return request.param


def execute(server: servers.Server, page: Page, shown: str, **arguments) -> None:
    server.open(page, INTERFACE, shown=shown, **arguments)
    run_all(page)


@pytest.fixture(scope="module")
def explorer(lab, browser):
    with fresh(browser) as page:
        execute(lab, page, "explorer")
        yield page


def test_drag_a_slider_and_see_only_the_shirt_change(explorer, shirt, request):
    image = widget(explorer, ".smis-image")
    before = picture(image)
    drag(widget(explorer, "upper clothes"), to=0.9)
    after = picture(image, unlike=before)
    screenshot(explorer, request.node.name)
    moved = np.abs(after.astype(float) - before).mean(-1)
    inside, outside = (moved[region].mean() for region in shirt)
    assert inside > 15
    assert outside < inside / 10


def test_the_picture_follows_the_slider_and_the_last_value_is_shown(explorer, request):
    measured = latency(widget(explorer, "upper clothes"), widget(explorer, ".smis-image"))
    print(f"\n{request.node.name}: {measured}")
    (artefacts() / "latency.json").write_text(json.dumps({"median_ms": measured.median, "p95_ms": measured.p95}))
    assert measured.median < 1000  # the figure is for the reader; a loaded machine is no failure


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_every_widget_fits_a_narrow_window(lab, page, shown, dark, request):
    page.set_viewport_size({"width": 480, "height": 1200})
    execute(lab, page, shown, dark=dark)
    page.wait_for_timeout(500)
    screenshot(page, request.node.name)
    assert sticking_out(page) == []


def test_a_stroke_changes_the_map_and_the_picture(lab, page, request):
    execute(lab, page, "painter")
    canvas, image = widget(page, ".smis-painter-canvas"), widget(page, ".smis-image")
    map_before, before = picture(canvas), picture(image)
    paint(canvas, [(0.1, 0.15), (0.4, 0.15)])
    after = picture(image, unlike=before)
    map_after = picture(canvas, unlike=map_before)
    screenshot(page, request.node.name)
    (H, W), stroke = after.shape[:2], np.zeros(after.shape[:2], bool)
    stroke[int(0.05 * H) : int(0.25 * H), int(0.02 * W) : int(0.48 * W)] = True
    inside, outside = change(before, after, stroke)
    assert inside > 3 * outside
    assert change(map_before, map_after, np.ones(map_after.shape[:2], bool))[0] > 0


def test_the_first_picture_of_the_first_notebook(lab, page, request):
    started = time.monotonic()
    lab.open(page, paths.NOTEBOOKS / "00_start_here.py")
    page.evaluate("() => void jupyterapp.commands.execute('notebook:run-all-cells')")
    page.wait_for_function("() => document.querySelector('.smis-image')?.naturalWidth > 0", timeout=120_000)
    seconds = time.monotonic() - started
    print(f"\n{request.node.name}: {seconds:.1f} s from opening the notebook to the picture of its explorer")
    run_all(page)
    screenshot(page, request.node.name)
    assert seconds < 60  # 10 on free cores
