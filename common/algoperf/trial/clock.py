"""The clock of a trial: it charges time to the submission, to evaluation or to logging.

The clock is monotonic, and the same for both frameworks. Every moment after `start` is charged to exactly one of the
three accounts. Submission time has parts: waiting for data, updating, preparing for evaluation. The rest of it is the
harness's own bookkeeping, which counts as submission time too.

A trial that has a parent is timed by it (`referee`), in the same accounts. Then the times of this clock are only noted
beside the parent's, and the trial learns at every evaluation how far the parent's clock is ahead of this one.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass

ACCOUNTS = ("submission", "evaluation", "logging")


@dataclass
class Times:
    """Seconds charged so far, summed over the processes that worked on the trial one after another."""

    submission: float = 0.0
    evaluation: float = 0.0
    logging: float = 0.0
    data_wait: float = 0.0  # these are parts of `submission`
    update: float = 0.0
    prepare_for_eval: float = 0.0
    first_step: float = 0.0  # the first step of every process: compilation and cold caches
    compile: float = 0.0  # only what was compiled on the clock
    total: float = 0.0  # wall time on the clock, without the time between two processes

    def as_dict(self) -> dict[str, float]:
        """All accounts by name, in seconds."""
        return asdict(self)


def columns(seconds: Mapping[str, float]) -> dict[str, float]:
    """The columns of the records that have the times of an evaluation; `seconds` are accounts and their `total`."""
    return {
        "score": seconds["submission"],
        "total_duration": seconds["total"],
        "accumulated_submission_time": seconds["submission"],
        "accumulated_eval_time": seconds["evaluation"],
        "accumulated_logging_time": seconds["logging"],
    }


class Clock:
    """Charges time to the accounts of `times`.

    Attributes:
      now: the monotonic time, in seconds.
      mark: everything up to this time has been charged.
      started: when the clock started in this process.
      last_eval_end: when the last evaluation ended; at first, when the clock started.
      ahead_sec: how many more seconds of submission time the parent of the trial had charged, when it last said so.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self.times = Times()
        self.now = now
        self.mark = self.started = self.last_eval_end = now()
        self.ahead_sec = 0.0
        self._compiled = 0.0
        self._has_stepped = False

    def start(self) -> None:
        """Begin charging."""
        self.mark = self.started = self.last_eval_end = self.now()

    @property
    def submission_sec(self) -> float:
        """Official submission time, as far as it is known here: that of the parent, if there is one."""
        return self.times.submission + self.ahead_sec

    def agree(self, official_sec: float) -> None:
        """Note the official submission time at this moment."""
        self.ahead_sec = official_sec - self.times.submission

    def charge_submission(self) -> float:
        """Charge the time since the last charge to the submission; returns the time."""
        self.times.submission += self._pass()
        return self.mark

    def charge_step(self) -> float:
        """The same at the end of a step; the first step of a process is noted apart."""
        self.charge_submission()
        if not self._has_stepped:
            self._has_stepped = True
            self.times.first_step += self.mark - self.started
        return self.mark

    @contextmanager
    def evaluation(self) -> Iterator[None]:
        """Charge the time inside to evaluation instead of to the submission."""
        self.charge_submission()
        try:
            yield
        finally:
            self.times.evaluation += self._pass()

    @contextmanager
    def logging(self) -> Iterator[None]:
        """Charge the time inside to logging instead of to the submission."""
        self.charge_submission()
        try:
            yield
        finally:
            self.times.logging += self._pass()

    def end_evaluation(self) -> float:
        """Note that an evaluation ends now: the next one is due a period later. Returns the time."""
        self.last_eval_end = self.now()
        return self.last_eval_end

    def note_compilation(self, compiled: float, on_the_clock: bool = True) -> None:
        """Note the seconds spent compiling in this process so far; what is new happened on the clock or off it."""
        if on_the_clock:
            self.times.compile += compiled - self._compiled
        self._compiled = compiled

    def _pass(self) -> float:
        now = self.now()
        passed, self.mark = now - self.mark, now
        self.times.total += passed
        return passed
