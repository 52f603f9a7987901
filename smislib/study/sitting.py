"""What happens in front of a screen, without the screen: begin, answer, feedback, the end."""

import time
from collections.abc import Callable

from ..errors import SmisError
from .answers import Session
from .protocol import Trial

LEAD = 0.5  # seconds of blank before pictures that go again: time to look
SETTLE = 0.3  # seconds in which a second click or key still belongs to the trial before


class Sitting:
    """A rater before a session. `stage` is "ready", "trial", "feedback" (after practice) or "done"; `message` is what to say.

    `clock` gives seconds. A session that has begun is "ready" again: nobody misses the pictures of a trial that nobody asked for.
    """

    def __init__(self, session: Session, clock: Callable[[], float] = time.monotonic):
        self.session, self.clock = session, clock
        self.stage, self.message, self.trial, self._answerable = "ready", "", session.next, 0.0
        if self.trial is None:
            self._end()

    @property
    def progress(self) -> str:
        """E.g. "12 of 50", "practice 3 of 10"."""
        practice, last = self.session.study.protocol.practice, len(self.session.plan)
        number = self.trial.number if self.trial else last
        return f"practice {number} of {practice}" if number <= practice else f"{number - practice} of {last - practice}"

    def proceed(self) -> None:
        """To the next trial: begins, or leaves the feedback."""
        if self.stage in ("ready", "feedback"):
            self._show(self.session.next)

    def key(self, character: str) -> None:
        """A key: an answer's, or, where no answer is asked for, any to proceed."""
        protocol = self.session.study.protocol
        if self.stage != "trial":
            return self.proceed()
        if character not in protocol.keys:
            self.message = f"Keys: {', '.join(f'{k} {a}' for k, a in zip(protocol.keys, protocol.answers, strict=True))}."
            return None
        return self.answer(protocol.answers[protocol.keys.index(character)])

    def answer(self, answer: str) -> None:
        """The answer to the trial on the screen. Too early, or given elsewhere, it is not taken, and `message` says so."""
        if self.stage != "trial":
            return
        seconds = self.clock() - self._answerable
        if seconds < 0:
            timed = self.session.study.protocol.display_seconds
            self.message = "Answer when the images are gone." if timed else ""
            return
        try:
            generated = self.session.answer(self.trial.number, answer, seconds)  # ty: ignore[missing-union-attribute]
        except SmisError as error:  # another window has answered it, or the disk is full
            self.stage, self.message, self.trial = "ready", str(error), self.session.next
            return self._end() if self.trial is None else None
        if generated:
            self.stage = "feedback"
            self.message = f"{'Right' if generated == answer else 'Wrong'}: the {generated} image was generated."
        else:
            self._show(self.session.next)

    def _show(self, trial: Trial | None) -> None:
        self.trial = trial
        if trial is None:
            return self._end()
        self.stage, self.message = "trial", ""
        timed = self.session.study.protocol.display_seconds
        self._answerable = self.clock() + (LEAD + timed if timed else SETTLE)
        return None

    def _end(self) -> None:
        scored = self.session.scored()
        she = self.session.study.protocol.metric == "SHE"
        said = f"You said that {sum(scored)} of them" if she else f"You took the real image of {sum(scored)} of them"
        self.stage = "done"
        self.message = (
            f"Thank you. All {len(scored)} pairs were of {self.session.model}. {said} "
            f"{'differ in exactly one class' if she else 'for the generated one'}."
        )
