"""The label painter: a label map under a brush, and the picture of it at once (SMIS 4.4.3, after the GauGAN application)."""

import html
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import ipywidgets as w
import torch
from matplotlib.figure import Figure
from torch import nn

from .. import viz
from ..errors import SmisError
from ..recipe import Part, Recipe, Source
from ..studio import Studio
from . import live, upload
from .board import CSS, Board, Palette
from .drawing import Cell, Drawing
from .export import Export

DRAWN, GIVEN = "drawn", "explorer"  # looks that are no picture's
WIDEST = 31  # brush, in cells


def painter(
    networks: nn.Module | Studio,
    picture: str = "test/0",
    recipe: Recipe | Callable[[], Recipe] | None = None,
    brush: int | None = None,
) -> "Painter":
    """A widget in which a label map is painted and its picture drawn by a loaded model.

    `picture`: whose label map it starts from, and whose look where the model has an encoder; `recipe`: codes to start from
    instead, such as an explorer's; a function is asked again whenever "from explorer" is pressed; `brush`: a class, else the
    one with the most pixels but the first class. Raises SmisError for a picture that there is not, for codes of other
    networks, and for a model that takes no label map.
    """
    return Painter(Studio.of(networks), picture, recipe, brush)


class Painter(live.Panel):
    """See `painter`. `drawing` is the label map, `recipe` the picture that is shown, as a value."""

    def __init__(self, studio: Studio, picture: str, recipe: Recipe | Callable[[], Recipe] | None, brush: int | None):
        super().__init__(f"label painter: {studio.networks.experiment.name}, {picture}")
        self.studio, self.seed, self._given = studio, 1, recipe
        self.drawing = Drawing(studio.picture(picture), studio.classes)
        self._loaded, self._codes = self.drawing.sample, studio.recipe(picture)
        self.brush = self._largest()[0] if brush is None else brush
        self._outside: dict[str, torch.Tensor] = {}  # a photo or its label map, while the other is missing
        self._build(picture)
        self._board.show(self._loaded["label_map"], studio.classes)
        self.choose(self.brush)
        if recipe is None:
            self.use(picture if studio.encodes else DRAWN)
        else:
            self.take_codes()

    # what a reader does

    @property
    def recipe(self) -> Recipe:
        """The picture that the label map now has."""
        return self.studio.with_labels(self._codes, self.drawing.sample)

    def choose(self, c: int) -> None:
        """Take a class on the brush."""
        self.brush = c
        self._palette.mark(c)
        self._held.value = f"brush: <b>{self.studio.classes.names[c]}</b>"

    def use(self, style: str) -> None:
        """The look of a picture that the studio knows. What it does not show, and with "drawn" all, is drawn by `seed`."""
        drawn = Source(seed=self.seed)
        shown = set() if style == DRAWN else set(self.studio.picture(style)["label_map"].unique().tolist())
        whole = self.studio.n_parts == 1 and style != DRAWN
        sources = [Source(picture=style) if whole or c in shown else drawn for c in range(self.studio.n_parts)]
        self._codes = replace(self._codes, parts=tuple(Part(source, source) for source in sources))
        self._follow(style)

    def resample(self, c: int | None = None) -> None:
        """Draw another code, for class c or for all."""
        self.seed += 1
        if c is None or self.studio.n_parts == 1:
            self.use(DRAWN)
        elif self.studio.n_parts:
            source = Source(seed=self.seed)
            self._codes = self._codes.with_part(c, a=source, b=source, t=0.0)
            self.refresh()

    def take_codes(self) -> None:
        """The codes of the recipe that the painter was given, as they are now."""
        given: Any = self._given() if callable(self._given) else self._given
        if given.weights != self.studio.weights:
            raise SmisError(f"the codes are of networks {given.weights}, the painter's are {self.studio.weights}.")
        self._codes = replace(given, pictures=())
        self._follow(GIVEN)

    def load(self, sample: dict) -> None:
        """Another label map."""
        self.drawing.load(sample)
        self._loaded = self.drawing.sample
        self._changed()

    def undo(self) -> None:
        """Take the last change back."""
        self._changed(self.drawing.undo())

    def redo(self) -> None:
        """Make it again."""
        self._changed(self.drawing.redo())

    def press(self, cell: Cell) -> None:
        """The pointer goes down on a cell."""
        if not self.drawing.inside(cell):
            return
        self.message.value = ""
        if self._tool.value == "pick":
            c = self.drawing.pick(cell)
            self._tool.value = "brush"
            if c is not None:
                self.choose(c)
        elif self._tool.value == "fill":
            self.drawing.fill(self.brush, cell)
            self._changed()
        else:
            self.drawing.start(self.brush, self._size.value, cell)
            self._changed(drawn=self._live.value)

    def drag(self, cell: Cell) -> None:
        """It moves; without a stroke that is nothing."""
        if self.drawing.painting:
            self.drawing.to(cell)
            self._changed(drawn=self._live.value)

    def release(self, cell: Cell) -> None:
        """It goes up, or leaves the canvas: what it does outside is not seen, so the stroke ends there."""
        if self.drawing.painting:
            self.drawing.to(cell)
            self.drawing.end()
            self._changed()

    def take_upload(self, kind: str, name: str, content: bytes) -> None:
        """A file: a "label map" to paint on, or a reference, its "photo" and then its "photo labels", in any order."""
        try:
            self.message.value = ""
            size = self.drawing.shape
            if kind == "photo":
                self._outside[kind], said = upload.photo(content, name, size)
            else:
                values, said = upload.label_map(content, name, self.studio.classes, size)
                if kind == "label map":
                    self.load({"label_map": values})
                else:
                    self._outside[kind] = values
            self.message.value = html.escape(said) + (self._join() if kind != "label map" else "")
        except SmisError as error:
            self.fail(error)

    # pictures

    def draw(self) -> None:
        sample, codes = self.drawing.sample, self._codes
        recipe = self.studio.with_labels(codes, sample)
        image, before = self.studio.image(recipe), self.studio.image(self.studio.with_labels(codes, self._loaded))
        change, painted = (image - before).abs().mean(0), sample["label_map"] != self._loaded["label_map"]
        self._image.show(image, painted)
        self._heat.show(live.heat(change), painted)
        self._export.offer(recipe)
        content = upload.written(sample["label_map"], self.studio.classes)
        self._save.value = live.download("label_map.png", content, "image/png")
        self._said.value = self._text(codes, change, painted)

    def strip(self) -> Figure:
        """The label map as it was loaded and as it is painted (by two strokes, where nobody has), both pictures, their change."""
        drawing = Drawing(self._loaded, self.studio.classes)
        drawing.sample = self.drawing.sample
        if torch.equal(drawing.sample["label_map"], self._loaded["label_map"]):
            _scribble(drawing, self._largest())
        maps = torch.stack([self._loaded["label_map"], drawing.sample["label_map"]])
        images = [self.studio.image(self.studio.with_labels(self._codes, sample)) for sample in (self._loaded, drawing.sample)]
        change = live.heat((images[1] - images[0]).abs().mean(0))
        row = torch.cat([viz.colour(maps, self.studio.classes), torch.stack([*images, change])])
        painted = (maps[1] != maps[0])[None] & torch.tensor([False, True, False, True, True])[:, None, None]
        columns = ("label map", "painted", "its picture", "painted", "|change|")
        title = f"{self.studio.networks.experiment.name}: what is painted changes the picture"
        return viz.image_rows({"": row}, columns, size=1.5, title=title, outlines={"": painted})

    def _text(self, codes: Recipe, change: torch.Tensor, painted: torch.Tensor) -> str:
        names = self.studio.classes.names if self.studio.n_parts > 1 else ("whole image",)
        here = set(self.drawing.sample["label_map"].unique().tolist()) if self.studio.n_parts > 1 else {0}
        looks: dict[str, list[str]] = {}
        for c, part in enumerate(codes.parts):
            if c in here:
                looks.setdefault(str(part.a) if part.t == 0 else f"{part.a} → {part.b}, t = {part.t:.2f}", []).append(names[c])
        said = "; ".join(f"<b>{look}</b>: {', '.join(of)}" for look, of in looks.items())
        if not painted.any():
            return said
        outside = f", outside {change[~painted].mean():.3f}" if (~painted).any() else ""
        return f"{said}<br>{int(painted.sum())} cells painted; mean change there {change[painted].mean():.3f}{outside}"

    def _largest(self) -> list[int]:
        """Classes of the loaded map, large ones first, but the first class (a background) last."""
        values, counts = self._loaded["label_map"].unique(return_counts=True)
        sizes = {c: n for c, n in zip(values.tolist(), counts.tolist(), strict=True) if 0 <= c < len(self.studio.classes)}
        return sorted(sizes, key=lambda c: (c == 0, -sizes[c])) or [0]

    # the widget

    def _build(self, picture: str) -> None:
        studio, names = self.studio, self.studio.names()
        self._board, self._palette = (
            Board(self.drawing.shape, self.press, self.drag, self.release),
            Palette(studio.classes, self.choose),
        )
        self._board.on_key_down(self._key)
        self._tool = w.ToggleButtons(options=["brush", "fill", "pick"], style={"button_width": "5em"})
        widest = min(WIDEST, *self.drawing.shape)
        self._size = w.IntSlider(value=min(5, widest), min=1, max=widest, step=2, description="brush size", **live.WIDE)
        self._live = w.Checkbox(value=True, description="draw while painting", indent=False, layout=w.Layout(width="auto"))
        self._map = w.Dropdown(options=names, value=picture if picture in names else None, description="label map", **live.WIDE)
        self._map.observe(lambda change: change["new"] and self.load(studio.picture(change["new"])), "value")
        self._style = w.Dropdown(options=self._styles(), value=None, description="look of", **live.WIDE)
        self._style.observe(lambda change: change["new"] and self._look(change["new"]), "value")
        self._held, self._said, self._save, self._export = w.HTML(), w.HTML(), w.HTML(), Export(studio)
        self._image, self._heat = live.Picture("painter-image"), live.Picture("painter-heat")
        tools: list = [self._tool, self._size, self._line(_button("undo", self.undo), _button("redo", self.redo), self._live)]
        tools += [self._held, self._palette, self._map, self._line(self._upload("label map", "upload a label map"), self._save)]
        if studio.n_parts:
            again = [_button("resample", self.resample)]
            again += [_button("resample class", lambda: self.resample(self.brush))] if studio.n_parts > 1 else []
            again += [_button("from explorer", self.take_codes)] if callable(self._given) else []
            tools += [self._style, self._line(*again)]
        if studio.encodes:
            tools += [self._line(self._upload("photo", "look of a photo"), self._upload("photo labels", "the photo's label map"))]
        shown = {"paint here": self._board, "picture": self._image, "change against the loaded map": self._heat}
        pictures = [live.titled(text, part) for text, part in shown.items()]
        named: dict = {"tools": self._tool, "size": self._size, "live": self._live, "palette": self._palette, "map": self._map}
        named |= {"style": self._style, "held": self._held, "said": self._said, "save": self._save, "message": self.message}
        for name, widget in named.items():
            widget.add_class(f"smis-painter-{name}")
        self.add_class("smis-painter")
        left = w.VBox(tools, layout=w.Layout(flex="1 1 290px"))
        right = w.VBox(
            [self._line(*pictures), self._said, self.message, self._export],
            layout=w.Layout(flex="100 1 600px", padding="0 0 0 10px"),
        )
        self.children = [w.HTML(CSS, layout=w.Layout(display="none")), self._line(left, right)]

    def _line(self, *widgets: w.Widget) -> w.Box:
        return w.Box(widgets, layout=live.WRAP)

    def _upload(self, kind: str, text: str) -> w.FileUpload:
        accept = ".png" if kind != "photo" else ".png,.jpg,.jpeg"
        field = w.FileUpload(accept=accept, tooltip=text, layout=w.Layout(width="auto"))

        def taken(change: dict) -> None:
            if change["new"]:
                file = change["new"][0]
                field.value = ()  # so that the same file may come again, and none is kept
                self.take_upload(kind, file["name"], bytes(file["content"]))

        field.observe(taken, "value")
        field.add_class("smis-upload")
        field.add_class(f"smis-painter-upload-{kind.replace(' ', '-')}")
        return field

    def _look(self, style: str) -> None:
        self.take_codes() if style == GIVEN else self.use(style)

    def _styles(self) -> list[str]:
        own = [GIVEN] if self._given else []
        return [*own, DRAWN, *(self.studio.names() if self.studio.encodes else [])]

    def _join(self) -> str:
        """Photo and label map as a reference, when both are there; else what is missing."""
        missing = {"photo", "photo labels"} - set(self._outside)
        if missing:
            return f"; now {'its photo' if 'photo' in missing else 'its label map'}"
        name = f"upload/{sum(known.startswith('upload/') for known in self.studio.names())}"
        self.studio.add(name, self._outside.pop("photo"), self._outside.pop("photo labels"))
        self._style.options = self._styles()
        self.use(name)
        return f"; the look is that of {name}"

    def _follow(self, style: str | None) -> None:
        """The menu to where the codes are, and a picture soon."""
        if self._style.value != style:
            self._style.value = style if style in self._style.options else None
        self.refresh()

    def _changed(self, changed: bool = True, drawn: bool = True) -> None:
        """The canvas at once, a picture soon."""
        if changed:
            self._board.show(self.drawing.sample["label_map"], self.studio.classes)
            if drawn:
                self.refresh()

    def _key(self, key: str, shift: bool, ctrl: bool, meta: bool) -> None:
        if (ctrl or meta) and key.lower() == "z":
            (self.redo if shift else self.undo)()


def _scribble(drawing: Drawing, classes: list[int]) -> None:
    """Two strokes: the largest class along its lower edge, then so the next one."""
    for c in classes[:2]:
        rows, columns = (drawing.sample["label_map"] == c).nonzero().T
        if len(rows):
            drawing.stroke(c, max(3, drawing.shape[0] // 8), *((int(rows.max()), int(x)) for x in (columns.min(), columns.max())))


def _button(text: str, action: Callable[[], None]) -> w.Button:
    button = w.Button(description=text, tooltip=text, layout=w.Layout(width="auto"))
    button.on_click(lambda _: action())
    button.add_class(f"smis-painter-{text.replace(' ', '-')}")
    return button
