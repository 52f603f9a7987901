"""The harness on plain widgets: it sees what happens, and it sees what goes wrong."""

from pathlib import Path

import numpy as np
import psutil
import pytest
from playwright.sync_api import Page

from . import servers
from .latency import latency
from .pages import change, drag, fresh, paint, picture, run_all, screenshot, sticking_out, widget

PLAIN = Path(__file__).with_name("plain.py")


def execute(server: servers.Server, page: Page, **arguments) -> None:
    """Open the plain notebook and run all its cells, in JupyterLab or in Voila."""
    server.open(page, PLAIN, **arguments)
    if isinstance(server, servers.Lab):
        run_all(page)


@pytest.fixture(scope="module", params=["lab", "voila"])
def server(request):
    return request.getfixturevalue(request.param)


@pytest.fixture(scope="module")
def plain(server, browser):
    """The plain notebook, executed; tests share the page."""
    with fresh(browser) as page:
        execute(server, page)
        yield page


def test_a_slider_repaints_inside_and_not_outside(plain, request):
    square = np.zeros((64, 64), bool)
    square[16:48, 16:48] = True
    before = picture(widget(plain, ".plain-picture"))
    assert drag(widget(plain, "hue"), to=0.5) == "50"
    after = picture(widget(plain, ".plain-picture"), unlike=before)
    screenshot(plain, f"{request.node.name}")
    inside, outside = change(before, after, square)
    assert inside > 50
    assert outside == 0
    assert tuple(after[32, 32]) == (100, 155, 40)


def test_a_stroke_is_painted_where_the_mouse_went(plain, request):
    canvas = widget(plain, ".plain-canvas")
    before = picture(canvas)
    paint(canvas, [(0.2, 0.5), (0.8, 0.5)])
    after = picture(canvas, unlike=before)
    screenshot(canvas, f"{request.node.name}")
    stroke = np.zeros(after.shape[:2], bool)
    stroke[65:85, 30:170] = True
    inside, outside = change(before, after, stroke)
    assert inside > 50
    assert outside == 0
    assert tuple(after[75, 100]) == (255, 0, 0)


def test_the_picture_follows_the_slider(plain, request):
    measured = latency(widget(plain, "hue"), widget(plain, ".plain-picture"))
    print(f"\n{request.node.name}: {measured}")
    assert 1 < measured.median < 1000  # a loaded machine is no failure


def test_a_lost_event_is_noticed(plain):
    slider, shown = widget(plain, "lossy"), widget(plain, ".plain-picture")
    with pytest.raises(AssertionError, match=r"not that of the last value, (69|70)"):
        latency(slider, shown, between=(0.1, 0.7), steps=6, seconds=4)
    with pytest.raises(AssertionError, match=r"did not follow the slider to (79|80)"):
        latency(slider, shown, between=(0.4, 0.8), steps=2, seconds=4)


def test_dark_and_narrow(server, page, request):
    execute(server, page, dark=True)
    page.set_viewport_size({"width": 480, "height": 900})
    screenshot(page, request.node.name)
    assert page.evaluate("getComputedStyle(document.body).getPropertyValue('--jp-layout-color0').trim()") == "#111"
    assert sticking_out(page) == []


def test_a_cell_that_raises_is_reported(server, page):
    with pytest.raises(AssertionError, match="ValueError: asked to fail"):
        execute(server, page, fail=True)


def test_nothing_runs_on(tmp_path):
    before = set(psutil.Process().children(recursive=True))
    with servers.lab(tmp_path) as lab:
        lab.get("api/kernels", "POST")
        started = set(psutil.Process().children(recursive=True)) - before
        assert len(started) >= 2, "JupyterLab and its kernel"
    assert [process for process in started if process.is_running()] == []
