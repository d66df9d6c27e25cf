"""Shows a trial from its parent, so that this takes no time of the submission, and keeps a log of what was shown.

While a trial runs, everything that its processes and the parent print goes through here: to the terminal, file or pipe
where it would have gone anyway, and into `log.txt` in the trial's folder. On a terminal, one line below says what the
trial does right now. Elsewhere a plain line does, but only if nothing else was said for a while.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import sys
import threading
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self

from algoperf.errors import AlgoperfError
from algoperf.text import duration
from algoperf.trial.live_line import State
from algoperf.trial.progress import TerminalDisplay
from algoperf.waiting import FOR_DEVICES, next_line_sec

REFRESH_SEC = 0.5
SILENCE_SEC = 5.0
_LONGEST_SILENCE_SEC, _GROWTH = 60.0, 0.05  # of long trials: a twentieth of the time so far, a minute at most
_READ_BYTES = 1 << 16
_STAGES = {
    "ready": "building model, optimizer state and input queue",
    "evaluation": "evaluating at step {step}",
    "saving": "saving step {step}",
}


class Screen:
    """Shows one trial.

    Args:
      log: the log file; new content is appended.
      command: what was called, for the first line of the log.
      awaited: who holds the devices, in texts to show as long as the trial waits for them; the thread asks again and
        again, since one that waits may be next in line only after others.
    """

    def __init__(self, log: Path, command: Sequence[str], awaited: Callable[[], tuple[str, ...]] = tuple) -> None:
        self._path, self._command, self._awaited = log, command, awaited
        self._log: BinaryIO | None = None
        self._lock, self._is_within_line, self._held = threading.Lock(), False, b""
        self._state, self._since = State((FOR_DEVICES,)), time.monotonic()
        self._progress: State | None = None
        self._begin = self._spoke = time.monotonic()
        self._is_leaving = False

    def __enter__(self) -> Self:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        with contextlib.suppress(OSError):  # a full disk is said by the records, which matter
            self._log = self._path.open("ab", buffering=0)
        when = time.strftime("%Y-%m-%d %H:%M:%S %z")
        self._write_log(f"--- {when}, process {os.getpid()} on {os.uname().nodename}: {' '.join(self._command)}\n")
        self._outputs = [_Output(1), _Output(2)]
        self._terminal = _terminal(self._outputs[0].original) if os.isatty(self._outputs[0].original) else None
        self._thread = threading.Thread(target=self._run, name="screen", daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        self._is_leaving = True
        for output in self._outputs:
            output.restore()
        self._thread.join()
        if self._terminal is not None:
            self._terminal.close()
        for output in self._outputs:
            output.close()
        self._write_log(b"\n" + self._held if self._held else b"")
        if error is not None:  # it is shown by others, later
            self._write_log(_told(error).rstrip() + "\n")
        if self._log is not None:
            self._log.close()

    def doing(self, what: str) -> None:
        """Say what the parent does itself."""
        self._set(State((what,)))

    def hear(self, message: Mapping[str, Any]) -> None:
        """Take in a message of the trial's first process. It shares that process with a stranger's code."""
        kind, step = message.get("kind"), message.get("global_step")
        if kind == "progress":
            fields, share = message.get("fields"), message.get("share")
            if isinstance(fields, list):
                self._progress = State(tuple(map(str, fields)), share if isinstance(share, int | float) else None)
                self._set(self._progress)
        elif kind == "clock":
            first = State(("the first step, which may compile",))
            self._set(self._progress or first)
        elif kind in ("traceback", "unshown"):
            self._write_between_lines(f"{message.get('text')}\n".encode())
        elif kind == "closing":
            self._set(State(("ending",)))
        elif kind in _STAGES:
            known = self._progress or State(())
            self._set(State((_STAGES[kind].format(step=step), *known.fields[1:2]), known.share))

    def _set(self, state: State) -> None:
        self._state, self._since = state, time.monotonic()

    # --- in the thread ------------------------------------------------------------------------------------------

    def _run(self) -> None:
        selector = selectors.DefaultSelector()
        for output in self._outputs:
            selector.register(output.reading, selectors.EVENT_READ, output)
        while selector.get_map():
            ready = selector.select(0 if self._is_leaving else REFRESH_SEC)
            for key, _ in ready:
                if not self._pass_on(key.data):
                    selector.unregister(key.fileobj)
            if self._is_leaving and not ready:
                break  # a process that outlives the trial keeps the other end open
            if not self._is_leaving:
                self._refresh(time.monotonic())
        for output in self._outputs:
            self._show(output, output.take_rest())

    def _pass_on(self, output: _Output) -> bool:
        """Show what has been printed; False if nothing can come any more."""
        data = os.read(output.reading, _READ_BYTES)
        if data:
            self._spoke = time.monotonic()
            self._write_printed(data)
            self._show(output, output.take(data) if self._terminal is not None and output.is_terminal else data)
        return bool(data)

    def _show(self, output: _Output, data: bytes) -> None:
        if self._terminal is None or not output.is_terminal:
            output.write(data)
        elif data:
            self._fit()
            self._terminal.line(data.decode(errors="replace").removesuffix("\n"))

    def _refresh(self, now: float) -> None:
        state, waited = self._state, now - self._since
        if state.fields[0] == FOR_DEVICES:
            state = State((FOR_DEVICES, *self._awaited()))
        if waited > SILENCE_SEC:
            state = State((*state.fields[:1], f"{duration(waited)} so far", *state.fields[1:]), state.share)
        if self._terminal is not None:
            self._fit()
            self._terminal.live(state)
        if self._is_due(now, state):
            self._spoke = now
            line = f"{state.plain()}\n".encode()
            self._write_log(line)
            if self._terminal is None:
                self._outputs[0].write(line)

    def _is_due(self, now: float, state: State) -> bool:
        """Whether to say a plain line, because nothing else was said for a while."""
        if state.fields[0] == FOR_DEVICES:
            return now - self._since >= next_line_sec(self._spoke - self._since, SILENCE_SEC)
        return now - self._spoke >= min(max(SILENCE_SEC, _GROWTH * (now - self._begin)), _LONGEST_SILENCE_SEC)

    def _fit(self) -> None:
        """Take over the width of the terminal, whose user may have changed it."""
        if self._terminal is not None:
            with contextlib.suppress(OSError):
                self._terminal.console.width = os.get_terminal_size(self._outputs[0].original).columns or 80

    def _write_between_lines(self, content: bytes) -> None:
        """Write to the log, behind the line that is being printed: `print` may write it in parts."""
        with self._lock:
            if self._is_within_line:
                self._held += content
            else:
                self._write_log(content)

    def _write_printed(self, data: bytes) -> None:
        """Write what has been printed to the log, and behind its last whole line what was held back."""
        lines, newline, rest = data.rpartition(b"\n")
        with self._lock:
            if newline:
                self._write_log(lines + newline + self._held)
                self._is_within_line, self._held = False, b""
            if rest:
                self._write_log(rest)
                self._is_within_line = True

    def _write_log(self, content: str | bytes) -> None:
        if self._log is not None:
            with contextlib.suppress(OSError):
                self._log.write(content.encode() if isinstance(content, str) else content)


class _Output:
    """Standard output or standard error of this process and of those that it starts: a pipe to us, for a while.

    Attributes:
      original: where it would have gone; `is_terminal`: whether that is a terminal.
      reading: our end of the pipe.
    """

    def __init__(self, number: int) -> None:
        self._number = number
        self.original = os.dup(number)
        self.is_terminal = os.isatty(self.original)
        self._pending = b""
        self.reading, writing = os.pipe()
        os.dup2(writing, number)
        os.close(writing)

    def restore(self) -> None:
        """From now on, it goes where it went before."""
        os.dup2(self.original, self._number)

    def take(self, data: bytes) -> bytes:
        """The whole lines that have come."""
        lines, newline, self._pending = (self._pending + data).rpartition(b"\n")
        return lines + newline

    def take_rest(self) -> bytes:
        """What has come after the last whole line."""
        rest, self._pending = self._pending, b""
        return rest

    def write(self, data: bytes) -> None:
        """Write to where it would have gone. A reader that is gone does not end the trial."""
        with contextlib.suppress(OSError):
            while data:
                data = data[os.write(self.original, data) :]

    def close(self) -> None:
        """Close what this object has opened."""
        os.close(self.original)
        os.close(self.reading)


def _told(error: BaseException) -> str:
    if isinstance(error, KeyboardInterrupt):
        return "interrupted"
    return f"error: {error}" if isinstance(error, AlgoperfError) else "".join(traceback.format_exception(error))


def _terminal(descriptor: int) -> TerminalDisplay:
    from rich.console import Console

    file = os.fdopen(descriptor, "w", encoding="utf-8", closefd=False)
    return TerminalDisplay(Console(file=file, highlight=False))
