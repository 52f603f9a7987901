"""The one module that knows the tree.

`SMIS_HOME` moves everything that is written (runs, caches, figures); unset, it is the checkout
that holds this package, or the working directory when the package is installed elsewhere.
"""

import os
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent
ASSETS = PACKAGE / "assets"  # shipped networks, a few hundred kB
CHECKOUT = PACKAGE.parent if (PACKAGE.parent / "Makefile").exists() else Path.cwd()
NOTEBOOKS = CHECKOUT / "notebooks"  # sources; executed copies go to `executed`
PUBLISHED = CHECKOUT / "results" / "published" / "published.json"
COMMITTED_RECORDS = CHECKOUT / "results" / "runs"
COMMITTED_BENCH = CHECKOUT / "results" / "bench"
SHIPPED_RECORDS = CHECKOUT / "results" / "shipped"  # of the model in `ASSETS`


def home() -> Path:
    """Where everything that a run writes goes."""
    return Path(os.environ.get("SMIS_HOME", CHECKOUT)).expanduser().resolve()


def runs() -> Path:
    """The run store."""
    return home() / "runs"


def cache() -> Path:
    """What can be made again from its key: rendered data, features."""
    return home() / "runs" / ".cache"


def bench() -> Path:
    """What `smis bench` measured on this machine."""
    return home() / "runs" / "bench"


def figures(preset: str) -> Path:
    """`figures/` holds the `demo` figures; other presets never overwrite them."""
    return home() / "figures" if preset == "demo" else home() / "figures" / preset


def executed(preset: str) -> Path:
    """Notebooks that papermill ran, one folder per preset."""
    return home() / "runs" / "notebooks" / preset


def weights() -> Path | None:
    """`SMIS_WEIGHTS`: local copies of pretrained backbones, or None to use the usual caches."""
    folder = os.environ.get("SMIS_WEIGHTS")
    return Path(folder).expanduser().resolve() if folder else None


def data_root() -> Path | None:
    """`DATA_ROOT`: the folder of the real data sets, or None for the embedded ones."""
    folder = os.environ.get("DATA_ROOT")
    return Path(folder).expanduser().resolve() if folder else None
