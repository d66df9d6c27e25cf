"""Writes the records of a trial in its parent, as the trial's first process says; see `told_records` and `messages`.

The submission shares that process. So what it says need not be true, but it is what the trial said *at that time*:
nothing that happens later, in that process or at its exit, changes a record. Rows of evaluations are made from the
metrics that the referee was told when the evaluation ended.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from algoperf.errors import AlgoperfError, DiskFull
from algoperf.records.status import Status
from algoperf.records.trial_records import TrialRecords
from algoperf.trial.referee import Referee

Answer = dict[str, Any]
_NOT_REACHED = "The trial ended as if it had reached its targets, which no evaluation did."


class Recorder:
    """Takes the messages of the trial's first process: its records, and the times of its account.

    Attributes:
      referee: keeps the account.
      status: what the trial said last about how it stands; empty if it said nothing.
    """

    def __init__(self, directory: Path, referee: Referee, machine: Callable[[], Mapping[str, Any]]) -> None:
        """`machine` returns what status.json says about the machine."""
        self.status: dict[str, Any] = {}
        self.referee = referee
        self._machine = machine
        self._records = TrialRecords(directory)
        self._has_begun = self._is_closed = False
        self._failure: Exception | None = None  # of a row that nobody waits for
        self._handlers: dict[Any, Callable[[Mapping[str, Any]], None]] = {
            "reserve": lambda message: self._records.reserve(),
            "start": self._start,
            "resumed": self._resumed,
            "record": self._record,
            "logged": self._logged,
            "status": lambda message: None,  # see _handle
        }

    # --- messages -----------------------------------------------------------------------------------------------

    def hear(self, message: Mapping[str, Any], at: float) -> Answer:
        """Do what a message, which arrived `at` (monotonic seconds), asks for; returns the answer to a request."""
        kind = message.get("kind")
        try:
            answer = self.referee.hear(message, at)
            if kind == "closing":
                self._is_closed = True
            elif kind in self._handlers and "error" not in answer:
                self._handle(message, at)
        except AlgoperfError as error:
            return {"error": str(error), "exit_code": error.exit_code}
        except OSError as error:
            return {"error": f"The records cannot be written: {error}", "exit_code": AlgoperfError.exit_code}
        except (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError) as error:
            return self._refuse(f"a message {kind!r} cannot be read ({type(error).__name__}: {error})")
        return answer

    def _handle(self, message: Mapping[str, Any], at: float) -> None:
        if self._is_closed:
            self.referee.note(f"a message {message['kind']!r} came after the end")
            return
        if self._failure is not None and message["kind"] != "logged":
            failure, self._failure = self._failure, None
            raise failure
        if not self._has_begun:
            self.referee.begin()
            self._has_begun = True
        if message["kind"] == "status":
            self._status(message, at)
        else:
            self._handlers[message["kind"]](message)

    def _refuse(self, problem: str) -> Answer:
        self.referee.note(problem)
        return {"error": f"The parent of the trial refuses: {problem}.", "exit_code": AlgoperfError.exit_code}

    def _start(self, message: Mapping[str, Any]) -> None:
        self._records.preemption_count = _count(message["preemption_count"])
        given = message["hyperparameters"]
        self._records.write_start(
            None if given is None else dict(given), dict(message["meta_data"]), dict(message["flags"])
        )

    def _resumed(self, message: Mapping[str, Any]) -> None:
        self._records.preemption_count = _count(message["preemption_count"])
        known = [(_count(step), _row(metrics)) for step, metrics in message["evaluations"]]
        self._records.complete_evaluations(known)

    def _record(self, message: Mapping[str, Any]) -> None:
        metrics = self.referee.take_row(_count(message["global_step"]))
        self._records.append_evaluation(_row(metrics), message["global_step"])
        self.referee.look_at_checkpoint()

    def _logged(self, message: Mapping[str, Any]) -> None:
        row = _row(message["row"])
        try:
            self._records.append_scalar_metrics(row, row["global_step"], row["preemption_count"])
        except (AlgoperfError, OSError) as failure:
            self._failure = failure

    def _status(self, message: Mapping[str, Any], at: float) -> None:
        told = dict(message["content"])
        status = next((status for status in Status if status.label == told["status"]), None)
        if status is None:
            raise ValueError(f"{told['status']!r} is no status")
        if status is not Status.RUNNING:
            self.referee.stop(at)
            self._records.release_reserve()
        content = self._corrected(told, status)
        status = Status.from_label(content["status"])
        if status.finished and status is not Status.PRUNED:  # a pruned one may go on
            self._records.append_end(content["seconds"]["submission"], _count(content["global_step"]))
        self.write_status(content)

    def _corrected(self, told: dict[str, Any], status: Status) -> dict[str, Any]:
        """A status with official times, and without what only the trial says about evaluations."""
        referee, own = self.referee, dict(told.get("seconds") or {})
        interrupted = status is Status.INTERRUPTED
        official = referee.seconds_at_end(told.get("global_step")) if interrupted else referee.accounts
        reached = referee.target_reached_at
        if referee.known_from:  # an earlier process had no referee
            reached = told.get("target_reached_at") or reached
        elif status.finished or status is Status.RUNNING:  # others may have ended in the middle of an evaluation
            if _step(told.get("target_reached_at")) != _step(reached):
                referee.note(f"the trial says that it reached its target at {told['target_reached_at']}, not {reached}")
            if status is Status.TARGET_REACHED and reached is None and referee.knows_target:
                referee.note("the trial says that it reached its targets, which no evaluation did")
                told |= {"status": Status.RULE_BREACH.label, "finished": False, "message": _NOT_REACHED}
            if told.get("num_evaluations", referee.num_evaluations) != referee.num_evaluations:
                referee.note(f"the trial says that it made {told['num_evaluations']} evaluations")
        return {
            **told,
            "target_reached_at": reached,
            "num_evaluations": referee.num_evaluations,
            "seconds": {**own, **official},
            "trial_seconds": {name: own.get(name) for name in official},
            "machine": self._machine(),
            "referee": True,
        }

    # --- the end ------------------------------------------------------------------------------------------------

    def write_status(self, content: Mapping[str, Any]) -> None:
        """Replace `status.json`."""
        self._records.write_status(content)
        self.status = dict(content)

    def close(self) -> None:
        """Put back records that others have changed, and note that; all processes of the trial have ended."""
        self._records.release_reserve()
        try:
            for name in self._records.restore():
                self.referee.note(f"{name} was changed while the trial ran, by another process than its parent")
        except DiskFull:
            pass  # said by others, who can wait for room

    def hashes(self) -> dict[str, str]:
        """SHA-256 of the csv files, as they were written."""
        return self._records.hashes()


def _count(value: Any) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    raise ValueError(f"{value!r} is no count")


def _step(reached: Any) -> Any:
    return reached.get("global_step") if isinstance(reached, Mapping) else None


def _row(values: Any) -> dict[str, Any]:
    """A row whose names are text, and whose values are text or numbers."""
    row = dict(values)
    for name, value in row.items():
        if not isinstance(name, str) or not isinstance(value, (str, int, float)):
            raise TypeError(f"{name!r}: {value!r} cannot be in a row")
    return row
