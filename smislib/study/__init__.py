"""Human studies: SHE of SMIS (section 4.3) and real-vs-fake of pix2pix (section 4.1), from pictures to a table's column.

    made = study.make("control", study.SHE, finished_runs)     # pictures of trained networks, and their key
    session = study.open_session("control", rater="r01")       # one rater, one model, where it stopped
    smislib.ui.rating.rate(session)                            # the widget that asks
    study.score(made)                                          # model -> Measurement; `records` for the tables

A study is a folder of SMIS_HOME/studies: study.json (what was asked, and the key), pictures/ (named by their content, which tells
nothing), and a file of answers for each session. Whoever rates should not read study.json.
"""

from typing import Any

from .answers import Answer, Session, open_session, sessions
from .importing import import_answers
from .pictures import make
from .protocol import NAMES, REAL_VS_FAKE, SHE, Item, Protocol, Source, Study, Trial, find, folder, models_of, plan, studies
from .sitting import Sitting

__all__ = [
    "NAMES",
    "REAL_VS_FAKE",
    "SHE",
    "Agreement",
    "Answer",
    "Item",
    "Protocol",
    "Session",
    "Sitting",
    "Source",
    "Study",
    "Trial",
    "agreement",
    "beside",
    "find",
    "folder",
    "import_answers",
    "make",
    "models_of",
    "open_session",
    "plan",
    "records",
    "score",
    "sessions",
    "studies",
    "table",
]


def __getattr__(name: str) -> Any:
    """What makes tables, when it is asked for: pandas takes a second to import, for which no widget should wait."""
    if name not in __all__:
        raise AttributeError(f"module {__name__} has no attribute {name}")
    from . import scores

    return getattr(scores, name)
