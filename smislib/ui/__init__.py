"""Widgets over loaded networks, for JupyterLab and the app. Each function returns one; on paper it is a strip of pictures."""

from .explorer import explorer
from .painter import painter

__all__ = ["explorer", "painter"]
