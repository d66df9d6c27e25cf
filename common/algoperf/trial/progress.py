"""Says how a trial gets on. Its parent shows it (`screen.py`); a process without one does so itself."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol, TextIO

from algoperf.records.layout import LOG_FILE
from algoperf.records.status import Status
from algoperf.text import counted, duration
from algoperf.trial import messages
from algoperf.trial.clock import Clock
from algoperf.trial.live_line import LiveLine, State
from algoperf.trial.settings import TrialSettings

if TYPE_CHECKING:
    from rich.console import Console

_LIVE_PERIOD_SEC = 0.5
_PLAIN_PERIOD_SEC = 5.0
_EVALUATIONS_AT_FIRST = 10
_EVALUATION_PERIOD_SEC = 5.0


class Display(Protocol):
    """Where progress is shown."""

    period_sec: float

    def live(self, state: State) -> None:
        """Show the current state."""
        ...

    def line(self, text: str) -> None:
        """Print a permanent line."""
        ...

    def evaluation(self, text: str, *, is_news: bool) -> None:
        """Print the result of an evaluation. One that is no news need not be shown if it is kept elsewhere."""
        del is_news
        self.line(text)

    def close(self) -> None:
        """Remove the live line."""
        ...


class PlainDisplay(Display):
    """Whole lines, no control characters: for files, pipes and CI."""

    period_sec = _PLAIN_PERIOD_SEC

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def live(self, state: State) -> None:
        """See Display."""
        self.line(state.plain())

    def line(self, text: str) -> None:
        """See Display."""
        print(text, file=self._stream, flush=True)

    def close(self) -> None:
        """There is no live line."""


class ParentDisplay(PlainDisplay):
    """Tells the trial's parent the state, which costs no time to speak of, and prints lines, which it passes on.

    On a slow machine, evaluations of a small workload may follow every step. So only the first ones are shown, those
    that are news, and one now and then; the parent's log has all. `now` tells the time in seconds.
    """

    period_sec = _LIVE_PERIOD_SEC

    def __init__(self, stream: TextIO, now: Callable[[], float] = time.monotonic) -> None:
        super().__init__(stream)
        self._now = now
        self._num_evaluations = self._num_unshown = 0
        self._shown_at = 0.0

    def live(self, state: State) -> None:
        """See Display."""
        messages.tell("progress", fields=state.fields, share=state.share)

    def evaluation(self, text: str, *, is_news: bool) -> None:
        """See Display."""
        self._num_evaluations += 1
        is_early = self._num_evaluations <= _EVALUATIONS_AT_FIRST
        if is_early or is_news or self._now() - self._shown_at >= _EVALUATION_PERIOD_SEC:
            self._say_unshown()
            self._shown_at = self._now()
            self.line(text)
        else:
            self._num_unshown += 1
            messages.tell("unshown", text=text)

    def close(self) -> None:
        """See Display."""
        self._say_unshown()

    def _say_unshown(self) -> None:
        if self._num_unshown:
            self.line(f"... {counted(self._num_unshown, 'evaluation')} before this in the trial's {LOG_FILE} only")
        self._num_unshown = 0


class TerminalDisplay(Display):
    """One line that is redrawn below the permanent lines."""

    period_sec = _LIVE_PERIOD_SEC

    def __init__(self, console: Console | None = None) -> None:
        """`console` is where to show it; None for standard output."""
        from rich.console import Console
        from rich.live import Live

        self.console = console or Console(highlight=False)
        self._live = Live(
            console=self.console, auto_refresh=False, transient=True, redirect_stdout=False, redirect_stderr=False
        )
        self._live.start()

    def live(self, state: State) -> None:
        """See Display."""
        self._live.update(LiveLine(state), refresh=True)

    def line(self, text: str) -> None:
        """See Display. The text may be coloured by the escape codes of terminals."""
        from rich.text import Text

        self.console.print(Text.from_ansi(text), soft_wrap=True)

    def close(self) -> None:
        """See Display."""
        self._live.stop()


class SilentDisplay(Display):
    """For processes other than the first."""

    period_sec = float("inf")

    def live(self, state: State) -> None:
        """Say nothing."""

    def line(self, text: str) -> None:
        """Say nothing."""

    def close(self) -> None:
        """There is no live line."""


def make_display(rank: int) -> Display:
    """The display that fits this process's standard output."""
    if rank != 0:
        return SilentDisplay()
    if messages.has_parent():
        return ParentDisplay(sys.stdout)
    return TerminalDisplay() if sys.stdout.isatty() else PlainDisplay(sys.stdout)


