"""The appearance mixer: a picture's label map, each class of it with the appearance that it has in another (SMIS figure 6)."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import ipywidgets as w
import torch
from matplotlib.figure import Figure
from torch import Tensor, nn

from .. import viz
from ..errors import SmisError, did_you_mean
from ..recipe import Recipe, Source
from ..studio import Studio
from . import live
from .export import Export

OWN = "itself"
THUMB = 96  # pixels of a thumbnail's height
SHOWN = 3  # classes that have another's appearance at first
WHOLE = "whole image"


@dataclass(frozen=True)
class Mixture:
    """Whose label map, and for parts of the code, by their numbers, in whose appearance; the other parts are the base's own."""

    base: str
    sources: tuple[tuple[int, str], ...] = ()

    def taking(self, c: int, name: str) -> "Mixture":
        """With part c from a picture; from the base: its own."""
        sources = dict(self.sources) | {c: name}
        return replace(self, sources=tuple(sorted((c, s) for c, s in sources.items() if s != self.base)))

    def swapped(self, name: str) -> "Mixture":
        """The base and a source in each other's places: parts that came from it come from what was the base."""
        return Mixture(name, tuple((c, self.base if s == name else s) for c, s in self.sources))


def mixer(
    networks: nn.Module | Studio, base: str = "test/0", sources: Mapping[str, str] | None = None, pictures: int = 12
) -> "Mixer":
    """A widget that mixes appearances: of each class, or of the whole image where the code belongs to that (style transfer).

    `base`: the picture whose label map is drawn; `sources[class name]`: the picture that a class looks as in, by default another
    for each of the largest classes; `pictures`: how many of the split there are to choose from. Raises SmisError for a model
    without an encoder, which cannot take a code from a picture.
    """
    return Mixer(Studio.of(networks), base, sources, pictures)


