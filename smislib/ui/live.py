"""What all widgets share: drawing the newest state only, pictures for a browser, and the static strip of a cell on paper."""

import base64
import contextlib
import html
import io
import os
import threading
from collections.abc import Callable

import ipywidgets as w
import matplotlib.pyplot as plt
import numpy as np
import torch
from IPython import get_ipython
from matplotlib.figure import Figure
from PIL import Image
from torch import Tensor

from .. import viz
from ..errors import SmisError
from ..recipe import Recipe
from ..studio import Overtaken, Studio

REST = 0.25  # seconds without a change after which a full picture follows a preview
SIDE = 288  # least pixels of a picture's height in the browser
WIDEST = 3.0  # of the truncation slider: 99.7 % of N(0,1), there it stands for all of it
WRAP = w.Layout(flex_flow="row wrap", align_items="flex-start")
TOOLS = w.Layout(flex="0 1 390px", min_width="330px")  # the controls beside the pictures; on a narrow page above them
SMALL = w.Layout(width="40px", padding="0", flex="0 0 auto")  # a button with an icon alone
NAMED = {"description_width": "8em"}
WIDE = {"layout": w.Layout(width="auto"), "style": NAMED}  # of a control with a description

FIGURES = threading.Lock()  # matplotlib draws in one thread at a time: a strip in the cell's, the monitor's curves in its own


def live() -> bool:
    """Whether somebody can move a slider: JupyterLab, VS Code and Voila say which cell they run, papermill, nbconvert and nbval
    do not.
    """
    shell = get_ipython()
    if "voila" in os.environ.get("SERVER_SOFTWARE", ""):
        return True
    kernel = getattr(shell, "kernel", None)
    return kernel is not None and "cellId" in kernel.get_parent().get("metadata", {})


class Latest:
    """Calls `draw` in a thread of its own, once more after every `request`; requests that come while it draws count as one.

    So events are taken in at once and never queue up, and the last one is always drawn. What `draw` raises goes to `failed`.
    """

    def __init__(self, draw: Callable[[], None], failed: Callable[[Exception], None]):
        self._draw, self._failed = draw, failed
        self._change = threading.Condition()
        self._asked = self._done = self._drawn = 0
        self._working = False

    def request(self) -> None:
        """Draw what is the state by then; returns at once."""
        with self._change:
            self._asked += 1
            self._change.notify_all()
            if not self._working:
                self._working = True
                threading.Thread(target=self._work, daemon=True).start()

    def wait(self, timeout: float = 60.0) -> None:
        """Until all that was asked for is drawn. Raises TimeoutError after `timeout` seconds."""
        with self._change:
            if not self._change.wait_for(lambda: self._done == self._asked, timeout):
                raise TimeoutError(f"nothing drawn after {timeout:g} s")

    def newest(self) -> bool:
        """For `draw`: whether what it draws is still what was asked for last."""
        return self._drawn == self._asked

    def rests(self, seconds: float) -> bool:
        """For `draw`: wait for so long; False as soon as something else is asked for."""
        with self._change:
            return not self._change.wait_for(lambda: not self.newest(), seconds)

    def _work(self) -> None:
        while True:
            with self._change:
                asked = self._drawn = self._asked
            try:
                self._draw()
            except Exception as error:  # it must reach the reader, and the next request must be drawn
                self._failed(error)
            with self._change:
                self._done = asked
                self._change.notify_all()
                if self._asked == asked:
                    self._working = False
                    return


class Panel(w.VBox):
    """A widget which, where nothing is live, is a picture: `strip` draws what its sliders would show.

    Subclasses fill `children`, implement `draw` (called in a thread, with the newest state) and `strip`, and ask for a picture by
    `refresh`. `summary` is the text of the cell.
    """

    def __init__(self, summary: str, **kwargs):
        super().__init__(**kwargs)
        self.add_class("smis-panel")
        self.summary, self.message = summary, w.HTML()
        self._latest = Latest(self.draw, self.fail)

    def draw(self) -> None:
        raise NotImplementedError

    def strip(self) -> Figure:
        raise NotImplementedError

    def refresh(self) -> None:
        """Draw the newest state soon."""
        self._latest.request()

    def wait(self) -> None:
        """Until the newest state is drawn."""
        self._latest.wait()

    def staged(self, studio: Studio, paint: Callable[[Callable[[Recipe], Tensor]], None]) -> None:
        """For `draw`: `paint` with rough pictures where full ones are slow, and, as soon as nothing moves, with full ones.

        `paint` is given what makes a picture of a recipe.
        """
        if studio.slow(self.recipe):  # ty: ignore[missing-attribute]
            paint(studio.preview)
            self.message.value += " <i>(preview)</i>"
            if not self._latest.rests(REST):
                return
        with contextlib.suppress(Overtaken):  # then the next is asked for already
            paint(lambda recipe: studio.image(recipe, self._latest.newest))

    def fail(self, error: Exception) -> None:
        """Say in the panel what went wrong; what is no input of the user's also with its kind."""
        text = str(error) if isinstance(error, SmisError) else f"{type(error).__name__}: {error}"
        self.message.value = f'<span class="smis-error" style="color:#b3261e">{html.escape(text)}</span>'

    def _repr_mimebundle_(self, **kwargs) -> dict:
        """The widget where it is live, and always its strip, which is what a saved notebook shows elsewhere."""
        bundle = dict(super()._repr_mimebundle_(**kwargs) or {})
        if not live():
            bundle.pop("application/vnd.jupyter.widget-view+json", None)
        with FIGURES:
            return bundle | {"text/plain": self.summary, "image/png": _png(self.strip())}


