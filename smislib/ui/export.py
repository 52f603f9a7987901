"""Taking a picture away: links to its pixels and to its recipe, which draws it again bit for bit (`smis render`)."""

import io

import ipywidgets as w

from .. import viz
from ..recipe import Recipe
from ..studio import Studio
from .live import download


class Export(w.HBox):
    """A button, and after it the links."""

    def __init__(self, studio: Studio):
        super().__init__()
        self._studio, self._recipe = studio, None
        self._links = w.HTML()
        button = w.Button(
            description="export", icon="download", tooltip="the picture as PNG, its recipe as JSON", layout={"width": "auto"}
        )
        button.on_click(lambda _: self.write())
        self.children = [button, self._links]

    def offer(self, recipe: Recipe) -> None:
        """What the button exports; links to another picture go away."""
        if recipe != self._recipe:
            self._recipe, self._links.value = recipe, ""

    def write(self) -> None:
        """Make the links."""
        if self._recipe is None:
            return
        written, recipe = io.BytesIO(), self._studio.complete(self._recipe)
        viz.to_pil(self._studio.image(self._recipe)).save(written, "png")
        links = (
            download("picture.png", written.getvalue(), "image/png"),
            download("recipe.json", recipe.text.encode(), "application/json"),
        )
        self._links.value = " &nbsp; ".join(links)
