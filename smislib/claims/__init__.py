"""The papers' claims, tested on our records: `logic` decides, and each paper has a module of its statements."""

from . import logic, oasis, smis

__all__ = ["logic", "oasis", "smis"]
