"""What a study asks, of which pictures, and in which order: all of it follows from the study, the rater and a seed.

SHE (SMIS 4.3): a rater sees a label map and two images that one model made of it with the code of one class drawn anew, and
says whether they differ in exactly one class. 50 questions, no limit of time. It is the share of "yes"; a model without
control over classes changes more than one. Which class was meant is not said.

Real-vs-fake (pix2pix 4.1, after Zhang et al. 1603.08511): a real image beside a generated one for a second, then as much time
as one likes to say which is generated. 10 practice trials with feedback, 40 that count, one algorithm a session, one session a
rater. It is the share of trials in which the real image was pointed at.

In both, every rater of a model sees the same pairs, in an order of their own: so their agreement can be told.
"""

import json
import re
from dataclasses import dataclass
from pathlib import Path

import torch

from .. import config, paths
from ..errors import SmisError, did_you_mean
from ..sample import generator


@dataclass(frozen=True)
class Protocol:
    """How a session goes."""

    metric: str  # what its score is called
    question: str
    answers: tuple[str, ...]  # two; for real-vs-fake the place of each picture
    keys: tuple[str, ...]  # that give them
    trials: int  # that count
    practice: int = 0  # before them, with feedback
    display_seconds: float | None = None  # then the pictures go; None: they stay
    one_session: bool = False  # a rater sees one model alone

    def __post_init__(self):
        if self.metric not in ("SHE", "Real") or self.trials < 1 or self.practice < 0:
            raise SmisError(f"a protocol has metric SHE or Real, trials >= 1 and practice >= 0, found {self}.")


SHE = Protocol("SHE", "Do the two images differ in exactly one class?", ("yes", "no"), ("y", "n"), trials=50)
REAL_VS_FAKE = Protocol(
    "Real", "Which image was generated?", ("left", "right"), ("1", "2"), 40, practice=10, display_seconds=1.0, one_session=True
)
NAMES = {"she": SHE, "real": REAL_VS_FAKE}  # on the command line


@dataclass(frozen=True)
class Source:
    """The trained network of a model: its run's experiment hash, and that of its weights."""

    model: str
    seed: int
    experiment: str
    weights: str


@dataclass(frozen=True)
class Item:
    """One pair. `pictures` are file names: of the two images, for Real first the real one; for SHE the label map before them."""

    model: str
    name: str  # of the held-out image whose label map or input it is made from
    pictures: tuple[str, ...]
    part: str | None = None  # the class whose code differs
    practice: bool = False


@dataclass(frozen=True)
class Study:
    """What was asked. Holds the key: no screen shows it while there are answers to give."""

    name: str
    protocol: Protocol
    data: str
    preset: str
    seed: int
    sources: tuple[Source, ...]
    items: tuple[Item, ...]

    @property
    def folder(self) -> Path:
        return folder() / self.name

    @property
    def pictures(self) -> Path:
        return self.folder / "pictures"


@dataclass(frozen=True)
class Trial:
    """What a screen may know: a number from 1, the pictures from left to right, and whether feedback follows."""

    number: int
    pictures: tuple[Path, ...]
    practice: bool


@dataclass(frozen=True)
class Planned:
    """A trial with its key: the item, its place in the study's list, and whether its two images change places."""

    item: Item
    index: int
    swapped: bool

    @property
    def pictures(self) -> tuple[str, ...]:
        *before, a, b = self.item.pictures
        return (*before, b, a) if self.swapped else (*before, a, b)

    def scores(self, protocol: Protocol, answer: str) -> bool:
        """Whether an answer counts for the model: "yes" to SHE, or the real image taken for the generated one."""
        return answer == protocol.answers[0] if protocol.metric == "SHE" else answer != self.generated(protocol)

    def generated(self, protocol: Protocol) -> str:
        """Where the generated image stands, for real-vs-fake."""
        return protocol.answers[0 if self.swapped else 1]


def folder() -> Path:
    """Where the studies are."""
    return paths.home() / "studies"


def studies() -> list[Study]:
    """Every study there is."""
    return [find(path.parent.name) for path in sorted(folder().glob("*/study.json"))]


def find(name: str) -> Study:
    """The study of that name. Raises SmisError when there is none, or its file is damaged."""
    path = folder() / name / "study.json"
    known = [p.parent.name for p in folder().glob("*/study.json")]
    if name not in known:
        raise did_you_mean("study", name, known)
    try:
        return config.from_dict(Study, json.loads(path.read_text("utf-8")))
    except (OSError, ValueError, RecursionError, SmisError) as error:
        raise SmisError(f"{path} is not a study ({error}). Make it again: smis study make.") from error


def models_of(study: Study, rater: str) -> list[str]:
    """The models that a rater sees, one a session, in order; for real-vs-fake one.

    Balanced over raters whose names end in numbers: of M models, r00 ... r(M-1) begin with a different one each, and so do
    the next M. A name without a number has one by its hash.
    """
    models, digits = [source.model for source in study.sources], re.search(r"\d+$", rater)
    number = int(digits[0]) if digits else int(config.content_hash(rater), 16)
    block, first = divmod(number, len(models))
    order = torch.randperm(len(models), generator=generator(study.seed, study.name, "models", block)).tolist()
    order = [models[i] for i in order[first:] + order[:first]]
    return order[:1] if study.protocol.one_session else order


def plan(study: Study, rater: str, session: int = 1) -> tuple[Planned, ...]:
    """The trials of a rater's n-th session with their key: practice first, each part in random order, and in half of each
    the two images change places. Raises SmisError for a session that the rater does not have.
    """
    models = models_of(study, rater)
    if not 1 <= session <= len(models):
        raise SmisError(f"rater {rater!r} has sessions 1 to {len(models)} of study {study.name!r}, found {session}.")
    items = [(item, index) for index, item in enumerate(study.items) if item.model == models[session - 1]]
    rng = generator(study.seed, study.name, rater, session)
    parts = [[(item, index) for item, index in items if item.practice is practice] for practice in (True, False)]
    found, expected = [len(part) for part in parts], [study.protocol.practice, study.protocol.trials]
    if found != expected:
        raise SmisError(f"study {study.name!r} has {found} pairs (practice, counted), its protocol {expected}: make it again.")
    planned = []
    for part in parts:
        order, places = torch.randperm(len(part), generator=rng), torch.randperm(len(part), generator=rng)
        planned += [Planned(*part[i], place % 2 == 1) for i, place in zip(order.tolist(), places.tolist(), strict=True)]
    return tuple(planned)
