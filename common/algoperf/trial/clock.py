"""The clock of a trial: it charges time to the submission, to evaluation or to logging.

The clock is monotonic, and the same for both frameworks. Every moment after `start` is charged to exactly one of the
three accounts. Submission time has parts: waiting for data, updating, preparing for evaluation. The rest of it is the
harness's own bookkeeping, which counts as submission time too.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any


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


class Clock:
    """Charges time to the accounts of `times`. Everything up to `mark` has been charged."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self.times = Times()
        self.now = now
        self.mark = now()

    def start(self) -> float:
        """Begin charging; returns the time."""
        self.mark = self.now()
        return self.mark

    def charge_submission(self) -> float:
        """Charge the time since the last charge to the submission; returns the time."""
        return self._charge("submission")

    def timed(self, part: str, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Call a function of the submission and add its time to one part of submission time."""
        begin = self.now()
        try:
            return function(*args, **kwargs)
        finally:
            setattr(self.times, part, getattr(self.times, part) + self.now() - begin)

    @contextmanager
    def off(self, account: str) -> Iterator[None]:
        """Charge the time inside to `evaluation` or `logging` instead of to the submission."""
        self.charge_submission()
        try:
            yield
        finally:
            self._charge(account)

    def _charge(self, account: str) -> float:
        now = self.now()
        passed, self.mark = now - self.mark, now
        setattr(self.times, account, getattr(self.times, account) + passed)
        self.times.total += passed
        return now
