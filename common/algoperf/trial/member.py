"""One process of a trial, as its parent sees it: what it has said, how far it is, how it ended."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from algoperf.trial import messages

Hear = Callable[[Mapping[str, Any], float], Mapping[str, Any] | None]
"""Gets each message of the first process, and the monotonic time of its arrival; returns the answer to a request, None
if that comes later."""
_STAGES = ("ready", "training", "closing", "end", "error")


class Member:
    """One process of a trial.

    Attributes:
      rank: its number.
      stage: the kind of its latest message; "starting" before the first.
      num_evaluations: how many it has begun.
      said: its `end` or `error`; None if it ended without one, or has not ended.
      code: its exit code or negative signal number; None while it runs.
      ended_at: monotonic seconds; `was_killed`: whether the supervisor had to kill it.
    """

    def __init__(self, rank: int, command: Sequence[str], environment: Mapping[str, str], hear: Hear | None) -> None:
        self.rank = rank
        self._hear = hear
        self.stage = "starting"
        self.num_evaluations = 0
        self.said: dict[str, Any] | None = None
        self.code: int | None = None
        self.ended_at = 0.0
        self.was_killed = False
        self._listens = False
        self.inbox = messages.Inbox()
        told = {**environment, **messages.environment(self.inbox.theirs)}
        # A group of its own: the terminal sends signals to ours only, and nothing gets one twice.
        self.process = subprocess.Popen(command, env=told, process_group=0, pass_fds=[self.inbox.theirs.fileno()])
        self.inbox.theirs.close()

    def listen(self) -> None:
        """Take in its messages, pass each on, with the time, and answer requests.

        Does nothing if a signal interrupts it: what was received first is passed on first, and to its end.
        """
        if self._listens:
            return
        self._listens = True
        try:
            self._pass_on(self.inbox.receive(), time.monotonic())
        finally:
            self._listens = False

    def _pass_on(self, received: Sequence[Mapping[str, Any]], now: float) -> None:
        for message in received:  # before the first is passed on, which may take a while: signals ask for the stage
            kind = str(message.get("kind"))
            if kind in _STAGES:
                self.stage = kind
            if kind in ("end", "error"):
                self.said = dict(message)
            self.num_evaluations += kind == "evaluation"
        for message in received:
            answer = {} if self._hear is None else self._hear(message, now)
            if "id" in message and answer is not None:
                self.inbox.answer(message["id"], answer)

    def stop(self, number: int) -> None:
        """Pass a signal on. A process that is not ready for it has nothing to lose."""
        if self.stage == "starting":
            self.kill()
        elif self.stage in ("ready", "training"):
            self.process.send_signal(number)

    def kill(self) -> None:
        """End it at once, if it runs."""
        if self.code is None:
            self.was_killed = True
            self.process.kill()

    def poll(self) -> None:
        """Note whether it has ended."""
        if self.code is None and (code := self.process.poll()) is not None:
            self.listen()
            self.code, self.ended_at = code, time.monotonic()
