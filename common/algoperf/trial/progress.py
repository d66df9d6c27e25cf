"""Shows the user the state of a trial: a live line on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any, Protocol, TextIO

from algoperf.records.status import Status
from algoperf.trial.clock import Times
from algoperf.trial.settings import TrialSettings

_TERMINAL_PERIOD_SEC = 0.5
_PLAIN_PERIOD_SEC = 10.0


class Display(Protocol):
    """Where progress is shown."""

    period_sec: float

    def live(self, text: str) -> None:
        """Show the current state."""
        ...

    def line(self, text: str) -> None:
        """Print a permanent line."""
        ...

    def close(self) -> None:
        """Remove the live line."""
        ...


class PlainDisplay:
    """Whole lines, no control characters: for files, pipes and CI."""

    period_sec = _PLAIN_PERIOD_SEC

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def live(self, text: str) -> None:
        """See Display."""
        self.line(text)

    def line(self, text: str) -> None:
        """See Display."""
        print(text, file=self._stream, flush=True)

    def close(self) -> None:
        """There is no live line."""


class TerminalDisplay:
    """One line that is redrawn below the permanent lines."""

    period_sec = _TERMINAL_PERIOD_SEC

    def __init__(self) -> None:
        from rich.console import Console
        from rich.live import Live

        self._live = Live(console=Console(highlight=False), auto_refresh=False, transient=True)
        self._live.start()

    def live(self, text: str) -> None:
        """See Display."""
        self._live.update(text, refresh=True)

    def line(self, text: str) -> None:
        """See Display."""
        self._live.console.print(text, markup=False)

    def close(self) -> None:
        """See Display."""
        self._live.stop()


class SilentDisplay:
    """For processes other than the first."""

    period_sec = float("inf")

    def live(self, text: str) -> None:
        """Say nothing."""

    def line(self, text: str) -> None:
        """Say nothing."""

    def close(self) -> None:
        """There is no live line."""


def make_display(rank: int) -> Display:
    """The display that fits this process's standard output."""
    if rank != 0:
        return SilentDisplay()
    return TerminalDisplay() if sys.stdout.isatty() else PlainDisplay(sys.stdout)


class Progress:
    """Describes the state of a trial.

    Steps per second are per second of submission time, so that evaluations do not distort them.
    """

    def __init__(self, settings: TrialSettings, display: Display) -> None:
        limits = settings.version.limits(settings.definition.name, settings.definition.scale)
        self._settings = settings
        self._display = display
        self._metric = f"validation/{limits.metric}"
        self._goal = f"target {'<=' if limits.goal == 'min' else '>='} {limits.validation_target:.6g}"
        self._last = "no evaluation yet"
        self._next_due = 0.0
        self._rate_mark = (0, 0.0)
        what = f"{settings.definition.name} ({settings.framework}), study {settings.study}, trial {settings.trial}"
        self._display.line(f"{settings.submission} on {what}: {self._metric} {self._goal}")

    def due(self, now: float) -> bool:
        """Whether it is time to show the state again. Cheap: the loop asks at every step."""
        if now < self._next_due:
            return False
        self._next_due = now + self._display.period_sec
        return True

    def step(self, global_step: int, times: Times, next_evaluation_sec: float) -> None:
        """Show the current state."""
        steps, seconds = global_step - self._rate_mark[0], times.submission - self._rate_mark[1]
        rate = steps / seconds if seconds > 0 else 0.0
        self._rate_mark = (global_step, times.submission)
        budget = self._settings.budget_sec
        left = budget - times.submission
        if self._settings.max_global_steps is not None and rate:
            left = min(left, (self._settings.max_global_steps - global_step) / rate)
        parts = [
            f"step {global_step}",
            f"{rate:.4g} steps/s",
            f"clock {times.submission:.1f} of {budget:.6g} s",
            self._last,
            f"next evaluation in {max(next_evaluation_sec, 0):.1f} s",
            f"at most {left:.1f} s to go",
        ]
        self._display.live(" | ".join(parts))

    def evaluation(self, global_step: int, metrics: Mapping[str, Any], times: Times) -> None:
        """Print the result of an evaluation."""
        self._last = f"{self._metric} {metrics[self._metric]:.6g} ({self._goal})"
        self._display.line(f"step {global_step}, clock {times.submission:.2f} s: {self._last}")

    def note(self, text: str) -> None:
        """Print a remark."""
        self._display.line(text)

    def end(self, status: Status, message: str) -> None:
        """Remove the live line and print how the trial ended."""
        self._display.close()
        self._display.line(f"{status.label}: {message}")