class Progress:
    """Describes the state of a trial. Times are the official ones: those of the records, which the parent keeps.

    Steps per second are per second of submission time, so that evaluations do not distort them. The first step, which
    compiles, does not count.
    """

    def __init__(self, settings: TrialSettings, display: Display) -> None:
        limits = settings.version.limits(settings.definition.name, settings.definition.scale)
        self._settings = settings
        self._display = display
        self._metric = f"validation/{limits.metric}"
        sign = "<=" if limits.goal == "min" else ">="
        self._goal = "without a target" if settings.to_the_end else f"target {sign} {limits.validation_target:.6g}"
        self._test: tuple[str, str] | None = None
        if limits.test_target is not None and not settings.to_the_end:
            self._test = f"test/{limits.metric}", f"target {sign} {limits.test_target:.6g}"
        self._budget = "" if settings.to_the_end else f" of {settings.budget_sec:.6g}"
        self._next_due = 0.0
        self._rate_mark: tuple[int, float] | None = None
        what = f"{settings.definition.name} ({settings.framework}), study {settings.study}, trial {settings.trial}"
        self._display.line(f"{settings.submission} on {what}: {self._metric} {self._goal}")

    def due(self, now: float) -> bool:
        """Whether it is time to show the state again. Cheap: the loop asks at every step."""
        if now < self._next_due:
            return False
        self._next_due = now + self._display.period_sec
        return True

    def step(self, global_step: int, clock: Clock, next_evaluation_sec: float) -> None:
        """Show the current state."""
        rate = self._rate(global_step, clock.times.submission)
        budget, max_steps = self._settings.budget_sec, self._settings.max_global_steps
        left, share = budget - clock.submission_sec, clock.submission_sec / budget
        if max_steps is not None:
            share = max(share, global_step / max_steps)
            if rate:
                left = min(left, (max_steps - global_step) / rate)
        fields = [f"step {global_step}", f"clock {clock.submission_sec:.1f}{self._budget} s"]
        if rate:
            fields.append(f"{rate:.3g} steps/s")
        if left > 0 and (rate or self._budget):
            fields.append(f"at most {duration(left)} to go")
        if next_evaluation_sec > 0:
            fields.append(f"evaluation in {duration(next_evaluation_sec)}")
        self._display.live(State(tuple(fields), share))

    def _rate(self, global_step: int, submission_sec: float) -> float | None:
        """Steps per second since the last call; None if there was none, or no step since.

        The seconds are of this process's own clock: the official one is known anew only at evaluations, and jumps.
        """
        mark, self._rate_mark = self._rate_mark, (global_step, submission_sec)
        if mark is None or global_step <= mark[0] or submission_sec <= mark[1]:
            return None
        return (global_step - mark[0]) / (submission_sec - mark[1])

    def evaluation(
        self, global_step: int, metrics: Mapping[str, Any], reached: Sequence[str] = (), left: Sequence[str] = ()
    ) -> None:
        """Print the result of an evaluation. Its time is the one in `metrics`, as in eval_measurements.csv.

        `reached` are the splits whose targets it is the first to reach, `left` those whose targets none has reached.
        """
        news, test = "", ""
        if self._test is not None:
            name, goal = self._test
            test = f"{name} {metrics.get(name, math.nan):.6g} ({goal})"
        if "validation" in reached:
            news = f": reached; {test} not yet" if test and "test" in left else ": reached"
        elif test and "test" in reached and "validation" not in left:  # training went on for it
            news = f", {test}: reached"
        result = f"{self._metric} {metrics[self._metric]:.6g} ({self._goal}){news}"
        line = f"step {global_step}, clock {metrics['score']:.2f}{self._budget} s: {result}"
        self._display.evaluation(line, is_news=bool(news))

    def note(self, text: str) -> None:
        """Print a remark."""
        self._display.line(text)

    def end(self, status: Status, message: str) -> None:
        """Remove the live line and print how the trial ended."""
        self._display.close()
        self._display.line(f"{status.label}: {message}")
