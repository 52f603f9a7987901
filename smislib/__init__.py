"""smislib: semantically multi-modal image synthesis (GroupDNet) and the papers around it, reproducible."""

from . import convert
from .data import DATA
from .models import MODELS
from .presets import batch, build, experiment
from .runs import load
from .sample import draw, encode, generate, generator, interpolate, manipulate, mix, reconstruct, resample

__version__ = "0.1.0"
__all__ = [
    "DATA",
    "MODELS",
    "batch",
    "build",
    "convert",
    "draw",
    "encode",
    "experiment",
    "generate",
    "generator",
    "interpolate",
    "load",
    "manipulate",
    "mix",
    "reconstruct",
    "resample",
]
