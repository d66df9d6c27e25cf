"""Notes what a submission does to its process, from the events that Python raises for audits (PEP 578).

Neither a submission nor we can remove a hook, so one is installed per process. It passes events to the active watch.
Events are rare between steps, and most are skipped after one lookup.
"""

from __future__ import annotations

import functools
import os
import sys
import sysconfig
import threading
import weakref
from collections.abc import Callable, Mapping
from pathlib import Path
from types import FrameType
from typing import Any

import psutil

_COMMON = Path(__file__).resolve().parents[2]
_HARNESS = tuple(f"{_COMMON / package}{os.sep}" for package in ("algoperf", "algoperf_check"))
_STANDARD_LIBRARY = tuple(
    path + os.sep
    for path in {sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib"), os.path.dirname(os.__file__)}
)
_SITE_PACKAGES = (os.sep + "site-packages" + os.sep, os.sep + "dist-packages" + os.sep)
_PATH_EVENTS = {"os.rename", "os.remove", "os.truncate", "os.rmdir", "os.link", "os.symlink", "os.chmod"}
_PROGRAM_EVENTS = {"subprocess.Popen", "os.system", "os.posix_spawn", "os.spawn", "os.exec"}


class _Hook:
    """The only hook of the process: the watch it serves, and whether it is installed."""

    active: Watch | None = None
    installed = False


class Watch:
    """Collects the rule breaches of one submission.

    Attributes:
      breaches: the breaches seen, as sentences.
    """

    def __init__(self, folder: Path, protected: Mapping[str, Path]) -> None:
        """`folder` is the submission's. `protected`: folders that the submission must not touch, by description."""
        self.breaches: list[str] = []
        self._folder = str(folder.resolve()) + os.sep
        self._protected = {what: str(place.resolve()) + os.sep for what, place in protected.items()}
        self._threads: list[weakref.ref[threading.Thread]] = []
        self._restore: Callable[[], None] = lambda: None
        self._programs: list[str] = []
        self._children_before: set[int] = set()

    def start(self) -> None:
        """Receive this process's events from now on."""
        if not _Hook.installed:
            sys.addaudithook(_hook)
            _Hook.installed = True
        _Hook.active = self
        self._watch_threads()

    def stop(self) -> None:
        """Receive no more events, and restore `Thread.start`."""
        if _Hook.active is self:
            _Hook.active = None
        self._restore()

    def _watch_threads(self) -> None:
        """Wrap `Thread.start` to note who starts threads: before Python 3.12 there is no audit event for it."""
        start = threading.Thread.start

        @functools.wraps(start)
        def noting_start(thread: threading.Thread) -> None:
            if self.is_directly_responsible(sys._getframe(1)):
                self._threads.append(weakref.ref(thread))
            start(thread)

        def restore() -> None:
            threading.Thread.start = start  # type: ignore[method-assign]
            self._restore = lambda: None

        threading.Thread.start = noting_start  # type: ignore[method-assign, assignment]
        self._restore = restore

    def note(self, breach: str) -> None:
        """Record a breach, unless it is already recorded."""
        if breach not in self.breaches:
            self.breaches.append(breach)

    def is_of_submission(self, file: str) -> bool:
        """Whether a code object's file lies in the submission's folder."""
        return file.startswith(self._folder)

    # --- who is responsible ---------------------------------------------------------------------------------

    def is_directly_responsible(self, frame: FrameType | None) -> bool:
        """Whether the nearest frame outside the standard library is the submission's: no other library decided it."""
        while frame is not None:
            file = frame.f_code.co_filename
            if self.is_of_submission(file):
                return True
            if not _is_standard(file):
                return False
            frame = frame.f_back
        return False

    def is_indirectly_responsible(self, frame: FrameType | None) -> bool:
        """Whether a frame of the submission is nearer than the harness; any libraries may lie between."""
        while frame is not None:
            file = frame.f_code.co_filename
            if self.is_of_submission(file):
                return True
            if file.startswith(_HARNESS):
                return False
            frame = frame.f_back
        return False

    # --- events ---------------------------------------------------------------------------------------------

    def on_fork(self, event: str, args: tuple[Any, ...]) -> None:
        """The process forks."""
        del event, args
        if self.is_directly_responsible(_caller()):
            self.note("It started a process (fork).")

    def on_program(self, event: str, args: tuple[Any, ...]) -> None:
        """Another program is started. It is a breach only if the program runs while the clock is stopped."""
        if self.is_directly_responsible(_caller()):
            if not self._programs:
                self._children_before = _children()
            self._programs.append(f"{event} {str(args[0])[:80]}")

    def on_open(self, event: str, args: tuple[Any, ...]) -> None:
        """A file is opened, removed or changed."""
        for path in args[:1] if event == "open" else args[:2]:
            if isinstance(path, (str, bytes, os.PathLike)) and not isinstance(path, int):
                place = os.path.realpath(os.fsdecode(path))
                for what, folder in self._protected.items():
                    if place.startswith(folder) and self.is_indirectly_responsible(_caller()):
                        self.note(f"It touched {what}: {os.path.relpath(place, folder)} ({event}).")

    def on_network(self, event: str, args: tuple[Any, ...]) -> None:
        """A connection is opened, or an address is looked up."""
        if self.is_indirectly_responsible(_caller()):
            self.note(f"It used the network ({event} {str(args[-1] if event == 'socket.connect' else args[0])[:80]}).")

    # --- while the clock is stopped -------------------------------------------------------------------------

    def note_live_threads_and_processes(self) -> None:
        """Record threads and processes of the submission that are alive now."""
        for reference in self._threads:
            thread = reference()
            if thread is not None and thread.is_alive():
                self.note(f"Its thread {thread.name!r} is alive while the clock stands still.")
        own = sys._getframe()
        for frame in sys._current_frames().values():
            if frame is not own and self._runs_in(frame, own):
                self.note("A thread runs its code while the clock stands still.")
        if self._programs and _children() - self._children_before:
            self.note(f"A program that it started runs while the clock stands still: {self._programs[-1]}.")

    def _runs_in(self, frame: FrameType | None, own: FrameType) -> bool:
        found = False
        while frame is not None:
            if frame is own:
                return False  # the current thread
            found |= self.is_of_submission(frame.f_code.co_filename)
            frame = frame.f_back
        return found


def _caller() -> FrameType:
    """The frame that raised the event: three levels up, above this function, the handler and the hook."""
    return sys._getframe(3)


def _is_standard(file: str) -> bool:
    if file.startswith("<"):  # frozen modules, and code made by dataclasses and namedtuples
        return True
    return file.startswith(_STANDARD_LIBRARY) and not any(part in file for part in _SITE_PACKAGES)


def _children() -> set[int]:
    return {child.pid for child in psutil.Process().children(recursive=True)}


_HANDLERS: dict[str, Callable[[Watch, str, tuple[Any, ...]], None]] = {
    "os.fork": Watch.on_fork,
    "os.forkpty": Watch.on_fork,
    **dict.fromkeys(_PROGRAM_EVENTS, Watch.on_program),
    "open": Watch.on_open,
    **dict.fromkeys(_PATH_EVENTS, Watch.on_open),
    "socket.connect": Watch.on_network,
    "socket.getaddrinfo": Watch.on_network,
}


def _hook(event: str, args: tuple[Any, ...]) -> None:
    handler = _HANDLERS.get(event)
    if handler is not None and _Hook.active is not None:
        handler(_Hook.active, event, args)
