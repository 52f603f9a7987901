"""What a label map is painted on: a canvas whose pixels are its cells, and the classes to choose from."""

from collections.abc import Callable

import ipywidgets as w
import numpy as np
import torch
from ipycanvas import Canvas
from torch import Tensor

from .. import viz
from ..data.spec import Classes, colour
from . import live
from .drawing import Cell

CSS = f"""<style>
.smis-painter-canvas {{ image-rendering: pixelated; cursor: crosshair; touch-action: none; max-width: 100%; margin: 2px;
  outline: none; box-sizing: border-box; }}
.smis-painter-class.mod-active {{ box-shadow: 0 0 0 2px var(--jp-layout-color0, #fff), 0 0 0 4px {viz.OUTLINE}; }}
.smis-upload {{ font-size: 0 !important; }}
.smis-upload::after {{ content: attr(title); font-size: var(--jp-widgets-font-size, 13px); }}
</style>"""


class Board(Canvas):
    """A canvas of H x W pixels, one for each cell, which the page enlarges by a whole factor (less where it is too narrow).

    `press`, `drag` and `release` are called with the cell under the pointer, mouse or finger; leaving the canvas releases, and
    what is then called `release` may be with a cell outside.
    """

    def __init__(self, shape: tuple[int, int], press: Callable[[Cell], None], drag: Callable, release: Callable):
        (H, W), k = shape, max(1, -(-live.SIDE // shape[0]))
        super().__init__(width=W, height=H, layout=w.Layout(width=f"{k * W}px", height="auto"))
        self.add_class("smis-painter-canvas")
        self._colours: np.ndarray | None = None  # what it shows, RGB (H,W,3)
        self._last = (0, 0)

        def at(action: Callable[[Cell], None]) -> Callable[[float, float], None]:
            def call(x: float, y: float) -> None:
                self._last = int(np.floor(y)), int(np.floor(x))
                action(self._last)

            return call

        def finger(action: Callable[[float, float], None]) -> Callable[[list], None]:
            return lambda touches: action(*touches[0]) if touches else None

        self.on_client_ready(self._all)  # a page that opens, or is loaded again, starts blank
        self.on_mouse_down(at(press))
        self.on_mouse_move(at(drag))
        self.on_mouse_up(at(release))
        self.on_mouse_out(at(release))
        self.on_touch_start(finger(at(press)))
        self.on_touch_move(finger(at(drag)))
        self.on_touch_end(lambda _: release(self._last))  # the finger that went up is not among those that it is told
        self.on_touch_cancel(lambda _: release(self._last))

    def show(self, label_map: Tensor, classes: Classes) -> None:
        """The label map (H,W) in the palette's colours; only the box that has changed goes to the page."""
        before, self._colours = self._colours, np.array(viz.to_pil(colour(label_map[None], classes)[0]))
        if before is None:
            return self._all()
        changed = (self._colours != before).any(-1)
        if changed.any():
            rows, columns = np.flatnonzero(changed.any(1)), np.flatnonzero(changed.any(0))
            self._put(slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1))

    def _all(self) -> None:
        # ipycanvas names the canvas of its commands once, and forgets that a page which opens later has not heard it
        self._canvas_manager._current_canvas = None
        if self._colours is not None:
            self._put(slice(0, self.height), slice(0, self.width))

    def _put(self, rows: slice, columns: slice) -> None:
        part = self._colours[rows, columns]  # ty: ignore[not-subscriptable]
        opaque = np.full((*part.shape[:2], 1), 255, np.uint8)  # without alpha it would travel as JPEG
        self.put_image_data(np.concatenate([part, opaque], -1), int(columns.start), int(rows.start))


class Palette(w.Box):
    """A button in its colour for each class; `chosen(c)` is called when one is pressed."""

    def __init__(self, classes: Classes, chosen: Callable[[int], None]):
        super().__init__([_swatch(classes, c, chosen) for c in range(len(classes))])
        self.layout = w.Layout(flex_flow="row wrap", max_height="220px", overflow="auto", padding="4px")

    def mark(self, c: int) -> None:
        """Show which class is on the brush."""
        for k, button in enumerate(self.children):
            (button.add_class if k == c else button.remove_class)("mod-active")


def _swatch(classes: Classes, c: int, chosen: Callable[[int], None]) -> w.Button:
    red, green, blue = classes.palette[c]
    button = w.Button(description=classes.names[c], tooltip=f"{c} {classes.names[c]}", layout=w.Layout(width="auto"))
    button.style.button_color = f"#{red:02x}{green:02x}{blue:02x}"
    button.style.text_color = "black" if torch.tensor([red, green, blue]).float() @ _LIGHT > 130 else "white"
    button.on_click(lambda _: chosen(c))
    button.add_class("smis-painter-class")
    button.add_class(f"smis-painter-class-{c}")
    return button


_LIGHT = torch.tensor([0.299, 0.587, 0.114])  # how bright red, green and blue look (BT.601)
