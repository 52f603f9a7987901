"""Where recipes become pictures: loaded networks, the pictures of their data set, and codes computed once."""

import contextlib
import hashlib
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from . import data, runs, viz
from .data.pictures import as_tensor
from .errors import SmisError
from .folded import fold
from .preview import Preview, factors
from .recipe import Part, Recipe, Source, as_image, as_text, check_size, pack, read, unpack
from .sample import class_slice, draw, encode, generate, generator, has_noise_map

FIRST = 24  # pictures of the split that menus offer
KEPT = 16  # pictures that a studio remembers, and previews
QUICK = 0.1  # seconds: a picture that takes less needs no preview
SOON = 0.3  # seconds that a preview may take


class Overtaken(Exception):  # noqa: N818 (it is no error)
    """A picture was given up, since it is no longer wanted."""


class Studio:
    """Loaded networks with the data set that they were trained on; draws recipes. Its methods may be called from any thread."""

    def __init__(self, networks: nn.Module, split: str = "test"):
        self.networks, self.split = networks, split
        self.spec = networks.experiment.data
        self.classes = data.classes(self.spec)
        if self.classes.whole:
            raise SmisError(
                f"{networks.experiment.name} makes images of classes, not of label maps: a Studio cannot draw them, `ui.classes` "
                "can."
            )
        self.weights = _hash(networks)
        self._opened, self._added, self._codes, self._labels, self._made, self._rough = {}, {}, {}, {}, {}, {}
        self._lock, self._folded = threading.Lock(), None
        self._previews: dict[int, Any]
        self._previews, self._seconds = {k: None for k in factors(networks)}, None  # built when needed; of a full picture

    @classmethod
    def of(cls, networks: "nn.Module | Studio") -> "Studio":
        """A studio of loaded networks; one that is there already stays."""
        return networks if isinstance(networks, cls) else cls(networks)

    @property
    def n_parts(self) -> int:
        """Parts of the code: one for each class, 1 for the whole image, 0 for a model without a code."""
        s = self.networks.schedule
        return 0 if s.z_shape is None else len(self.classes) if s.controls_classes else 1

    @property
    def encodes(self) -> bool:
        """Whether a code can be taken from a picture."""
        return self.networks.E is not None

    @property
    def made_from(self) -> str:
        """What a picture lends its name to, for titles."""
        return "input of" if self.classes.picture else "label map of"

    def names(self, n: int = FIRST) -> list[str]:
        """The first n pictures of the split, and those that were added."""
        return [f"{self.split}/{i}" for i in range(min(n, len(self._images(max(n, FIRST)))))] + list(self._added)

    def picture(self, name: str) -> dict:
        """A sample by its name: `image`, `label_map` and what else the data set has."""
        if name in self._added:
            return self._added[name]
        split, _, index = name.partition("/")
        if split == self.split and index.isdigit():
            images = self._images(FIRST if int(index) < FIRST else None)
            if int(index) < len(images):
                return images[int(index)]
        known = f"{self.split}/0 to {self.split}/{len(self._images(None)) - 1}"
        raise SmisError(f"there is no picture {name!r}: known are {', '.join([known, *self._added])}.")

    def add(self, name: str, image: Tensor, label_map: Tensor) -> None:
        """Make a picture from outside known: image (3,H,W) in [-1,1] and label_map (H,W) of the networks' size."""
        size = (self.spec.height, self.spec.width)
        if image.shape != (3, *size) or label_map.shape != size:
            found = f"image {tuple(image.shape)}, label map {tuple(label_map.shape)}"
            raise SmisError(f"{name}: found {found}; the networks take (3, {size[0]}, {size[1]}) and {size}.")
        data.one_hot(label_map[None], self.classes, [name])  # refuses a class that there is not
        self._added[name] = {"image": image, "label_map": label_map, "name": name}
        self._codes = {key: z for key, z in self._codes.items() if key[0].picture != name}
        self._made, self._rough = {}, {}

    def recipe(self, picture: str = "", a: Source | None = None, b: Source | None = None) -> Recipe:
        """A picture's label map with its own look (t = 0) on the way to a drawn one (t = 1); or with the looks a and b."""
        sample = self.picture(picture or f"{self.split}/0")
        a = a or (Source(picture=picture or f"{self.split}/0") if self.encodes else Source(seed=0))
        name = self.networks.experiment.name
        return self.with_labels(Recipe(name, self.weights, "", (Part(a, b or Source(seed=1)),) * self.n_parts), sample)

    def with_labels(self, recipe: Recipe, sample: dict) -> Recipe:
        """The recipe with another label map, that of a sample."""
        if self.classes.picture:
            return replace(recipe, input=as_text(_input_as_image(sample["input"])))
        instances = pack(sample["instance_map"]) if self.classes.things else ""
        return replace(recipe, label_map=pack(sample["label_map"]), instance_map=instances)

    def label_map(self, recipe: Recipe) -> Tensor:
        """Its label map, int64 (H,W). Raises SmisError for a model that makes images of pictures."""
        if self.classes.picture:
            raise SmisError(f"{self.networks.experiment.name} makes images of pictures: there is no label map.")
        return unpack(recipe.label_map)

    def condition(self, recipe: Recipe) -> Tensor:
        """What the picture is made from, to be looked at, (3,H,W) in [-1,1]: the label map in colour, or the input picture."""
        if self.classes.picture:
            return self.labels(recipe)[0].expand(3, -1, -1)
        return viz.colour(self.label_map(recipe)[None], self.classes)[0]

    def labels(self, recipe: Recipe) -> Tensor:
        """What the networks are given, (1,C,H,W)."""
        key, known = (recipe.label_map, recipe.instance_map, recipe.input), self._labels
        if key not in known:
            if self.classes.picture:
                known = {key: _input(recipe.input)[None]}
            else:
                batch = {"label_map": unpack(recipe.label_map)[None]}
                if self.classes.things:
                    batch["instance_map"] = unpack(recipe.instance_map)[None]
                known = {key: data.labels(batch, self.classes)}
            self._labels = known  # of the last map alone: a painter makes many
        return known[key]

    def z(self, recipe: Recipe) -> Tensor | None:
        """The code (1,*z_shape); for 3-D noise a map (1,z_dim,H,W); None for a model without."""
        if len(recipe.parts) != self.n_parts:
            raise SmisError(f"the recipe has {len(recipe.parts)} parts, this model {self.n_parts}: it is of another model.")
        if not self.n_parts:
            return None
        if has_noise_map(self.networks):
            vectors = torch.cat([self._at(part, recipe.truncation, c) for c, part in enumerate(recipe.parts)])  # (C,z_dim)
            z = torch.einsum("cz,nchw->nzhw", vectors, self.labels(recipe)[:, : len(self.classes)])
            for spot in recipe.spots:
                drawn = draw(self.networks, 1, generator("spot", spot.seed), recipe.truncation).cpu()
                z = torch.where(unpack(spot.region) > 0, drawn[:, :, None, None], z)
            return z
        if self.n_parts == 1:
            return self._at(recipe.parts[0], recipe.truncation)
        z = torch.empty(1, *self.networks.schedule.z_shape)
        for c, part in enumerate(recipe.parts):
            own = class_slice(self.networks, c)
            z[:, own] = self._at(part, recipe.truncation)[:, own]
        return z

    def image(self, recipe: Recipe, wanted: Callable[[], bool] = lambda: True) -> Tensor:
        """The picture (3,H,W) in [-1,1]. Always made alone: in a batch its last bits would depend on its neighbours.

        `wanted` is asked between layers: when it says no, the picture is given up and `Overtaken` raised.
        """
        self._check(recipe)
        made = self._made.get(recipe)
        if made is None:
            if self._folded is None:
                self._folded = fold(self.networks)
            labels, z, start = self.labels(recipe), self.z(recipe), time.perf_counter()
            with _interruptible(self._folded.G, wanted):
                made = generate(self._folded, labels, z)[0]
            self._seconds = time.perf_counter() - start
            self._made = dict([*self._made.items(), (recipe, made)][-KEPT:])
        return made

    def slow(self, recipe: Recipe) -> bool:
        """Whether a preview is worth while: full pictures take long, and the networks can make small ones."""
        if self._previews and self._seconds is None:
            start, factor = time.perf_counter(), max(self._previews)
            self._preview(recipe, factor)
            self._seconds = (time.perf_counter() - start) * factor**2
        return bool(self._previews) and (self._seconds or 0.0) > QUICK

    def preview(self, recipe: Recipe) -> Tensor:
        """A rough picture, as large as the full one; the finest that is there `SOON`, if there is one."""
        self._check(recipe)
        if recipe in self._made:
            return self._made[recipe]
        if not self._previews:
            return self.image(recipe)
        finer = [k for k in sorted(self._previews) if (self._seconds or 0.0) / k**2 < SOON]
        return self._preview(recipe, finer[0] if finer else max(self._previews))

    def _preview(self, recipe: Recipe, factor: int) -> Tensor:
        rough = self._rough.get((recipe, factor))
        if rough is None:
            with self._lock:  # a preview keeps what it found for one label map
                if self._previews[factor] is None:
                    self._previews[factor] = Preview(self.networks, factor)
                rough = self._previews[factor].image(self.labels(recipe), self.z(recipe))
            self._rough = dict([*self._rough.items(), ((recipe, factor), rough)][-KEPT:])
        return rough

    def _check(self, recipe: Recipe) -> None:
        """That the recipe is of these networks; its pictures from outside become known."""
        if recipe.weights != self.weights:
            raise SmisError(
                f"the recipe is of networks {recipe.weights}, these are {self.weights}: load the ones it was made with."
            )
        check_size(recipe, self.spec.height, self.spec.width)
        for name, image, label_map in recipe.pictures:
            if name not in self._added:
                self.add(name, as_tensor(np.array(as_image(image).convert("RGB"))), unpack(label_map))

    def complete(self, recipe: Recipe) -> Recipe:
        """With the pictures from outside that its parts name, so that a file of it needs nothing else."""
        named = set(self._added) & {source.picture for part in recipe.parts for source in (part.a, part.b)}
        added = {name: self._added[name] for name in sorted(named)}
        pictures = ((name, as_text(viz.to_pil(s["image"])), pack(s["label_map"])) for name, s in added.items())
        return replace(recipe, pictures=tuple(pictures))

    def _images(self, n: int | None) -> torch.utils.data.Dataset:
        """At least the first n pictures of the split, or all: drawing all takes seconds, the first time."""
        if n not in self._opened:
            self._opened[n] = data.open_split(self.spec, self.split) if n is None else data.open_first(self.spec, self.split, n)
        return self._opened[n]

    def _at(self, part: Part, truncation: float | None, c: int | None = None) -> Tensor:
        """The code of a part; c where each class has its own draw."""
        a = self._code(part.a, truncation, c)
        return a if part.t == 0 else torch.lerp(a, self._code(part.b, truncation, c), part.t)

    def _code(self, source: Source, truncation: float | None, c: int | None) -> Tensor:
        key = (source, truncation, c)
        if key not in self._codes:
            if source.picture is None:
                rng = generator("look", source.seed, *([] if c is None else [c]))  # ty: ignore[invalid-argument-type]
                self._codes[key] = draw(self.networks, 1, rng, truncation).cpu()
            else:
                batch = data.labelled([self.picture(source.picture)], self.classes)
                self._codes[key] = encode(self.networks, batch["image"], batch["labels"]).cpu()
        return self._codes[key]


