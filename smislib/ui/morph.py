"""The morph: from one appearance to another, over all or chosen classes, as a slider, as a film and as a file (SMIS figure 6)."""

import io
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import ipywidgets as w
import torch
from matplotlib.figure import Figure
from PIL import Image
from torch import Tensor, nn

from .. import viz
from ..errors import SmisError, did_you_mean
from ..recipe import Recipe, Source
from ..studio import Studio
from . import live
from .export import Export

ONCE, LOOP, BACK = "once", "loop", "there and back"
FPS = 8
STOPS = 6  # pictures of a strip
DRAWN = 8  # drawn looks to choose from where a model has no encoder
NO_FFMPEG = "MP4 needs the program ffmpeg: conda install ffmpeg, apt install ffmpeg or brew install ffmpeg. A GIF needs nothing."


@dataclass(frozen=True)
class Way:
    """A label map, the two looks, the parts that go from one to the other (none: all), and how far they are, t in [0,1]."""

    picture: str
    a: Source
    b: Source
    parts: tuple[int, ...] = ()
    t: float = 0.0


def morph(
    networks: nn.Module | Studio, a: str = "", b: str = "", classes: Sequence[str] = (), frames: int = 12, picture: str = "test/0"
) -> "Morph":
    """A widget that morphs the label map of `picture` from the appearance `a` to the appearance `b`.

    These are names of pictures ("test/0" to "test/5" where nothing is said) for a model with an encoder, and "seed 1" or the
    like for one without. `classes`: the names of those that change, else all; `frames`: of the film, there. Raises SmisError
    for a model that has no code.
    """
    return Morph(Studio.of(networks), a, b, classes, frames, picture)


def order(frames: int, mode: str) -> list[int]:
    """The frames of one round in the order in which they are shown: there and back no end is shown twice."""
    there = list(range(frames))
    return there + there[-2:0:-1] if mode == BACK else there


