"""What a user does on a page: run all cells, find a widget, drag a slider, paint a stroke, look at the picture."""

import base64
import io
import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image
from playwright.sync_api import Browser, Error, Locator, Page

from smislib import paths

WINDOW = {"width": 1200, "height": 900}
kept: list[Path] = []  # every screenshot of this run

PIXELS = """async element => {
  if (element.decode) await element.decode();
  const [width, height] = [element.naturalWidth ?? element.width, element.naturalHeight ?? element.height];
  const canvas = new OffscreenCanvas(width, height);
  canvas.getContext("2d").drawImage(element, 0, 0);
  const reader = new FileReader();
  reader.readAsDataURL(await canvas.convertToBlob());
  await new Promise(done => (reader.onload = done));
  return reader.result.split(",")[1];
}"""
RUN = """() => {
  window.smisRun = "runs";
  jupyterapp.commands.execute("notebook:run-all-cells").then(() => (window.smisRun = "done"));
}"""
IDLE = """() => {
  const panel = jupyterapp.shell.currentWidget;
  const waits = [...panel.node.querySelectorAll(".jp-InputPrompt")].some(prompt => prompt.textContent.includes("[*]"));
  return window.smisRun == "done" && !waits && panel.sessionContext.session?.kernel?.status == "idle";
}"""
STARTED = "() => window.jupyterapp?.shell.currentWidget?.sessionContext?.session?.kernel?.status == 'idle'"
CELLS = "() => jupyterapp.shell.currentWidget.content.model.toJSON().cells"
LOADED = "() => ![...document.querySelectorAll('.jp-OutputArea-output')].some(o => o.textContent == 'Loading widget...')"
OUTSIDE = """() => [...document.querySelectorAll(".jupyter-widgets")].filter(widget => {
  const box = widget.getBoundingClientRect();
  return box.width && (box.left < 0 || box.right > innerWidth + 1);
}).map(widget => widget.className)"""


@contextmanager
def fresh(browser: Browser) -> Iterator[Page]:
    """An empty page without cookies. Raises AssertionError if JavaScript threw something that nobody caught."""
    context = browser.new_context(viewport=WINDOW)
    page, thrown = context.new_page(), []
    page.on("pageerror", lambda error: thrown.append(error.stack or error.message))
    yield page
    context.close()
    assert not thrown, "uncaught in the page:\n" + "\n".join(thrown)


def wait_for_kernel(page: Page, seconds: float = 60) -> None:
    """Until JupyterLab shows a notebook whose kernel is idle."""
    page.wait_for_function(STARTED, timeout=1000 * seconds)


def wait_for_widgets(page: Page, seconds: float = 30) -> None:
    """Until every widget of the page is drawn."""
    page.locator(".jupyter-widgets").first.wait_for(timeout=1000 * seconds)
    page.wait_for_function(LOADED, timeout=1000 * seconds)


def run_all(page: Page, seconds: float = 120) -> None:
    """Run > Run All Cells in JupyterLab, until the kernel is idle and no cell is [*].

    Raises AssertionError with the source and traceback of a cell that raised, and where a widget cannot be displayed.
    """
    page.evaluate(RUN)
    page.wait_for_function(IDLE, timeout=1000 * seconds)
    for number, cell in enumerate(page.evaluate(CELLS), 1):
        for output in cell.get("outputs", []):
            if output["output_type"] == "error":
                traceback = re.sub(r"\x1b\[[0-9;]*m", "", "\n".join(output["traceback"]))
                raise AssertionError(f"cell {number} raised:\n{''.join(cell['source'])}\n\n{traceback}")
    page.wait_for_function(LOADED, timeout=30_000)
    check_outputs(page)


def check_outputs(page: Page) -> None:
    """Raises AssertionError where the page shows a traceback or a widget that cannot be displayed."""
    traceback = page.locator(".jp-OutputArea-output", has_text="Traceback (most recent call last)")
    for shown in (
        traceback.or_(page.locator(".jupyter-widgets-error-widget")).or_(page.get_by_text("Error displaying widget")).all()
    ):
        raise AssertionError(shown.text_content())


def widget(page: Page, name: str) -> Locator:
    """A widget by its description ("hue"), or by a CSS selector (".smis-explorer")."""
    if name.startswith("."):
        return page.locator(name)
    label = page.locator("> .widget-label", has_text=re.compile(f"^{re.escape(name)}$"))
    return page.locator(".jupyter-widgets", has=label)


