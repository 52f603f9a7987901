"""The papers' claims, tested on our records: `logic` decides, each paper has a module of its statements, `ledger` lists all."""

from . import gaugan, ledger, logic, oasis, pix2pix, s3gan, smis

__all__ = ["gaugan", "ledger", "logic", "oasis", "pix2pix", "s3gan", "smis"]