@contextlib.contextmanager
def _interruptible(G: nn.Module, wanted: Callable[[], bool]) -> Iterator[None]:
    """Within it G stops, in this thread, before its next layer when `wanted` says no."""
    thread = threading.get_ident()

    def ask(*_) -> None:
        if threading.get_ident() == thread and not wanted():
            raise Overtaken

    hooks = [module.register_forward_pre_hook(ask) for module in G.modules()]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def _input_as_image(picture: Tensor) -> Image.Image:
    """(K,H,W) in [-1,1], K 1 or 3 -> 8 bits, grey or RGB."""
    return viz.to_pil(picture) if len(picture) == 3 else viz.to_pil(picture.expand(3, -1, -1)).convert("L")


def _input(text: str) -> Tensor:
    """The inverse, but for the rounding to 8 bits."""
    return as_tensor(np.atleast_3d(np.array(as_image(text))))


def render(path: str | Path, weights: str = "") -> Image.Image:
    """The picture of a recipe's file. `weights`: a file or a run's name; without it the run that the recipe names."""
    recipe = read(path)
    return viz.to_pil(Studio(runs.load(weights or recipe.model)).image(recipe))


def _hash(networks: nn.Module) -> str:
    """Sixteen hex digits of the weights of G and E."""
    digest = hashlib.sha256()
    for player in filter(None, (networks.G, networks.E)):
        for key, value in player.state_dict().items():
            digest.update(key.encode() + value.cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()[:16]
