"""The latent explorer: for each class of a label map a slider along the line between two codes (SMIS figures 1 and 14)."""

from collections.abc import Callable
from dataclasses import replace

import ipywidgets as w
import torch
from matplotlib.figure import Figure
from torch import Tensor, nn

from .. import viz
from ..errors import did_you_mean
from ..recipe import Recipe, Source
from ..studio import Studio
from . import live
from .export import Export

DRAWN = "drawn"
STOPS = 6  # pictures of a strip


def explorer(networks: nn.Module | Studio, picture: str = "test/0", active: str | None = None, strip: int = 3) -> "Explorer":
    """A widget that moves through the codes of a loaded model, class by class.

    `picture`: whose label map, and whose look at t = 0 where the model has an encoder; `active`: the class that is outlined at
    first, else the one with the most pixels but the first class; `strip`: classes that the static strip shows.
    Raises SmisError for a picture or a class that there is not.
    """
    return Explorer(Studio.of(networks), picture, active, strip)


class Explorer(live.Panel):
    """See `explorer`. `recipe` is the state: the picture that is shown, as a value."""

    def __init__(self, studio: Studio, picture: str, active: str | None, strip: int):
        super().__init__(f"latent explorer: {studio.networks.experiment.name}, {picture}")
        self.studio, self._strip = studio, strip
        live.needs_code(studio, "explorer", "GroupDNet, SPADE with VAE, BicycleGAN, OASIS and pix2pix")
        self.recipe, self.seed = studio.recipe(picture), 1
        if active is not None and active not in studio.classes.names:
            raise did_you_mean("class", active, studio.classes.names)
        self.active = self._by_size()[0] if active is None else studio.classes.names.index(active)
        self.locked: set[int] = set()
        self._rows: dict[int, w.FloatSlider] = {}
        self._quiet, self._marked = False, None  # whether sliders are set by `recipe`; what the label map on show is of
        self._build(picture)
        self._rebuild_rows()
        self.refresh()

    # what a reader does

    def set(self, c: int, t: float) -> None:
        """Move class c along its line, to t in [0,1]."""
        self.active = c
        self.recipe = self.recipe.with_part(c, t=t)
        self._follow()

    def set_all(self, t: float) -> None:
        """Move all classes that are not locked."""
        self._change_free(lambda part: {"t": t})

    def resample(self, c: int | None = None) -> None:
        """Draw another code for the far end of class c, or of all that are not locked, and go there."""
        self.seed += 1
        source = Source(seed=self.seed)
        if c is None:
            self._change_free(lambda part: {"b": source, "t": 1.0})
        else:
            self.active = c
            self.recipe = self.recipe.with_part(c, b=source, t=1.0)
            self._follow()

    def between(self, a: Source | None = None, b: Source | None = None) -> None:
        """Other ends for the lines of all classes that are not locked."""
        self._change_free(lambda part: ({"a": a} if a else {}) | ({"b": b} if b else {}))

    def reset(self) -> None:
        """As at first: every class at the near end of its line, nothing locked."""
        self.locked.clear()
        self.recipe = self.studio.recipe(self._picture.value)
        self.seed = 1
        self._rebuild_rows()
        self._follow()

    # pictures

    def draw(self) -> None:
        self.staged(self.studio, self._paint)

    def _paint(self, make: Callable[[Recipe], Tensor]) -> None:
        recipe, c = self.recipe, self.active
        image, region = make(recipe), self._region(c)
        change = (image - make(recipe.with_part(c, t=0.0))).abs().mean(0)
        self._image.show(image, region)
        self._heat.show(live.heat(change), region)
        if (recipe.label_map, recipe.input, c) != self._marked:
            self._labels.show(self.studio.condition(recipe), region)
            self._marked = recipe.label_map, recipe.input, c
        self._export.offer(recipe)
        self.message.value = self._said(recipe, c, change, region)

    def strip(self) -> Figure:
        """Rows: classes; columns: t from 0 to 1."""
        shown = [self.active, *(c for c in self._by_size() if c != self.active)][: self._strip]
        stops = torch.linspace(0, 1, STOPS).tolist()
        rows, outlines = {}, {}
        for c in shown:
            images = torch.stack([self.studio.image(self.recipe.with_part(c, t=t)) for t in stops])
            moved = (images[-1] - images[0]).abs().mean(0)
            name = self._name(c)
            rows[name] = torch.cat([images, live.heat(moved)[None]])
            outlines[name] = self._region(c)[None].expand(len(rows[name]), -1, -1)
        title = f"{self.studio.networks.experiment.name}, {self.studio.made_from} {self._picture.value}: one slider in each row"
        return viz.image_rows(rows, [*(f"t = {t:.1f}" for t in stops), "|change|"], size=1.15, title=title, outlines=outlines)

    def _region(self, c: int) -> Tensor:
        if not self._controls:
            return torch.ones(self.studio.spec.height, self.studio.spec.width, dtype=torch.bool)
        return self.studio.label_map(self.recipe) == c

    def _said(self, recipe: Recipe, c: int, change: Tensor, region: Tensor) -> str:
        part = recipe.parts[c]
        outside = f", outside {change[~region].mean():.3f}" if (~region).any() else ""
        moved = f"mean change inside {change[region].mean():.3f}{outside}" if region.any() else "not in this label map"
        return f"<b>{self._name(c)}</b>: {part.a} → {part.b}, t = {part.t:.2f}; {moved}"

    # the widget

    @property
    def _controls(self) -> bool:
        return self.studio.n_parts > 1

    def _name(self, c: int) -> str:
        return self.studio.classes.names[c] if self._controls else "whole image"

    def _present(self) -> list[int]:
        """The classes of the label map, those that a code controls."""
        if not self._controls:
            return [0]
        return [c for c in torch.unique(self.studio.label_map(self.recipe)).tolist() if 0 <= c < len(self.studio.classes)]

    def _by_size(self) -> list[int]:
        """Those classes, large ones first, but the first class (a background) last."""
        return sorted(self._present(), key=lambda c: (c == 0, -int(self._region(c).sum())))

    def _build(self, picture: str) -> None:
        names = self.studio.names()
        self._picture = w.Dropdown(
            options=sorted({*names, picture}, key=_order), value=picture, description="label map", **live.WIDE
        )
        ends = [DRAWN, *names] if self.studio.encodes else [DRAWN]
        self._from = w.Dropdown(options=ends, value=picture if self.studio.encodes else DRAWN, description="from", **live.WIDE)
        self._to = w.Dropdown(options=ends, value=DRAWN, description="to", **live.WIDE)
        self._all = live.slider("all", 0.0)
        self._truncation = live.truncation()
        again, reset = live.button("resample", "refresh", self.resample), live.button("reset", "undo", self.reset)
        self._picture.observe(lambda change: self._take_map(change["new"]), "value")
        self._from.observe(lambda change: self.between(a=self._source(change["new"])), "value")
        self._to.observe(lambda change: self.between(b=self._source(change["new"])), "value")
        self._all.observe(lambda change: self._quiet or self.set_all(change["new"]), "value")
        self._truncation.observe(lambda change: self._truncate(change["new"]), "value")
        self._image, self._heat, self._labels = live.Picture("image"), live.Picture("heat", 150), live.Picture("labels", 150)
        beside = w.VBox([live.titled("label map", self._labels), live.titled("change against t = 0", self._heat)])
        pictures = [live.titled("picture", self._image), beside]
        self._grid, self._export = w.VBox(), Export(self.studio)
        chosen = [self._picture, self._from, self._to, self._truncation, self._all]
        tools = w.VBox([*chosen, w.HBox([again, reset]), self._grid], layout=live.TOOLS)
        seen = w.VBox([w.Box(pictures, layout=live.WRAP), self.message, self._export])
        self.children = [w.Box([tools, seen], layout=live.WRAP)]

    def _rebuild_rows(self) -> None:
        """A row for each class of the label map."""
        self._rows, rows = {}, []
        for c in self._present():
            slider = live.slider(self._name(c), self.recipe.parts[c].t)
            slider.observe(lambda change, c=c: self._quiet or self.set(c, change["new"]), "value")
            lock = w.ToggleButton(value=c in self.locked, icon="lock", tooltip=f"lock {self._name(c)}", layout=live.SMALL)
            lock.observe(lambda change, c=c: self._lock(c, change["new"]), "value")
            again = live.button("", "refresh", lambda c=c: self.resample(c), f"another code for {self._name(c)}")
            slider.add_class(f"smis-slider-{c}")
            rows.append(w.HBox([slider, lock, again]))
            self._rows[c] = slider
        self._grid.children = rows

    def _take_map(self, name: str) -> None:
        """Another label map, with the same codes; a class that was not there before has the code that it had."""
        self.recipe = self.studio.with_labels(self.recipe, self.studio.picture(name))
        self.active = self.active if self.active in self._present() else self._by_size()[0]
        self._rebuild_rows()
        self._follow()

    def _truncate(self, t: float) -> None:
        self.recipe = replace(self.recipe, truncation=None if t >= live.WIDEST else t)
        self._follow()

    def _lock(self, c: int, on: bool) -> None:
        (self.locked.add if on else self.locked.discard)(c)

    def _source(self, text: str) -> Source:
        if text != DRAWN:
            return Source(picture=text)
        self.seed += 1
        return Source(seed=self.seed)

    def _change_free(self, changes: Callable) -> None:
        for c, part in enumerate(self.recipe.parts):
            if c not in self.locked:
                self.recipe = self.recipe.with_part(c, **changes(part))
        self._follow()

    def _follow(self) -> None:
        """Sliders to where the recipe is, and a picture soon."""
        self._quiet = True
        try:
            for c, slider in self._rows.items():
                slider.value = self.recipe.parts[c].t
        finally:
            self._quiet = False
        self.refresh()


def _order(name: str) -> tuple[str, int]:
    split, _, index = name.partition("/")
    return split, int(index) if index.isdigit() else 0
