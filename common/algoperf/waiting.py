"""Says what a command is doing while it has nothing else to show, so that nobody has to wonder whether it goes on."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

SILENCE_SEC = 5.0
_LONGEST_SILENCE_SEC, _GROWTH = 60.0, 0.05  # where it takes long: a twentieth of the time so far, a minute at most
FOR_DEVICES = "waiting for the devices"
Say = Callable[[str], None]


def next_line_sec(waited: float, silence_sec: float = SILENCE_SEC) -> float:
    """When to say again that one waits for devices, in a file or pipe: after 5, 10, 30, 60 s, then every minute.

    Others may hold them for hours. `waited` is when it was said last; `silence_sec` is the first of these times.
    """
    minute = 12 * silence_sec
    marks = (silence_sec, 2 * silence_sec, 6 * silence_sec, minute)
    return next((mark for mark in marks if mark > waited), waited + minute)


class _Shown(Protocol):
    def say(self, what: str) -> None: ...
    def start(self) -> None: ...
    def stop(self) -> None: ...


class _Active:
    """What is shown in this process; None if nothing is."""

    shown: _Shown | None = None


@contextmanager
def waiting(what: str) -> Iterator[Say]:
    """Show on standard error what is done and for how long, until the block ends; nothing of it stays on a terminal.

    A terminal has a line that is redrawn, other places a plain line whenever SILENCE_SEC have passed. Yields a function
    to call with what is done now. Inside another such block, only what that one shows changes.
    """
    if _Active.shown is not None:
        _Active.shown.say(what)
        yield _Active.shown.say
        return
    shown: _Shown = _Spinner(what) if sys.stderr.isatty() else _PlainLines(what)
    _Active.shown = shown
    shown.start()
    try:
        yield shown.say
    finally:
        _Active.shown = None
        shown.stop()


@contextmanager
def pausing() -> Iterator[None]:
    """Inside, something else shows how it gets on, such as the bar of a download."""
    shown = _Active.shown
    if shown is None:
        yield
        return
    shown.stop()
    try:
        yield
    finally:
        shown.start()


class _Spinner:
    """A line on a terminal."""

    def __init__(self, what: str) -> None:
        from rich.console import Console
        from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
        from rich.table import Column

        text = TextColumn("{task.description}", markup=False, table_column=Column(no_wrap=True, overflow="ellipsis"))
        self._progress = Progress(
            SpinnerColumn(), text, TimeElapsedColumn(), console=Console(stderr=True), transient=True,
            redirect_stdout=sys.stdout.isatty(),
        )  # fmt: skip
        self._task = self._progress.add_task(what, total=None)

    def say(self, what: str) -> None:
        self._progress.update(self._task, description=what)

    def start(self) -> None:
        self._progress.start()

    def stop(self) -> None:
        self._progress.stop()


class _PlainLines:
    """Lines in a file or pipe, from a thread that takes no lock: the process may fork at any moment."""

    def __init__(self, what: str) -> None:
        self._what, self._begin = what, time.monotonic()
        self._devices_since: float | None = None
        self._ended = threading.Event()

    def say(self, what: str) -> None:
        if FOR_DEVICES not in what:
            self._devices_since = None
        elif self._devices_since is None:
            self._devices_since = time.monotonic()
        self._what = what

    def start(self) -> None:
        self._ended = threading.Event()
        threading.Thread(target=self._run, args=(self._ended,), name="waiting", daemon=True).start()

    def stop(self) -> None:
        self._ended.set()

    def _run(self, ended: threading.Event) -> None:
        while True:
            if ended.wait(self._pause_sec(time.monotonic())):
                return
            line = f"{self._what}: {time.monotonic() - self._begin:.0f} s so far\n"
            with contextlib.suppress(OSError, ValueError):
                os.write(sys.stderr.fileno(), line.encode())

    def _pause_sec(self, now: float) -> float:
        since = self._devices_since
        if since is not None:
            return next_line_sec(now - since, SILENCE_SEC) - (now - since)
        return min(max(SILENCE_SEC, _GROWTH * (now - self._begin)), _LONGEST_SILENCE_SEC)
