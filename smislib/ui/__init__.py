"""Widgets over loaded networks, for JupyterLab and the app. Each function returns one; on paper it is a strip of pictures."""

from .explorer import explorer
from .mixer import mixer
from .monitor import monitor
from .morph import morph
from .painter import painter
from .panels import classes, noise
from .rating import rate

__all__ = ["classes", "explorer", "mixer", "monitor", "morph", "noise", "painter", "rate"]
