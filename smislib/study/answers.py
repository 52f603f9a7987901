"""A session: what one rater answers about one model, in a file that only grows.

studies/STUDY/RATER.N.jsonl: a line that says of what it is, then one line for each answer. It says neither which model was shown
nor which answer is right; that follows from study.json. Each answer replaces the file atomically, so a session that is
stopped goes on at the same trial.

    {"study": "control", "rater": "r01", "session": 1, "trials": "8d1c...", "date": "2025-01-31"}
    {"trial": 1, "answer": "yes", "seconds": 2.4}
"""

import datetime
import json
import re
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock

from .. import atomic, config
from ..errors import SmisError, did_you_mean
from .protocol import Study, Trial, find, plan

RATER = re.compile(r"[A-Za-z0-9_-]{1,40}")


@dataclass(frozen=True)
class Answer:
    """To one trial; `seconds` since it could be given, where known."""

    trial: int
    answer: str
    seconds: float | None = None


@dataclass(frozen=True)
class _Header:
    study: str
    rater: str
    session: int
    trials: str
    date: str


class Session:
    """A rater's n-th session of a study. Raises SmisError for a rater's name that is no file's name, or an n there is not."""

    def __init__(self, study: Study, rater: str, number: int = 1):
        if not RATER.fullmatch(rater):
            raise SmisError(f"a rater's name has 1 to 40 letters, digits, - and _, found {rater!r}: r01, r02 ... hide who it is.")
        self.study, self.rater, self.number = study, rater, number
        self.plan = plan(study, rater, number)
        self.path = study.folder / f"{rater}.{number}.jsonl"
        self._trials = config.content_hash([planned.pictures for planned in self.plan])

    @property
    def model(self) -> str:
        """What was shown. For scores, and for the rater when all is answered."""
        return self.plan[0].item.model

    @property
    def answers(self) -> tuple[Answer, ...]:
        """Those on the disk. Raises SmisError for a file that is damaged, or of other trials."""
        return self._read()[1]

    @property
    def date(self) -> str:
        """When it began, e.g. 2025-01-31."""
        return self._read()[0].date

    @property
    def finished(self) -> bool:
        return len(self.answers) == len(self.plan)

    @property
    def next(self) -> Trial | None:
        """The first trial without an answer; None after the last."""
        done = len(self.answers)
        return None if done == len(self.plan) else self.trial(done + 1)

    def trial(self, number: int) -> Trial:
        planned = self.plan[number - 1]
        return Trial(number, tuple(self.study.pictures / name for name in planned.pictures), planned.item.practice)

    def answer(self, trial: int, answer: str, seconds: float | None = None) -> str | None:
        """Write an answer down. After a practice trial of real-vs-fake: which image was generated; else None.

        Raises SmisError for a trial that has an answer, or whose turn it is not, and for a word that is no answer.
        """
        protocol = self.study.protocol
        if answer not in protocol.answers:
            raise did_you_mean("answer", answer, protocol.answers)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(self.path.with_suffix(".lock")):
            header, given = self._read()
            if trial <= len(given):
                raise SmisError(f"trial {trial} of {self.path.name} has its answer already: the next is {len(given) + 1}.")
            if trial != len(given) + 1 or trial > len(self.plan):
                raise SmisError(f"{self.path.name} has {len(given)} of {len(self.plan)} answers, found one to trial {trial}.")
            self._write(header, (*given, Answer(trial, answer, None if seconds is None else round(seconds, 2))))
        planned = self.plan[trial - 1]
        return planned.generated(protocol) if planned.item.practice else None

    def scored(self) -> list[bool]:
        """For each counted trial that has its answer, whether it is one for the model.

        In the order of the study's items, so that it lines up with that of other raters.
        """
        pairs = [(p, a) for p, a in zip(self.plan, self.answers, strict=False) if not p.item.practice]
        return [p.scores(self.study.protocol, a.answer) for p, a in sorted(pairs, key=lambda pair: pair[0].index)]

    def _header(self) -> _Header:
        return _Header(self.study.name, self.rater, self.number, self._trials, datetime.date.today().isoformat())

    def _read(self) -> tuple[_Header, tuple[Answer, ...]]:
        mine = self._header()
        if not self.path.exists():
            return mine, ()
        try:
            first, *rest = map(json.loads, self.path.read_text("utf-8").splitlines())
            header = config.from_dict(_Header, first)
            answers = tuple(config.from_dict(Answer, line) for line in rest)
        except (ValueError, SmisError) as error:
            raise SmisError(f"{self.path} is not a session of a study ({error}): see smislib/study/answers.py.") from error
        for what in ("study", "rater", "session", "trials"):
            if getattr(header, what) != getattr(mine, what):
                raise SmisError(
                    f"{self.path} is of {what} {getattr(header, what)!r}, expected {getattr(mine, what)!r}: its answers are to "
                    "other trials. Move it away, or put the study.json back that it belongs to."
                )
        good = [a.trial for a in answers] == list(range(1, len(answers) + 1)) and len(answers) <= len(self.plan)
        if not good or {a.answer for a in answers} - set(self.study.protocol.answers):
            words = " or ".join(self.study.protocol.answers)
            raise SmisError(f"{self.path} must answer trials 1, 2 ... {len(self.plan)} by {words}.")
        return header, answers

    def _write(self, header: _Header, answers: tuple[Answer, ...]) -> None:
        lines = [json.dumps(config.to_dict(line)) for line in (header, *answers)]
        atomic.write(self.path, lambda path: path.write_text("\n".join(lines) + "\n"))


def open_session(study: Study | str, rater: str, number: int | None = None) -> Session:
    """The rater's first session that is not finished, or the `number`-th; a finished one when there is no other."""
    study = find(study) if isinstance(study, str) else study
    session = Session(study, rater, number or 1)
    while number is None and session.finished and not study.protocol.one_session and session.number < len(study.sources):
        session = Session(study, rater, session.number + 1)
    return session


def sessions(study: Study) -> list[Session]:
    """Those that have an answer, finished or not."""
    return [Session(study, *_of(path)) for path in sorted(study.folder.glob("*.jsonl"))]


def _of(path: Path) -> tuple[str, int]:
    rater, _, number = path.stem.rpartition(".")
    if not number.isdigit():
        raise SmisError(f"{path} is no session: its name must be RATER.N.jsonl.")
    return rater, int(number)
