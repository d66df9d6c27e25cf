"""Shows the progress of a transfer: a bar on a terminal, occasional plain lines in a log."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from algoperf.text import format_bytes
from algoperf.waiting import pausing

ReportProgress = Callable[[int], None]  # called with the number of bytes done so far


@contextmanager
def byte_progress(name: str, total_bytes: int, *, period_sec: float = 5.0) -> Iterator[ReportProgress]:
    """Yield a function to call with the bytes done so far. The count may go back to 0 when a transfer restarts."""
    with pausing():
        if sys.stdout.isatty():
            with _bar(name, total_bytes) as report:
                yield report
        else:
            yield _PlainLines(name, total_bytes, period_sec)


@contextmanager
def _bar(name: str, total_bytes: int) -> Iterator[ReportProgress]:
    from rich import progress as rich_progress  # 40 ms, and only terminals need it

    columns = (
        rich_progress.TextColumn("{task.description}"),
        rich_progress.BarColumn(),
        rich_progress.DownloadColumn(),
        rich_progress.TransferSpeedColumn(),
        rich_progress.TimeRemainingColumn(),
    )
    with rich_progress.Progress(*columns) as progress:
        task = progress.add_task(name, total=total_bytes)
        yield lambda done: progress.update(task, completed=done)


class _PlainLines:
    """Prints a line when `period_sec` has passed since the last one."""

    def __init__(self, name: str, total_bytes: int, period_sec: float) -> None:
        self._name, self._total, self._period = name, total_bytes, period_sec
        self._start: tuple[float, int] | None = None
        self._printed = time.monotonic()

    def __call__(self, done: int) -> None:
        now = time.monotonic()
        if self._start is None or done < self._start[1]:
            self._start = (now, done)  # bytes from an earlier run must not count towards the rate
        if now - self._printed < self._period:
            return
        self._printed = now
        started, start_bytes = self._start
        rate = (done - start_bytes) / max(now - started, 1e-9)
        left = f"{(self._total - done) / rate:.0f} s left" if rate > 0 else "stalled"
        share = 100 * done // max(self._total, 1)
        print(
            f"{self._name}: {format_bytes(done)} of {format_bytes(self._total)} ({share}%), "
            f"{format_bytes(rate)}/s, {left}",
            flush=True,
        )