class Mixer(live.Panel):
    """See `mixer`. `mixture` is the state; `recipe` its picture as a value."""

    def __init__(self, studio: Studio, base: str, sources: Mapping[str, str] | None, pictures: int):
        needs_encoder(studio, "mixer")
        super().__init__(f"appearance mixer: {studio.networks.experiment.name}, {base}")
        self.add_class("smis-mixer")
        self.studio = studio
        self._names = list(dict.fromkeys([*studio.names(pictures), base, *(sources or {}).values()]))
        self._shows = {name: _present(studio, name) for name in self._names}
        self.mixture, self._quiet = Mixture(base), False
        for c, name in (self._varied(base) if sources is None else self._numbered(sources)).items():
            self.mixture = self.mixture.taking(c, name)
        self._rows: dict[int, w.Dropdown] = {}
        self._build()
        self._rebuild_rows()
        self.refresh()

    @property
    def recipe(self) -> Recipe:
        """The picture as a value."""
        return self._recipe(self.mixture)

    # what a reader does

    def take(self, c: int, name: str) -> None:
        """Part c (0 for the whole image) as in the picture `name`."""
        self.mixture = self.mixture.taking(c, name)
        self._follow()

    def rebase(self, name: str) -> None:
        """Draw another picture's label map, with its own appearance where no source is chosen."""
        self.mixture = Mixture(name, tuple((c, s) for c, s in self.mixture.sources if s != name))
        self._rebuild_rows()
        self._follow()

    def swap(self, name: str) -> None:
        """The base and the source `name` change places."""
        self.mixture = self.mixture.swapped(name)
        self._rebuild_rows()
        self._follow()

    def reset(self) -> None:
        """The base with its own appearance."""
        self.mixture = Mixture(self.mixture.base)
        self._follow()

    # pictures

    def draw(self) -> None:
        self.staged(self.studio, self._paint)

    def _paint(self, make: Callable[[Recipe], Tensor]) -> None:
        mixture = self.mixture
        recipe, plain = self._recipe(mixture), self._recipe(Mixture(mixture.base))
        result, rebuilt = make(recipe), make(plain)
        taken = self._regions(mixture, mixture.base).any(0)
        self._result.show(result, taken if self._by_class else None)
        self._rebuilt.show(rebuilt)
        self._base.show(self.studio.picture(mixture.base)["image"])
        for name, thumb in self._thumbs.items():
            region = self._regions(mixture, name).any(0)
            thumb.show(self.studio.picture(name)["image"], region if name != mixture.base and region.any() else None)
        self._export.offer(recipe)
        change = (result - rebuilt).abs().mean(0)
        outside = f", elsewhere {change[~taken].mean():.3f}" if (~taken).any() else ""
        said = ", ".join(f"<b>{self._part(c)}</b> of {name}" for c, name in self._visible(mixture))
        moved = f": mean change there {change[taken].mean():.3f}{outside}" if taken.any() else ""
        self.message.value = f"{mixture.base} with {said or 'its own appearance'}{moved}"

    def strip(self) -> Figure:
        """Label map, base, rebuilt and mixed; then each source, outlined where its appearance is taken from."""
        mixture = self.mixture
        base, recipe = self.studio.picture(mixture.base), self._recipe(mixture)
        images = [viz.colour(base["label_map"][None], self.studio.classes)[0], base["image"]]
        images += [self.studio.image(self._recipe(Mixture(mixture.base))), self.studio.image(recipe)]
        outlines = [torch.zeros_like(base["label_map"], dtype=torch.bool)] * 3 + [self._regions(mixture, mixture.base).any(0)]
        titles = ["label map", f"base\n{mixture.base}", "rebuilt", "mixed"]
        for name in dict.fromkeys(name for _, name in self._visible(mixture)):
            images.append(self.studio.picture(name)["image"])
            outlines.append(self._regions(mixture, name).any(0))
            titles.append("\n".join([*(self._part(c) for c, s in self._visible(mixture) if s == name), f"of {name}"]))
        if not self._by_class:
            outlines = [torch.zeros_like(region) for region in outlines]
        title = f"{self.studio.networks.experiment.name}: appearance from other pictures"
        return viz.image_rows({"": torch.stack(images)}, titles, size=1.5, title=title, outlines={"": torch.stack(outlines)})

    def _recipe(self, mixture: Mixture) -> Recipe:
        recipe = self.studio.recipe(mixture.base)
        for c, name in mixture.sources:
            recipe = recipe.with_part(c, a=Source(picture=name))
        return recipe

    def _visible(self, mixture: Mixture) -> list[tuple[int, str]]:
        """The sources of parts that the base's label map shows."""
        return [(c, name) for c, name in mixture.sources if c in self._shows[mixture.base]]

    def _regions(self, mixture: Mixture, name: str) -> Tensor:
        """Where the picture `name` shows each class that is taken from it, or, for the base, that it takes: bool (k,H,W)."""
        label_map = self.studio.picture(name)["label_map"]
        taken = [c for c, source in self._visible(mixture) if name in (source, mixture.base)]
        regions = [label_map == c if self._by_class else torch.ones_like(label_map, dtype=torch.bool) for c in taken]
        return torch.stack(regions or [torch.zeros_like(label_map, dtype=torch.bool)])

    # the widget

    @property
    def _by_class(self) -> bool:
        return self.studio.n_parts > 1

    def _part(self, c: int) -> str:
        return self.studio.classes.names[c] if self._by_class else WHOLE

    def _numbered(self, sources: Mapping[str, str]) -> dict[int, str]:
        names = list(self.studio.classes.names) if self._by_class else [WHOLE]
        for name in sources:
            if name not in names:
                raise did_you_mean("class", name, names)
        return {names.index(name): source for name, source in sources.items()}

    def _varied(self, base: str) -> dict[int, str]:
        """For the largest classes a source each, pictures in turn; the first class (a background) comes last."""
        label_map = self.studio.picture(base)["label_map"]
        order = sorted(self._shows[base], key=lambda c: (c == 0, -int((label_map == c).sum())))
        found, free = {}, [name for name in self._names if name != base]
        for c in order[:SHOWN]:
            name = next((name for name in free if c in self._shows[name]), None)
            if name is not None:
                found[c] = name
                free.remove(name)
        return found

    def _build(self) -> None:
        self._picture = w.Dropdown(options=self._names, value=self.mixture.base, description="base", **live.WIDE)
        self._picture.add_class("smis-base-choice")
        self._picture.observe(lambda change: self._quiet or self.rebase(change["new"]), "value")
        self._base, self._rebuilt, self._result = (live.Picture(name) for name in ("base", "rebuilt", "result"))
        self._thumbs = {name: live.Picture(f"thumb-{i}", side=THUMB) for i, name in enumerate(self._names)}
        thumbs = w.Box([live.titled(name, thumb) for name, thumb in self._thumbs.items()], layout=live.WRAP)
        self._grid, self._export = w.VBox(), Export(self.studio)
        reset = live.button("reset", "undo", self.reset, "everything with the base's own appearance")
        tools = w.VBox([self._picture, self._grid, reset], layout=live.TOOLS)
        pictures = (("base", self._base), ("rebuilt", self._rebuilt), ("mixed", self._result))
        shown = w.Box([live.titled(*pair) for pair in pictures], layout=live.WRAP)
        seen = w.VBox([shown, self.message, self._export, thumbs])
        self.children = [w.Box([tools, seen], layout=live.WRAP)]

    def _rebuild_rows(self) -> None:
        """A row for each class that the base shows, with the pictures that show it too."""
        self._rows, rows = {}, []
        for c in self._shows[self.mixture.base]:
            names = [name for name in self._names if c in self._shows[name] and name != self.mixture.base]
            choice = w.Dropdown(options=[OWN, *names], description=self._part(c), **live.WIDE)
            choice.value = dict(self.mixture.sources).get(c, OWN)
            choice.add_class(f"smis-from-{c}")
            choice.observe(lambda change, c=c: self._quiet or self._choose(c, change["new"]), "value")
            swap = live.button("", "exchange", lambda c=c: self._swap_row(c), "base and this source change places")
            swap.add_class(f"smis-swap-{c}")
            rows.append(w.HBox([choice, swap]))
            self._rows[c] = choice
        self._grid.children = [w.HTML("<small>appearance from</small>"), *rows]

    def _choose(self, c: int, text: str) -> None:
        self.take(c, self.mixture.base if text == OWN else text)

    def _swap_row(self, c: int) -> None:
        if self._rows[c].value != OWN:
            self.swap(self._rows[c].value)

    def _follow(self) -> None:
        """Dropdowns to where the mixture is, and a picture soon."""
        self._quiet = True
        try:
            self._picture.value = self.mixture.base
            for c, choice in self._rows.items():
                choice.value = dict(self.mixture.sources).get(c, OWN)
        finally:
            self._quiet = False
        self.refresh()


def needs_encoder(studio: Studio, widget: str) -> None:
    """Raise SmisError for a model that cannot take a code from a picture."""
    if not (studio.encodes and studio.n_parts):
        raise SmisError(
            f"{studio.networks.experiment.name} has no encoder that takes a code from a picture, so ui.{widget} has nothing to "
            "take: it is for GroupDNet and its variants (class by class), VSPADE, SPADE with VAE and BicycleGAN (whole image)."
        )


def _present(studio: Studio, name: str) -> list[int]:
    """The parts of the code that a picture shows."""
    here = torch.unique(studio.picture(name)["label_map"]).tolist()
    return [c for c in here if 0 <= c < len(studio.classes)] if studio.n_parts > 1 else [0]