def needs_code(studio: Studio, widget: str, models: str) -> None:
    """Raises SmisError for a model without a code, in which `widget` has nothing to move; `models` are some that have one."""
    if not studio.n_parts:
        raise SmisError(
            f"{studio.networks.experiment.name} gives one image for a label map: ui.{widget} is for models with a code, such as "
            f"{models}."
        )


class Picture(w.Image):
    """An image of tensors, enlarged to a readable size."""

    def __init__(self, name: str, side: int | None = None, **kwargs):
        """`side`: height in pixels of a thumbnail, else at least SIDE."""
        super().__init__(format="png", **kwargs)
        self.add_class(f"smis-{name}")
        if side:
            self.layout.height = f"{side}px"

    def show(self, image: Tensor, region: Tensor | None = None) -> None:
        """An image (3,H,W) in [-1,1]; `region`, bool (H,W), is outlined."""
        self.value = encoded(enlarged(image, region))


def titled(text: str, shown: w.Widget) -> w.VBox:
    """A widget below its title."""
    return w.VBox([w.HTML(f"<small>{html.escape(text)}</small>"), shown])


def slider(name: str, t: float) -> w.FloatSlider:
    """From 0 to 1."""
    return w.FloatSlider(
        value=t, min=0.0, max=1.0, step=0.01, description=name, readout_format=".2f",
        layout=w.Layout(flex="1 1 auto", min_width="240px"), style=NAMED,
    )  # fmt: skip


def truncation() -> w.FloatSlider:
    """Of drawn codes; at its end, WIDEST, there is none."""
    return w.FloatSlider(
        value=WIDEST, min=0.25, max=WIDEST, step=0.25, description="truncation", readout_format=".2f", **WIDE,
        description_tooltip=f"drawn codes lie in [-t, t]; {WIDEST:g}: anywhere",
    )  # fmt: skip


def button(text: str, icon: str, action: Callable[[], None], tooltip: str = "") -> w.Button:
    """A button that calls `action`; without text it is as small as its icon."""
    made = w.Button(description=text, icon=icon, tooltip=tooltip or text, layout=w.Layout(width="auto") if text else SMALL)
    made.on_click(lambda _: action())
    return made


def enlarged(image: Tensor, region: Tensor | None = None) -> Image.Image:
    """(3,H,W) in [-1,1] -> a picture at least SIDE pixels high, by a whole factor; `region`, bool (H,W), is outlined."""
    k = max(1, -(-SIDE // image.shape[1]))
    picture = viz.to_pil(image).resize((image.shape[2] * k, image.shape[1] * k), Image.Resampling.BICUBIC)
    if region is None or not region.any():
        return picture
    inside = np.pad(np.kron(region.numpy(), np.ones((k, k), bool)), 1)
    middle = inside[1:-1, 1:-1]
    edge = middle & ~(inside[:-2, 1:-1] & inside[2:, 1:-1] & inside[1:-1, :-2] & inside[1:-1, 2:])
    pixels = np.array(picture)
    pixels[edge] = tuple(bytes.fromhex(viz.OUTLINE[1:]))
    return Image.fromarray(pixels)


def encoded(picture: Image.Image) -> bytes:
    """As PNG, quickly rather than small."""
    written = io.BytesIO()
    picture.save(written, "png", compress_level=1)
    return written.getvalue()


def heat(change: Tensor, top: float = 0.5) -> Tensor:
    """Change of each pixel (H,W), 0 .. top and above -> its colour (3,H,W) in [-1,1]."""
    table = torch.from_numpy(plt.get_cmap("magma")(np.arange(256))[:, :3]).float()
    return table[(change / top * 255).clamp(0, 255).long()].movedim(-1, 0) * 2 - 1


def download(name: str, content: bytes, kind: str) -> str:
    """A link that saves a file from the page: it works in JupyterLab and in the app, whoever's machine the kernel is on."""
    data = base64.b64encode(content).decode()
    return f'<a download="{html.escape(name)}" href="data:{kind};base64,{data}">{html.escape(name)}</a>'


def _png(figure: Figure) -> str:
    written = io.BytesIO()
    figure.savefig(written, format="png", bbox_inches="tight", pad_inches=0.08, dpi=130, metadata={"Software": None})
    plt.close(figure)
    return base64.b64encode(written.getvalue()).decode()
