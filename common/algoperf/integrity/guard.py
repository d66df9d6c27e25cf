"""The guard of one trial: whenever the clock stops, checks everything that a submission could have changed.

It does nothing during a step. docs/integrity.md says what cannot be prevented in the same process.
"""

from __future__ import annotations

import copy
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from algoperf.integrity.audit import Watch
from algoperf.integrity.seals import Seal

if TYPE_CHECKING:
    from algoperf.workload.bound import BoundWorkload

# Bound when this module is imported, which is before any submission is imported.
_now = time.monotonic
_get_handler = signal.getsignal
_SHOWN_CHANGES = 5
_SUM_TOLERANCE_SEC = 1e-3  # of a sum of up to some million terms
# Attributes that `init_model_fn` sets; submissions may call it again.
_SET_BY_INIT = ("_param_shapes", "_param_types", "_takes_dropout", "_has_batch_norm")
_HANDLED = (signal.SIGTERM, signal.SIGINT)


class ReadableClock(Protocol):
    """What the guard reads of a trial's clock.

    Attributes:
      now: the time, in seconds.
      mark: everything up to this time has been charged.
      charged: seconds charged so far.
    """

    now: Callable[[], float]
    mark: float

    @property
    def charged(self) -> float:
        """See the attributes."""
        ...


class Guard:
    """Watches one submission, from before its import until `close`."""

    def __init__(self, submission_folder: Path, protected: Mapping[str, Path]) -> None:
        """`protected`: folders that the submission must not touch, by description."""
        self._watch = Watch(submission_folder, protected)
        self._watch.start()
        self._seal = Seal().modules()
        self._tracing = (sys.gettrace(), sys.getprofile())
        self._gc_callbacks = len(_gc_callbacks())
        self._handlers: dict[int, Any] = {}
        self._goals: Mapping[str, Any] = {}
        self._describe: Callable[[], Mapping[str, str]] | None = None
        self._built: Mapping[str, str] = {}
        self._checksums: Callable[[], Mapping[str, int]] | None = None
        self._standing: Mapping[str, int] | None = None
        self._started: tuple[float, float] | None = None

    def close(self) -> None:
        """Stop watching."""
        self._watch.stop()

    # --- what is watched ------------------------------------------------------------------------------------

    def seal(self, workload: BoundWorkload, **parts: Any) -> None:
        """Seal workload, limits and definition, and the methods of the harness's own objects (`parts`)."""
        self._seal.fields("workload", workload, but=_SET_BY_INIT)
        self._seal.fields("workload.limits", workload.limits)
        self._seal.fields("workload.definition", workload.definition)
        for name, part in parts.items():
            self._seal.methods(name, part)

    def queue_built(self, queue: object) -> None:
        """Seal the input queue, which the submission holds: it is prepared and paused while the clock stands still."""
        self._seal.fields("queue", queue, but=vars(queue).keys() - {"_batches", "_place"})
        self._seal.methods("queue.batches", vars(queue)["_batches"])

    def clock_started(self, clock: ReadableClock) -> None:
        """Remember when the clock started, and the signal handlers, which are the trial's from here on."""
        self._started = (clock.mark, clock.charged)
        self._seal.fields("clock", clock, but=vars(clock).keys() - {"now"})
        self._handlers = {number: _get_handler(number) for number in signal.valid_signals()}

    def model_built(
        self, describe: Callable[[], Mapping[str, str]], checksums: Callable[[], Mapping[str, int]]
    ) -> None:
        """Remember the structure of the model.

        Args:
          describe: says what the model consists of when it is called.
          checksums: gives a number per parameter, which changes when the values do.
        """
        self._describe, self._built = describe, describe()
        self._checksums = checksums

    def forget_model(self) -> None:
        """Compare the model no more."""
        self._describe = self._checksums = self._standing = None

    def goals_set(self, goals: Mapping[str, Any]) -> None:
        """Remember the evaluations and goals that the harness has recorded."""
        self._goals = copy.deepcopy(goals)

    # --- when the clock stops -------------------------------------------------------------------------------

    def clock_stops(self) -> None:
        """Remember the values of the parameters, which nobody may change until `clock_goes_on`."""
        self._standing = None if self._checksums is None else self._checksums()

    def clock_goes_on(self) -> None:
        """Note whether a parameter changed while the clock stood. `breaches` says so."""
        for breach in self._training_off_the_clock():
            self._watch.note(breach)
        self._standing = None

    @staticmethod
    def time() -> float:
        """The monotonic time, as it was before a submission could replace anything."""
        return _now()

    def check_clock(self, before: float, clock: ReadableClock) -> None:
        """Check that a clock that was charged since `before` shows the time that has passed."""
        after = _now()
        if self._started is None or clock.now is not _now:  # a test's clock; the seal detects a replaced clock
            return
        start, charged = self._started
        shown = clock.charged - charged
        if not before <= clock.mark <= after or abs(shown - (clock.mark - start)) > _SUM_TOLERANCE_SEC:
            passed = after - start
            self._watch.note(f"The clock shows {shown:.3f} s, but {passed:.3f} s have passed since it started.")

    def breaches(self, goals: Mapping[str, Any]) -> list[str]:
        """All breaches seen so far, as sentences. Call this while the clock is stopped."""
        self._watch.note_live_threads_and_processes()
        for breach in (
            *self._replaced(), *self._steered(), *self._model_changes(), *self._training_off_the_clock()
        ):  # fmt: skip
            self._watch.note(breach)
        if self._goals and goals != self._goals:
            self._watch.note("Evaluations or goals that the harness had noted were changed.")
        return list(self._watch.breaches)

    def _replaced(self) -> Iterator[str]:
        changes = sorted(set(self._seal.changes()))
        if changes:
            more = f" and {len(changes) - _SHOWN_CHANGES} more" if len(changes) > _SHOWN_CHANGES else ""
            yield f"It replaced {', '.join(changes[:_SHOWN_CHANGES])}{more}."

    def _steered(self) -> Iterator[str]:
        for number, handler in self._handlers.items():
            found = _get_handler(number)
            code = getattr(found, "__code__", None)
            own = code is not None and self._watch.is_of_submission(code.co_filename)
            if found is not handler and (own or number in _HANDLED):
                yield f"It replaced the handler of {signal.Signals(number).name}."
        if (sys.gettrace(), sys.getprofile()) != self._tracing:
            yield "It traces this process."
        for callback in _gc_callbacks()[self._gc_callbacks :]:
            code = getattr(callback, "__code__", None)
            if code is not None and self._watch.is_of_submission(code.co_filename):
                yield "It is called by the garbage collector, also while the clock stands still."

    def _model_changes(self) -> Iterator[str]:
        if self._describe is None:
            return
        found = self._describe()
        for name in sorted(self._built.keys() | found.keys()):
            was, now = self._built.get(name, "nothing"), found.get(name, "nothing")
            if was != now:
                yield f"It changed the model: {name} was {was}, and is {now}."
                return

    def _training_off_the_clock(self) -> Iterator[str]:
        if self._standing is None or self._checksums is None:
            return
        found = self._checksums()
        changed = [name for name, value in self._standing.items() if found.get(name) != value]
        if changed:
            yield f"It changed {len(changed)} parameters while the clock stood still, such as {changed[0]}."


def _gc_callbacks() -> list[Any]:
    import gc

    return gc.callbacks
