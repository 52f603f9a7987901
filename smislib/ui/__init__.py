"""Widgets over loaded networks, for JupyterLab and the app. Each function returns one; on paper it is a strip of pictures."""

from .explorer import explorer
from .mixer import mixer
from .monitor import monitor
from .morph import morph
from .panels import classes, noise

__all__ = ["classes", "explorer", "mixer", "monitor", "morph", "noise"]
