"""The architecture figures 2, 3 and 7-10 of SMIS, drawn from built networks.

Every channel, group, kernel, stride, norm, size and parameter count is read off the modules (`reading`). A layer is a
row of boxes, one for each group, in the colours of the classes that the group holds (`lanes`). While groups are pure the
lanes stay apart; where classes share a group their colours run into each other.
"""

from .alternatives import side_by_side
from .overview import architecture, describe
from .reading import Layer, read, read_discriminator, read_unused
from .sheets import discriminator, encoders, generators

__all__ = [
    "Layer",
    "architecture",
    "describe",
    "discriminator",
    "encoders",
    "generators",
    "read",
    "read_discriminator",
    "read_unused",
    "side_by_side",
]
