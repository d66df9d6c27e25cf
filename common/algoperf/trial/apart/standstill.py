"""Stops all processes of a trial, and lets them go on."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Collection, Iterable
from pathlib import Path

import psutil

_PATIENCE_SEC = 10.0  # for a process that the kernel does not let stop, such as one that waits for a disk
_POLL_SEC = 0.0005
_STANDING = {psutil.STATUS_STOPPED, psutil.STATUS_TRACING_STOP, psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD}
# Processor time that a process may seem to use while it stands: some kernels only count ticks of 0.01 s.
_USED_SEC, _USED_TICKS_SEC = 0.01, 0.1


class Standstill:
    """All descendants of this process, but for some, stand still from `begin` to `end`.

    Whatever a trial starts is a descendant of its parent, also if it was detached: the parent adopts orphans.

    Attributes:
      holds: whether they stand still.
    """

    def __init__(self, announce: Callable[[list[int]], None]) -> None:
        """`announce` is told of processes, by number, right before they are stopped, and at the end that none is.

        So somebody else can end those that would stand forever because this process was killed.
        """
        self.holds = False
        self._announce = announce
        self._stopped: dict[psutil.Process, float] = {}  # with the processor time that they had used by then

    def announce(self) -> None:
        """Say again which processes stand still, to somebody new."""
        self._announce([each.pid for each in self._stopped if each.is_running()])

    def begin(self, but: Collection[int]) -> list[str]:
        """Stop all descendants but the processes `but` and theirs; returns what did not stop, as sentences."""
        self.holds, self._stopped = True, {}
        deadline = time.monotonic() + _PATIENCE_SEC
        while running := [each for each in _descendants(but) if _status(each) not in _STANDING]:
            if time.monotonic() > deadline:
                break
            new = [each for each in running if each not in self._stopped]
            if new:
                self._stopped.update(dict.fromkeys(new, 0.0))
                self.announce()
            for each in running:
                with contextlib.suppress(psutil.NoSuchProcess):
                    each.suspend()
            time.sleep(_POLL_SEC)
        self._stopped = {each: _used_sec(each) for each in self._stopped}
        return [f"process {each.pid} ({_name(each)}) did not stand still" for each in running]

    def end(self, but: Collection[int]) -> list[str]:
        """Let all go on; returns what did not stand still meanwhile, as sentences."""
        most = _USED_SEC if _counts_exactly() else _USED_TICKS_SEC
        problems = []
        for each, before in self._stopped.items():  # timers of the kernel can send SIGCONT, too
            if (used := _used_sec(each) - before) > most:
                problems.append(
                    f"process {each.pid} ({_name(each)}) computed for {used:.2f} s while the trial stood still"
                )
            elif _status(each) not in _STANDING:
                problems.append(f"process {each.pid} ({_name(each)}) was continued while the trial stood still")
        new = [each for each in _descendants(but) if each not in self._stopped and _status(each) not in _STANDING]
        problems += [f"process {each.pid} ({_name(each)}) began while the trial stood still" for each in new]
        for each in self._stopped:
            with contextlib.suppress(psutil.NoSuchProcess):
                each.resume()
        self._stopped, self.holds = {}, False
        self._announce([])
        return problems


def processes_of(numbers: Iterable[int]) -> list[psutil.Process]:
    """The processes that have these numbers now, each known again by its start since boot if a number is used again."""
    found = []
    for number in numbers:
        with contextlib.suppress(psutil.NoSuchProcess):
            found.append(psutil.Process(number))
    return found


def end_processes(processes: Iterable[psutil.Process]) -> None:
    """Kill processes that stand still and that nobody will continue."""
    for each in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            each.kill()


def _descendants(but: Collection[int]) -> list[psutil.Process]:
    found, spared = [], set(but)
    for each in psutil.Process(os.getpid()).children(recursive=True):  # parents come before their children
        with contextlib.suppress(psutil.NoSuchProcess):
            if each.pid in spared or each.ppid() in spared:
                spared.add(each.pid)
            else:
                found.append(each)
    return found


def _status(process: psutil.Process) -> str:
    try:
        return str(process.status())
    except psutil.NoSuchProcess:
        return str(psutil.STATUS_DEAD)


def _counts_exactly() -> bool:
    return Path("/proc/self/schedstat").exists()


def _used_sec(process: psutil.Process) -> float:
    """Processor time of all its threads."""
    try:
        if _counts_exactly():
            threads = Path(f"/proc/{process.pid}/task").glob("*/schedstat")
            return sum(int(file.read_text().split()[0]) for file in threads) * 1e-9
    except OSError:  # it has ended
        return 0.0
    try:
        times = process.cpu_times()
    except psutil.Error:
        return 0.0
    return float(times.user + times.system)


def _name(process: psutil.Process) -> str:
    try:
        return str(process.name())
    except psutil.Error:
        return "ended"