class Morph(live.Panel):
    """See `morph`. `way` is the state; `recipe` its picture as a value."""

    def __init__(self, studio: Studio, a: str, b: str, classes: Sequence[str], frames: int, picture: str):
        live.needs_code(studio, "morph", "GroupDNet, SPADE with VAE, BicycleGAN, OASIS and pix2pix")
        super().__init__(f"morph: {studio.networks.experiment.name}, {picture}")
        self.add_class("smis-morph")
        self.studio, self._quiet = studio, False
        names = studio.classes.names if studio.n_parts > 1 else ()
        for name in classes:
            if name not in names:
                raise did_you_mean("class", name, names)
        a, b = (a or "test/0", b or "test/5") if studio.encodes else (a or "seed 0", b or "seed 1")
        self.way = Way(picture, self._source(a), self._source(b), tuple(names.index(name) for name in classes), 0.5)
        self._writing = live.Latest(self._write, self.fail)
        self._build(max(2, frames))
        self.refresh()

    @property
    def recipe(self) -> Recipe:
        """The picture as a value."""
        return self._recipe(self.way)

    # what a reader does

    def change(self, **changes) -> None:
        """Another `picture`, `a`, `b` (sources), `parts` or `t`."""
        self.way = replace(self.way, **changes)
        self._files.value = self._files.value if changes.keys() <= {"t"} else ""
        self.refresh()

    def export(self) -> None:
        """Make the files, and links to them, in a thread of their own."""
        self._files.value = "<i>drawing the frames</i>"
        self._writing.request()

    def film(self) -> list[Image.Image]:
        """One round, enlarged."""
        way, n = self.way, self._frames.value
        shown = [live.enlarged(self.studio.image(self._recipe(way, i / (n - 1)))) for i in range(n)]
        return [shown[i] for i in order(n, self._mode.value)]

    # pictures

    def draw(self) -> None:
        self.staged(self.studio, self._paint)

    def _paint(self, make: Callable[[Recipe], Tensor]) -> None:
        way = self.way
        recipe = self._recipe(way)
        image, region = make(recipe), self._region(way)
        self._image.show(image, region)
        self._labels.show(self.studio.condition(recipe), region)
        self._export.offer(recipe)
        self.message.value = f"{way.a} → {way.b}, t = {way.t:.2f}"

    def strip(self) -> Figure:
        """The two pictures at the ends where there are such, and between them t from 0 to 1."""
        way, stops = self.way, torch.linspace(0, 1, STOPS).tolist()
        images = [self.studio.image(self._recipe(way, t)) for t in stops]
        titles = [f"t = {t:.1f}" for t in stops]
        if self.studio.encodes:
            ends = [self.studio.picture(source.picture)["image"] for source in (way.a, way.b)]  # ty: ignore[invalid-argument-type]
            images = [ends[0], *images, ends[1]]
            titles = [f"from\n{way.a}", *titles, f"to\n{way.b}"]
        region, nowhere = self._region(way), torch.zeros_like(images[0][0], dtype=torch.bool)
        outlines = [region if text.startswith("t =") and not region.all() else nowhere for text in titles]
        what = ", ".join(self.studio.classes.names[c] for c in way.parts) or "everything"
        title = f"{self.studio.networks.experiment.name}, {self.studio.made_from} {way.picture}: {what}"
        return viz.image_rows({"": torch.stack(images)}, titles, size=1.3, title=title, outlines={"": torch.stack(outlines)})

    def _recipe(self, way: Way, t: float | None = None) -> Recipe:
        recipe, t = self.studio.recipe(way.picture, way.a, way.b), way.t if t is None else t
        for c in way.parts or range(self.studio.n_parts):
            recipe = recipe.with_part(c, t=t)
        return recipe

    def _region(self, way: Way) -> Tensor:
        if not way.parts:
            return torch.ones(self.studio.spec.height, self.studio.spec.width, dtype=torch.bool)
        return torch.isin(self.studio.picture(way.picture)["label_map"], torch.tensor(way.parts))

    def _write(self) -> None:
        mode, frames = self._mode.value, self.film()
        links = [live.download("morph.gif", gif(frames, repeat=mode != ONCE), "image/gif")]
        links.append(live.download("morph.mp4", mp4(frames), "video/mp4") if shutil.which("ffmpeg") else NO_FFMPEG)
        self._files.value = " &nbsp; ".join(links)

    # the widget

    def _source(self, text: str) -> Source:
        seed = text.removeprefix("seed ")
        if not self.studio.encodes:
            if not seed.isdigit():
                raise SmisError(f"this model has no encoder: its looks are drawn, 'seed 0' and so on; found {text!r}.")
            return Source(seed=int(seed))
        self.studio.picture(text)  # raises SmisError where there is none
        return Source(picture=text)

    def _build(self, frames: int) -> None:
        way, names = self.way, self.studio.names()
        looks = names if self.studio.encodes else [f"seed {i}" for i in range(DRAWN)]

        def choice(text: str, options: list[str], value: str) -> w.Dropdown:
            made = w.Dropdown(options=list(dict.fromkeys([*options, value])), value=value, description=text, **live.WIDE)
            made.add_class(f"smis-morph-{text.replace(' ', '-')}")
            return made

        picture, a, b = (
            choice("label map", names, way.picture), choice("from", looks, str(way.a)), choice("to", looks, str(way.b))
        )  # fmt: skip
        picture.observe(lambda change: self.change(picture=change["new"]), "value")
        a.observe(lambda change: self.change(a=self._source(change["new"])), "value")
        b.observe(lambda change: self.change(b=self._source(change["new"])), "value")
        self._chosen = w.SelectMultiple(
            options=[(name, c) for c, name in enumerate(self.studio.classes.names)], value=way.parts, rows=8,
            description="classes", description_tooltip="those that change; none: all", **live.WIDE,
        )  # fmt: skip
        self._chosen.observe(lambda change: self.change(parts=change["new"]), "value")
        self._t = live.slider("t", way.t)
        self._t.add_class("smis-morph-t")
        self._t.observe(lambda change: self._quiet or self.change(t=change["new"]), "value")
        self._frames = w.IntSlider(value=frames, min=2, max=60, description="frames", **live.WIDE)
        self._mode = w.Dropdown(options=[ONCE, LOOP, BACK], value=BACK, description="plays", **live.WIDE)
        self._play = w.Play(interval=1000 // FPS, min=0)
        self._play.add_class("smis-morph-play")
        for control in (self._frames, self._mode):
            control.observe(lambda _: self._set_play(), "value")
        self._play.observe(lambda change: self._show_frame(change["new"]), "value")
        self._set_play()
        make = live.button("GIF and MP4", "film", self.export, "one round as files")
        make.add_class("smis-morph-export")
        self._files = w.HTML()
        self._image, self._labels, self._export = live.Picture("image"), live.Picture("labels"), Export(self.studio)
        chosen = [self._chosen] if self.studio.n_parts > 1 else []
        tools = [picture, a, b, *chosen, w.HBox([self._t, self._play]), self._frames, self._mode, make, self._files]
        pictures = [live.titled("label map", self._labels), live.titled("picture", self._image)]
        seen = w.VBox([w.Box(pictures, layout=live.WRAP), self.message, self._export])
        self.children = [w.Box([w.VBox(tools, layout=live.TOOLS), seen], layout=live.WRAP)]

    def _set_play(self) -> None:
        """A round of the player, as long as there are frames to show."""
        self._play.max = len(order(self._frames.value, self._mode.value)) - 1
        self._play.repeat = self._mode.value != ONCE

    def _show_frame(self, i: int) -> None:
        """The slider to where the player is, which draws it."""
        self._t.value = order(self._frames.value, self._mode.value)[i] / (self._frames.value - 1)


def gif(frames: Sequence[Image.Image], repeat: bool = True) -> bytes:
    """An animation of pictures of one size."""
    written = io.BytesIO()
    forever = {"loop": 0} if repeat else {}
    frames[0].save(written, "gif", save_all=True, append_images=frames[1:], duration=1000 // FPS, **forever)
    return written.getvalue()


def mp4(frames: Sequence[Image.Image]) -> bytes:
    """Likewise as H.264, by ffmpeg. Raises SmisError where that is not there or fails."""
    if not shutil.which("ffmpeg"):
        raise SmisError(NO_FFMPEG)
    width, height = frames[0].size
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/morph.mp4"
        command = ["ffmpeg", "-v", "error", "-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{width}x{height}", "-r", str(FPS)]
        command += ["-i", "-", "-vf", "pad=ceil(iw/2)*2:ceil(ih/2)*2", "-pix_fmt", "yuv420p", "-movflags", "+faststart", path]
        done = subprocess.run(command, input=b"".join(frame.tobytes() for frame in frames), capture_output=True)
        if done.returncode:
            raise SmisError(f"ffmpeg cannot write the film: {done.stderr.decode(errors='replace').strip()[-300:]}")
        return Path(path).read_bytes()
