"""Noise: other draws for the image, a class or a region; and classes: images of one class on the way to another (S3GAN)."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import ipywidgets as w
import torch
from matplotlib.figure import Figure
from torch import Tensor, nn

from .. import data, viz
from ..errors import SmisError
from ..recipe import Recipe, Source, Spot, pack, unpack
from ..sample import draw, generate, generator, has_noise_map
from ..studio import Studio
from . import live
from .drawing import joined
from .export import Export

WHOLE = "whole image"
LEAST = 12  # pixels of a region that has a row of its own
DRAWS = 5  # of the strip
STOPS, OTHERS = 6, 8  # pictures of a strip; of a grid of other codes


def noise(networks: nn.Module | Studio, picture: str = "test/0") -> "NoisePanel":
    """A widget that draws the noise of a part again: of the whole image, of a class where the code has class parts, of a
    connected region or an object where it is a vector for each pixel (OASIS). For pix2pix it is dropout that is drawn.

    Raises SmisError for a model that has no code.
    """
    return NoisePanel(Studio.of(networks), picture)


class NoisePanel(live.Panel):
    """See `noise`. `recipe` is the state, `before` what it was."""

    def __init__(self, studio: Studio, picture: str):
        live.needs_code(studio, "noise", "OASIS, pix2pix, BicycleGAN and GroupDNet")
        super().__init__(f"noise: {studio.networks.experiment.name}, {picture}")
        self.add_class("smis-noise")
        self.studio, self.seed, self._undo = studio, 0, []
        self.recipe = self._start(picture)
        self._build(picture)
        self.refresh()

    @property
    def before(self) -> Recipe:
        """The picture before the last change, or the picture itself."""
        return self._undo[-1] if self._undo else self.recipe

    # what a reader does

    def resample(self, part: str = WHOLE) -> None:
        """Another draw for a part, a key of `regions`."""
        self.seed += 1
        self._undo.append(self.recipe)
        self.recipe = self._renewed(self.recipe, part, self.seed)
        self.refresh()

    def undo(self) -> None:
        """One change back."""
        if self._undo:
            self.recipe = self._undo.pop()
            self.refresh()

    def take(self, picture: str) -> None:
        """Another picture's label map or input, with its first noise."""
        self._undo, self.recipe = [], self._start(picture)
        self._part.options = list(self.regions)
        self.refresh()

    @property
    def regions(self) -> dict[str, Tensor]:
        """The parts that can be drawn again, by their names: bool (H,W)."""
        found = {WHOLE: torch.ones(self.studio.spec.height, self.studio.spec.width, dtype=torch.bool)}
        if self.studio.n_parts == 1:
            return found
        label_map = self.studio.label_map(self.recipe)
        for c in range(len(self.studio.classes)):
            of_class = label_map == c
            if not of_class.any():
                continue
            name = self.studio.classes.names[c]
            found[name] = of_class
            if has_noise_map(self.studio.networks):
                parts = self._pieces(c, of_class)
                found |= {f"{name} {i + 1} of {len(parts)}": part for i, part in enumerate(parts)} if len(parts) > 1 else {}
        return found

    # pictures

    def draw(self) -> None:
        self.staged(self.studio, self._paint)

    def _paint(self, make: Callable[[Recipe], Tensor]) -> None:
        recipe, before, region = self.recipe, self.before, self.regions.get(self._part.value)
        image = make(recipe)
        change = (image - make(before)).abs().mean(0)
        self._image.show(image, region)
        self._heat.show(live.heat(change), region)
        self._labels.show(self.studio.condition(recipe), region)
        self._export.offer(recipe)
        self.message.value = f"draw {self.seed}; mean change against the picture before {change.mean():.3f}"

    def strip(self) -> Figure:
        """Rows: the whole image, the largest class, the smallest region; columns: draws, and their standard deviation."""
        regions = self.regions
        sized = sorted((name for name in regions if name != WHOLE), key=lambda name: -int(regions[name].sum()))
        pieces = [name for name in sized if " of " in name] or sized[1:]
        rows, outlines = {}, {}
        for name in dict.fromkeys([WHOLE, *sized[:1], *pieces[:1]]):
            images = torch.stack([self.studio.image(self._renewed(self.recipe, name, 100 + i)) for i in range(DRAWS)])
            rows[name] = torch.cat([images, live.heat(images.std(0).mean(0), 0.25)[None]])
            outlines[name] = regions[name][None].expand(len(rows[name]), -1, -1) & (name != WHOLE)
        titles = [*(f"draw {i + 1}" for i in range(DRAWS)), "deviation"]
        title = f"{self.studio.networks.experiment.name}: noise drawn again in a part (outlined)"
        return viz.image_rows(rows, titles, size=1.3, title=title, outlines=outlines)

    def _start(self, picture: str) -> Recipe:
        return self.studio.recipe(picture, a=Source(seed=0))

    def _renewed(self, recipe: Recipe, part: str, seed: int) -> Recipe:
        names = self.studio.classes.names
        if part == WHOLE:
            for c in range(self.studio.n_parts):
                recipe = recipe.with_part(c, a=Source(seed=seed))
            return replace(recipe, spots=())
        if part in names:
            return recipe.with_part(names.index(part), a=Source(seed=seed))
        return replace(recipe, spots=(*recipe.spots, Spot(pack(self.regions[part].long()), seed)))

    def _pieces(self, c: int, of_class: Tensor) -> list[Tensor]:
        """The objects of a class that has such, the connected regions of another; large ones first."""
        if c in self.studio.classes.things:
            instances = unpack(self.recipe.instance_map)
            parts = [of_class & (instances == i) for i in instances[of_class].unique()]
        else:
            parts = joined(of_class)
        return sorted((part for part in parts if part.sum() >= LEAST), key=lambda part: -int(part.sum()))

    # the widget

    def _build(self, picture: str) -> None:
        names = self.studio.names()
        choice = w.Dropdown(options=list(dict.fromkeys([*names, picture])), value=picture, description="made from", **live.WIDE)
        choice.observe(lambda change: self.take(change["new"]), "value")
        self._part = w.Dropdown(options=list(self.regions), description="noise of", **live.WIDE)
        self._part.add_class("smis-noise-part")
        self._part.observe(lambda _: self.refresh(), "value")
        again = live.button("resample", "refresh", lambda: self.resample(self._part.value), "another draw for this part")
        again.add_class("smis-noise-resample")
        back = live.button("undo", "undo", self.undo)
        self._image, self._heat, self._labels = (live.Picture(name) for name in ("image", "heat", "labels"))
        self._export = Export(self.studio)
        tools = w.VBox([choice, self._part, w.HBox([again, back])], layout=live.TOOLS)
        pictures = (("made from", self._labels), ("picture", self._image), ("change", self._heat))
        seen = [w.Box([live.titled(*pair) for pair in pictures], layout=live.WRAP), self.message, self._export]
        self.children = [w.Box([tools, w.VBox(seen)], layout=live.WRAP)]


