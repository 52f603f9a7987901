"""What the app shows: explorer, mixer and painter of one model, in tabs."""

import ipywidgets as w

from .. import runs, ui
from ..studio import Studio

DO = {
    "Explorer": "Drag a slider: one class changes its look along the line between two codes, and the others stay as they are.",
    "Mixer": "Choose for each class the picture whose look it takes.",
    "Painter": "Choose a class and paint on the label map: the picture follows.",
}


def page(model: str = "shipped") -> w.Tab:
    """The page's widgets, over a weights file or a run by its name. Raises SmisError as `load` does."""
    studio = Studio(runs.load(model))
    explorer = ui.explorer(studio)
    painter = ui.painter(studio, recipe=lambda: explorer.recipe)
    panels = {"Explorer": explorer, "Mixer": ui.mixer(studio), "Painter": painter}
    tabs = w.Tab([w.VBox([w.HTML(f"<p>{DO[name]}</p>"), panel]) for name, panel in panels.items()], titles=list(panels))
    tabs.add_class("smis-app")
    for panel in panels.values():
        panel.wait()  # the page comes with its pictures
    return tabs
