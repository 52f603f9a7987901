"""The papers' claims, tested on our records: `logic` decides, and each paper has a module of its statements."""

from . import gaugan, logic, oasis, pix2pix, s3gan, smis

__all__ = ["gaugan", "logic", "oasis", "pix2pix", "s3gan", "smis"]
