"""The training monitor: curves, newest samples and time left of a run, read from its folder while it grows."""

import io
import threading
import time
from pathlib import Path

import ipywidgets as w
import matplotlib.pyplot as plt
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator
from PIL import Image

from .. import runs, viz
from ..config import Experiment
from ..runs import Run
from . import live

EVERY = 3.0  # seconds between two looks
TIMES = ("step", "seconds", "lr")  # in a line of the log; all else are terms, but for the seconds of each part
RECENT = 20  # lines of the log that the rate is of
WIDTH = 480  # pixels of the samples, at least
TICKS = (-1000, -100, -10, -1, 0, 0.5, 1, 2, 5, 10, 20, 50, 100, 1000)  # of the terms


def monitor(run: Run | Experiment | str, every: float = EVERY) -> "Monitor":
    """A widget that follows a run, given as it is, by its experiment or by its name, and looks again every so many seconds, until
    the run is finished or the widget closed.

    A run that has not started is waited for if it is given by its experiment. Raises SmisError for a name that no run has.
    """
    if isinstance(run, str):
        run = runs.find(run)
    return Monitor(runs.run_of(run) if isinstance(run, Experiment) else run, every)


class Monitor(live.Panel):
    """See `monitor`."""

    def __init__(self, run: Run, every: float):
        super().__init__(f"training monitor: {run.experiment.name}")
        self.add_class("smis-monitor")
        self.run, self._every, self._closed = run, every, threading.Event()
        self._seen: tuple = ()  # of the samples and the log: what is drawn is not drawn again
        self._bar = w.IntProgress(min=0, max=run.experiment.train.steps, description="steps", **live.WIDE)
        self._bar.add_class("smis-monitor-progress")
        self._curves, self._samples = live.Picture("curves"), live.Picture("samples")
        pictures = [live.titled("terms of the losses", self._curves), live.titled("newest samples", self._samples)]
        self.children = [w.HTML(f"<b>{run.experiment.name}</b>"), self._bar, self.message, w.Box(pictures, layout=live.WRAP)]
        self._thread = threading.Thread(target=self._follow, daemon=True)
        self.refresh()
        self._thread.start()

    def close(self) -> None:
        """Stop looking, and take the widget away."""
        if hasattr(self, "_closed"):  # ipywidgets closes what was not made, too
            self._closed.set()
        super().close()

    def draw(self) -> None:
        history, sheet, finished = self.run.history(), _newest(self.run), self.run.finished
        steps = self.run.experiment.train.steps
        self._bar.value = steps if finished else history[-1]["step"] if history else 0
        self._bar.bar_style = "success" if finished else "info"
        self.message.value = said(history, steps, finished)
        if self._seen != (seen := (len(history), sheet)):
            if history:
                with live.FIGURES:
                    self._curves.value = _as_png(_figure(history))
            if sheet:
                self._samples.value = live.encoded(_enlarged(sheet))
            self._seen = seen

    def strip(self) -> Figure:
        """The curves, above the newest samples."""
        history, sheet = self.run.history(), _newest(self.run)
        fig, axes = plt.subplots(1, 1 + bool(sheet), figsize=(8.5 if sheet else 4.8, 2.8), squeeze=False)
        _draw(history, axes[0, 0])
        if sheet:
            axes[0, 1].imshow(_enlarged(sheet))
            axes[0, 1].set_axis_off()
            axes[0, 1].set_title(f"samples, {_step(sheet)} steps")
        progress = said(history, self.run.experiment.train.steps, self.run.finished)
        progress = progress.partition(" in ")[0] if self.run.finished else progress  # a notebook keeps it: no timings
        fig.suptitle(f"{self.run.experiment.name}, {progress}")
        fig.tight_layout()
        return fig

    def _follow(self) -> None:
        while not self._closed.wait(self._every):
            finished = self.run.finished  # before it is drawn: what is written last is drawn too
            self.refresh()
            if finished:
                return


def said(history: list[dict], steps: int, finished: bool) -> str:
    """How far a run is, how fast, and how long it will still take, as one line. `history` as of `Run.history`."""
    if not history:
        return "finished; its log is empty" if finished else "no step in the log yet"
    last = history[-1]
    if finished:
        return f"finished: {steps} steps in {_duration(last['seconds'])}"
    first = history[-RECENT] if len(history) >= RECENT else {"step": 0, "seconds": 0.0}
    done, took = last["step"] - first["step"], last["seconds"] - first["seconds"]
    rate = f", {done / took:.2f} steps a second, {_duration((steps - last['step']) * took / done)} left" if took and done else ""
    return f"step {last['step']} of {steps}{rate}"


def _duration(seconds: float) -> str:
    return time.strftime("%H:%M:%S", time.gmtime(seconds)) if seconds < 86400 else f"{seconds / 86400:.1f} days"


def _draw(history: list[dict], ax: plt.Axes) -> None:
    terms = dict.fromkeys(key for entry in history for key in entry if key not in TIMES and not key.startswith("seconds_"))
    if terms:
        viz.curves(history, list(terms), ax=ax).legend(ncols=3, fontsize=8, loc="lower center", bbox_to_anchor=(0.5, 1.0))
        ax.set_yscale("symlog", linthresh=1)  # terms differ by orders, and those of a GAN may be negative
        ax.yaxis.set_major_locator(FixedLocator(TICKS))
        ax.yaxis.set_major_formatter("{x:g}")
        ax.set_ylabel("value (logarithmic from 1 on)")
    else:
        ax.text(0.5, 0.5, "nothing logged yet", ha="center", va="center", transform=ax.transAxes)
        ax.set_axis_off()


def _figure(history: list[dict]) -> Figure:
    fig = Figure(figsize=(5, 3), layout="constrained")  # pyplot is not for threads
    _draw(history, fig.add_subplot())
    return fig


def _as_png(fig: Figure) -> bytes:
    written = io.BytesIO()
    fig.savefig(written, format="png", dpi=100)
    return written.getvalue()


def _newest(run: Run) -> Path | None:
    return max(run.folder.glob("samples/step_*.png"), default=None)


def _step(sheet: Path) -> int:
    return int(sheet.stem.removeprefix("step_"))


def _enlarged(sheet: Path) -> Image.Image:
    with Image.open(sheet) as image:
        k = max(1, -(-WIDTH // image.width))
        return image.convert("RGB").resize((image.width * k, image.height * k), Image.Resampling.NEAREST)