def track(slider: Locator) -> tuple[float, float, float]:
    """Left end, width and height on the page of the line on which a slider's handle runs."""
    slider.scroll_into_view_if_needed()
    box = slider.locator(".noUi-base").bounding_box()
    return box["x"], box["width"], box["y"] + box["height"] / 2


def take_handle(slider: Locator) -> None:
    """Press the mouse on the handle and keep it pressed."""
    track(slider)
    box = slider.locator(".noUi-handle").bounding_box()
    slider.page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    slider.page.mouse.down()


def drag(slider: Locator, to: float, steps: int = 10) -> str:
    """Drag the handle with the mouse to a fraction of its track; returns what the readout says."""
    left, width, y = track(slider)
    take_handle(slider)
    slider.page.mouse.move(left + to * width, y, steps=steps)
    slider.page.mouse.up()
    return slider.locator(".widget-readout").text_content()


def paint(canvas: Locator, points: list[tuple[float, float]], steps: int = 8) -> None:
    """Paint one stroke through points (x, y) that are fractions of the canvas."""
    canvas.scroll_into_view_if_needed()
    box, mouse = canvas.bounding_box(), canvas.page.mouse
    (x, y), *others = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in points]
    mouse.move(x, y)
    mouse.down()
    for x, y in others:
        mouse.move(x, y, steps=steps)
    mouse.up()


def pixels(element: Locator) -> np.ndarray:
    """What an <img> or <canvas> shows, in its own resolution: uint8 (H, W, 3). Transparent is black."""
    png = Image.open(io.BytesIO(base64.b64decode(element.evaluate(PIXELS))))
    rgba = np.asarray(png.convert("RGBA"))
    return np.where(rgba[..., 3:] > 0, rgba[..., :3], 0)


def picture(element: Locator, unlike: np.ndarray | None = None, quiet: float = 0.3, seconds: float = 15) -> np.ndarray:
    """`pixels`, once they differ from `unlike` and have not changed for `quiet` seconds.

    Raises AssertionError if that does not happen in time.
    """
    end, last, since, fresh = time.monotonic() + seconds, None, 0.0, False
    while time.monotonic() < end:
        try:
            now = pixels(element)
        except Error as error:
            if "cannot be decoded" not in error.message:
                raise
            element.page.wait_for_timeout(50)  # nothing drawn yet, or just being replaced
            continue
        if last is None or not np.array_equal(now, last):
            last, since = now, time.monotonic()
        fresh = unlike is None or not np.array_equal(now, unlike)
        if fresh and time.monotonic() - since >= quiet:
            return now
        element.page.wait_for_timeout(50)
    raise AssertionError(f"the picture {'never came to rest' if fresh else 'did not change'} within {seconds} s")


def change(before: np.ndarray, after: np.ndarray, inside: np.ndarray) -> tuple[float, float]:
    """Mean absolute change of a pixel (0..255) inside a bool mask (H, W) and outside."""
    moved = np.abs(after.astype(float) - before).mean(-1)
    return moved[inside].mean(), moved[~inside].mean()


def sticking_out(page: Page) -> list[str]:
    """CSS classes of the widgets that reach over the left or right edge of the window."""
    return page.evaluate(OUTSIDE)


def screenshot(shown: Page | Locator, name: str) -> Path:
    """Keep `name`.png in `artefacts()`."""
    path = artefacts() / f"{re.sub(r'[^A-Za-z0-9_-]+', '_', name)}.png"
    page, box = (shown.page, shown.bounding_box()) if isinstance(shown, Locator) else (shown, None)
    window = page.viewport_size
    if box:  # what scrolls inside the page is cut off where the window ends
        page.set_viewport_size({"width": window["width"], "height": max(window["height"], int(box["height"]) + 300)})
        shown.scroll_into_view_if_needed()
    shown.screenshot(path=path, animations="disabled")
    page.set_viewport_size(window)
    kept.append(path)
    return path


def artefacts() -> Path:
    """The folder of screenshots: SMIS_ARTEFACTS, or runs/screenshots."""
    folder = Path(os.environ.get("SMIS_ARTEFACTS", paths.runs() / "screenshots"))
    folder.mkdir(parents=True, exist_ok=True)
    return folder
