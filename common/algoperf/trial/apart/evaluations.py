"""The parent's side: one clean process evaluates the trial's snapshots, while the trial stands still.

The metrics that count are those of the clean process: whatever the trial tells of an evaluation is replaced by them.
"""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from algoperf.checkpoint import holds_model
from algoperf.system import clean_python
from algoperf.trial import messages
from algoperf.trial.apart.remote import SNAPSHOT
from algoperf.trial.apart.standstill import Standstill

Answer = Mapping[str, Any] | None
"""What a request is answered with; None if the answer comes later."""
_ATTEMPTS = 2  # a process that was killed once, for memory or by a user, gets another chance
_METRICS = ("train/", "validation/", "test/")


class EvaluationsApart:
    """Keeps the clean process, and the trial standing still while it evaluates.

    Attributes:
      metrics: what was found, by step.
      snapshots: SHA-256 of the model that was evaluated, by step.
      longest_sec: how long the longest evaluation took, which may have compiled.
      stood_sec: how long the trial stood still for it, by step.
    """

    def __init__(self, order: Mapping[str, Any], directory: Path, note: Callable[[str], None]) -> None:
        """
        Args:
          order: what the clean process evaluates, see `process.Order`.
          directory: the trial's folder.
          note: takes findings about the trial, as sentences.
        """
        self.metrics: dict[int, dict[str, Any]] = {}
        self.snapshots: dict[int, str | None] = {}
        self.longest_sec = 0.0
        self.stood_sec: dict[int, float] = {}
        self._stands_since = 0.0
        self._order, self._path, self._note = order, directory / SNAPSHOT, note
        self._standstill = Standstill(self._announce)
        self._process: subprocess.Popen[bytes] | None = None
        self._is_ready = False
        self._broken: dict[str, Any] | None = None  # why there is no clean process, as an answer
        self._num_deaths = 0  # since the last result
        self._failure: str | None = None  # of the request
        self._request: dict[str, Any] | None = None  # what the trial waits for

    # --- the clean process ------------------------------------------------------------------------------------

    def start(self, selector: selectors.BaseSelector) -> None:
        """Start the clean process; `selector` wakes whoever attends to it.

        It has a group of its own: a terminal's signals are for the parent.
        """
        self._inbox = messages.Inbox()
        descriptor = self._inbox.theirs.fileno()
        told = {**os.environ, **messages.environment(self._inbox.theirs)}
        command = clean_python("algoperf.trial.apart.process")
        self._process = subprocess.Popen(command, env=told, process_group=0, pass_fds=[descriptor])
        self._inbox.theirs.close()
        self._inbox.answer(None, {"kind": "open", "order": dict(self._order)})
        self._is_ready = False
        selector.register(self._inbox.ours, selectors.EVENT_READ)

    def close(self) -> None:
        """End the clean process; let the trial go on if it stands still."""
        if self._standstill.holds:
            self._standstill.end(self._own)
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._inbox.close()

    def signal(self, number: int) -> None:
        """Pass on a signal that stops everything, or lets it go on."""
        if self._process is not None and self._process.poll() is None:
            os.killpg(self._process.pid, number)

    @property
    def holds(self) -> bool:
        """Whether the trial stands still now."""
        return self._standstill.holds

    @property
    def _own(self) -> list[int]:
        """Processes that do not stand still with the trial."""
        return [] if self._process is None else [self._process.pid]

    def _announce(self, processes: list[int]) -> None:
        self._inbox.answer(None, {"kind": "holds", "processes": processes})

    # --- what the trial says ----------------------------------------------------------------------------------

    def listening(
        self, hear: Callable[[Mapping[str, Any], float], Mapping[str, Any]]
    ) -> Callable[[Mapping[str, Any], float], Answer]:
        """`hear` for all messages but requests for evaluations, and with the metrics that count."""

        def hear_apart(message: Mapping[str, Any], at: float) -> Answer:
            kind = message.get("kind")
            if kind in ("evaluations", "snapshot"):
                return self._requested(message)
            return hear(self._with_metrics(message) if kind == "evaluated" else message, at)

        return hear_apart

    def _requested(self, message: Mapping[str, Any]) -> Answer:
        kind, step = message["kind"], message.get("global_step", 0)
        if self._request is not None or not isinstance(step, int):
            self._note(f"a message {kind!r} came that makes no sense")
            return {"failure": "The parent of the trial refuses."}
        self._request = {"kind": kind, "id": message.get("id"), "step": step}
        if kind == "snapshot":
            for problem in self._standstill.begin(self._own):
                self._note(problem)
            self._stands_since = time.monotonic()
            self._evaluate(step)
        return None

    def _evaluate(self, step: int) -> None:
        if not holds_model(self._path):  # reading what is no file could take forever
            self._failure = "The snapshot has no files of a model."
            return
        self.signal(signal.SIGCONT)  # the trial may have stopped it
        self._inbox.answer(None, {"kind": "evaluate", "path": str(self._path), "global_step": step})

    def _with_metrics(self, message: Mapping[str, Any]) -> dict[str, Any]:
        """What the trial tells of an evaluation, with the metrics of the clean process."""
        step, told = message.get("global_step"), message.get("metrics")
        found = self.metrics.get(step) if isinstance(step, int) else None
        told = dict(told) if isinstance(told, Mapping) else {}
        own = {name: value for name, value in told.items() if str(name).startswith(_METRICS)}
        if found is None:
            self._note(f"the trial told of an evaluation of step {step} that was not made")
            found = dict.fromkeys(own, float("nan"))
        elif repr(sorted(own.items())) != repr(sorted(found.items())):
            self._note(f"the trial told of other metrics at step {step} than were found")
        return {**message, "metrics": {**{name: told[name] for name in told if name not in own}, **found}}

    # --- what the clean process says --------------------------------------------------------------------------

    def attend(self, trial: messages.Inbox, selector: selectors.BaseSelector) -> None:
        """Take in what the clean process says, and answer the trial's request if it can be answered now."""
        if self._broken is None:
            for message in self._inbox.receive():
                self._hear(message, trial)
            if self._inbox.has_ended:
                self._replace(selector)
        if self._request is not None and self._failure is not None:
            self._answer(trial, {"failure": self._failure})
        elif self._request is not None and self._broken is not None:
            self._answer(trial, self._broken)
        elif self._request is not None and self._request["kind"] == "evaluations" and self._is_ready:
            self._answer(trial, {"apart": True})

    def _hear(self, message: Mapping[str, Any], trial: messages.Inbox) -> None:
        kind = message["kind"]
        if kind == "ready":
            self._is_ready = True
        elif kind == "metrics" and self._request is not None and message["global_step"] == self._request["step"]:
            self._num_deaths = 0
            self.metrics[message["global_step"]] = message["metrics"]
            self.snapshots[message["global_step"]] = message["sha256"]
            self.longest_sec = max(self.longest_sec, message["seconds"])
            self._answer(trial, {"metrics": message["metrics"]})
        elif kind == "failure":
            self._answer(trial, {"failure": message["failure"]})
        elif kind == "error":
            self._broken = {"error": message["error"], "exit_code": message["exit_code"]}

    def _answer(self, trial: messages.Inbox, content: Mapping[str, Any]) -> None:
        """Let the trial go on, with an answer."""
        if self._standstill.holds:
            if self._request is not None:
                step = self._request["step"]
                self.stood_sec[step] = self.stood_sec.get(step, 0.0) + time.monotonic() - self._stands_since
            for problem in self._standstill.end(self._own):
                self._note(problem)
        if self._request is not None:
            trial.answer(self._request["id"], content)
            self._request = self._failure = None

    def _replace(self, selector: selectors.BaseSelector) -> None:
        """Start another clean process instead of one that died, and let it do what that one did."""
        assert self._process is not None
        selector.unregister(self._inbox.ours)
        code = self._process.wait()
        self._num_deaths += 1
        if self._num_deaths >= _ATTEMPTS:
            died = f"was killed ({signal.Signals(-code).name})" if code < 0 else f"ended with exit code {code}"
            self._broken = {"failure": f"The process that evaluates {died}, {self._num_deaths} times."}
            return
        self._inbox.close()
        self.start(selector)
        if self._standstill.holds and self._request is not None:
            self._standstill.announce()
            self._evaluate(self._request["step"])