@dataclass(frozen=True)
class Between:
    """An image of a class-conditional generator: between two classes by t, between the codes of two seeds by u, each in [0,1]."""

    a: int
    b: int
    t: float = 0.0
    seed: int = 0
    to: int = 1
    u: float = 0.0
    truncation: float | None = None


def classes(networks: nn.Module, a: int = 0, b: int = 1) -> "ClassPanel":
    """A widget over a generator of the BigGAN family: class a on the way to class b, one code on the way to another, truncation.

    Raises SmisError for a model that takes label maps, and for a class that there is not.
    """
    if not hasattr(networks, "prior"):
        raise SmisError(
            f"{networks.experiment.name} makes images of label maps: ui.classes is for class-conditional generators (BIGGAN, "
            "S3GAN and the rest of its table); for this one there are ui.explorer, ui.noise and ui.morph."
        )
    return ClassPanel(networks, a, b)


class ClassPanel(live.Panel):
    """See `classes`. `state` is what is shown."""

    def __init__(self, networks: nn.Module, a: int, b: int):
        super().__init__(f"classes: {networks.experiment.name}")
        self.add_class("smis-classes")
        self.networks, self.names = networks, _class_names(networks)
        for c in (a, b := min(b, len(self.names) - 1)):
            if not 0 <= c < len(self.names):
                raise SmisError(f"class {c} is outside [0, {len(self.names)}): this generator has {len(self.names)} classes.")
        self.state = Between(a, b)
        self._build()
        self.refresh()

    def change(self, **changes) -> None:
        """Another a, b, t, seed, to, u or truncation."""
        self.state = replace(self.state, **changes)
        self.refresh()

    def images(self, states: list[Between]) -> Tensor:
        """Their images (n,3,H,W) in [-1,1]; each by itself, so that no image depends on the others."""
        return torch.cat([generate(self.networks, *self._asked(state)) for state in states])

    def draw(self) -> None:
        s = self.state
        self._image.show(self.images([s])[0])
        self._others.show(viz.grid(self.images([replace(s, seed=s.seed + 1 + i, u=0.0) for i in range(OTHERS)]), OTHERS // 2))
        self.message.value = f"{self.names[s.a]} → {self.names[s.b]}, t = {s.t:.2f}; seed {s.seed} → {s.to}, u = {s.u:.2f}"

    def strip(self) -> Figure:
        """Rows: t from 0 to 1; u from 0 to 1; other codes of the class."""
        s, stops = self.state, torch.linspace(0, 1, STOPS).tolist()
        rows = {
            f"class: {self.names[s.a]}\nto {self.names[s.b]}": self.images([replace(s, t=t) for t in stops]),
            f"code: seed {s.seed}\nto {s.to}": self.images([replace(s, u=u) for u in stops]),
            f"other codes of\n{self.names[s.a]}": self.images([replace(s, seed=s.seed + 1 + i) for i in range(STOPS)]),
        }
        title = f"{self.networks.experiment.name}: one slider in each of the first two rows"
        return viz.image_rows(rows, [f"{t:.1f}" for t in stops], size=1.1, title=title)

    def _asked(self, s: Between) -> tuple[Tensor, Tensor]:
        """(class distribution (1,C), code (1,*z_shape))."""
        y = torch.zeros(1, len(self.names))
        y[0, s.a] += 1 - s.t
        y[0, s.b] += s.t
        a, b = (draw(self.networks, 1, generator("look", seed), s.truncation).cpu() for seed in (s.seed, s.to))
        return y, torch.lerp(a, b, s.u)

    def _build(self) -> None:
        s, options = self.state, [(name, c) for c, name in enumerate(self.names)]
        seeds = {"min": 0, "max": 2**31 - 1, **live.WIDE}
        controls = {
            "a": w.Dropdown(options=options, value=s.a, description="class", **live.WIDE),
            "b": w.Dropdown(options=options, value=s.b, description="to class", **live.WIDE),
            "t": live.slider("t", s.t),
            "seed": w.BoundedIntText(value=s.seed, description="seed", **seeds),
            "to": w.BoundedIntText(value=s.to, description="to seed", **seeds),
            "u": live.slider("u", s.u),
            "truncation": live.truncation(),
        }
        for key, control in controls.items():
            control.add_class(f"smis-classes-{key}")
            control.observe(lambda change, key=key: self.change(**{key: _value(key, change["new"])}), "value")
        self._image, self._others = live.Picture("image"), live.Picture("others")
        pictures = (("picture", self._image), ("the next seeds", self._others))
        tools = w.VBox(list(controls.values()), layout=live.TOOLS)
        seen = w.VBox([w.Box([live.titled(*pair) for pair in pictures], layout=live.WRAP), self.message])
        self.children = [w.Box([tools, seen], layout=live.WRAP)]
        self.controls = controls


def _value(key: str, new: float) -> float | None:
    return None if key == "truncation" and new >= live.WIDEST else new


def _class_names(networks: nn.Module) -> list[str]:
    """Those of the data set where the generator was trained with its labels; others, such as clusters, have numbers."""
    e = networks.experiment
    own = e.loss.labels not in ("single", "random", "clusters")
    return list(data.classes(e.data).names) if own else [f"label {i}" for i in range(networks.schedule.C)]
