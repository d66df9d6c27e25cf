"""Starts the processes of one trial, passes signals on to them, watches them, and ends them together.

It is the trial's parent on every machine: it imports no framework and nothing of the submission, so that it survives
whatever happens there. torchrun would add its own traceback when a process fails, and leave its processes running when
it is killed. Users may still start a trial with their own torchrun.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from types import FrameType
from typing import Protocol

import psutil

from algoperf.system import STOPS, adopt_orphans, usable_cores
from algoperf.trial.apart.evaluations import EvaluationsApart
from algoperf.trial.member import Hear, Member

TICK_SEC = 1.0
_KILL_ROUNDS = 5  # a process may have started others before it died
_LAST_WORDS_SEC = 10.0  # for a process that was told to stop at once


class Watcher(Protocol):
    """Learns at least once per TICK_SEC that time passes, and when processes are stopped and continued."""

    def tick(self, member: psutil.Process) -> None:
        """Called about once per TICK_SEC with the first process."""
        ...

    def stopped(self, process: int) -> None:
        """A process of the trial stands still."""
        ...

    def continued(self, process: int) -> None:
        """It goes on."""
        ...

    def parent_continued(self) -> None:
        """This process was stopped, and goes on."""
        ...


class Supervisor:
    """Runs the processes of one trial.

    Attributes:
      members: the processes, once they run.
      signals: how many signals to stop have come.
      was_pruned: whether the trial was stopped because it is to be pruned.
    """

    def __init__(self, grace_sec: float = 30.0, is_pruned: Callable[[], bool] = lambda: False) -> None:
        """When one process has ended, the others have `grace_sec` seconds to end too; then they are killed.

        `is_pruned` says whether the trial is to be stopped; it is asked once per TICK_SEC.
        """
        self.members: list[Member] = []
        self.signals = 0
        self.was_pruned = False
        self._apart: EvaluationsApart | None = None
        self._is_pruned = is_pruned
        self._evaluations_then = 0  # when the trial was told that it is pruned
        self._grace_sec = grace_sec
        self._deadline: float | None = None

    @contextlib.contextmanager
    def obeying_signals(self) -> Iterator[None]:
        """Signals are for the trial's processes inside; without any, they end the waiting (KeyboardInterrupt)."""
        handlers = {number: signal.signal(number, self._on_stop) for number in STOPS}
        handlers[signal.SIGTSTP] = signal.signal(signal.SIGTSTP, self._on_suspend)
        handlers[signal.SIGCONT] = signal.signal(signal.SIGCONT, self._on_continue)
        handlers[signal.SIGCHLD] = signal.signal(signal.SIGCHLD, lambda number, frame: None)  # wakes us
        try:
            yield
        finally:
            for number, handler in handlers.items():
                signal.signal(number, handler)

    def run(
        self,
        command: Sequence[str],
        num_processes: int,
        watcher: Watcher,
        hear: Hear | None = None,
        apart: EvaluationsApart | None = None,
    ) -> list[Member]:
        """Run `command` in `num_processes` processes; returns them when all have ended.

        `hear` gets the messages of the first process at the moment when they come, and answers its requests.
        If evaluations are made `apart`, its clean process is started and attended, too.
        """
        self._watcher, self._apart = watcher, apart
        adopt_orphans()
        environments = enumerate(_environments(num_processes))
        self.members = [Member(rank, command, each, hear if rank == 0 else None) for rank, each in environments]
        try:
            with _waking() as alarm:
                self._wait(alarm)
        finally:
            if apart is not None:
                apart.close()
            for member in self.members:
                member.kill()
                member.process.wait()
                member.poll()
                member.inbox.close()
            _kill_descendants()
        return self.members

    def _wait(self, alarm: socket.socket) -> None:
        selector = selectors.DefaultSelector()
        selector.register(alarm, selectors.EVENT_READ)
        for member in self.members:
            selector.register(member.inbox.ours, selectors.EVENT_READ)
        if self._apart is not None:
            self._apart.start(selector)
        first = psutil.Process(self.members[0].process.pid)
        next_tick = time.monotonic()
        while any(member.code is None for member in self.members):
            selector.select(max(0.0, min(TICK_SEC, next_tick - time.monotonic())))
            with contextlib.suppress(BlockingIOError):
                alarm.recv(1 << 10)
            for member in self.members:
                self._note_stops(member)
                member.listen()
                if member.inbox.has_ended and member.inbox.ours in selector.get_map():
                    selector.unregister(member.inbox.ours)  # else it would wake us all the time
                member.poll()
            if self._apart is not None:
                self._apart.attend(self.members[0].inbox, selector)
            if time.monotonic() >= next_tick:
                self._watcher.tick(first)
                if not self.was_pruned and self._is_pruned():
                    self.was_pruned = True
                    self._stop(signal.SIGTERM)
                    self._evaluations_then = self.members[0].num_evaluations
                next_tick = time.monotonic() + TICK_SEC
            self._end_stragglers()

    def _note_stops(self, member: Member) -> None:
        """Ask the kernel whether a process was stopped or continued."""
        process = member.process.pid
        while member.code is None:
            try:
                found = os.waitid(os.P_PID, process, os.WSTOPPED | os.WCONTINUED | os.WNOHANG)
            except ChildProcessError:
                return
            if found is None:
                return
            if self._apart is not None and self._apart.holds:
                continue  # it stands still because we evaluate
            if found.si_code == os.CLD_CONTINUED:
                self._watcher.continued(process)
            else:
                self._watcher.stopped(process)

    def _end_stragglers(self) -> None:
        """Kill those that outlive another one, their own last message, or an order to stop."""
        ended = any(member.code is not None or member.said is not None for member in self.members)
        if ended and self._deadline is None:
            self._deadline = time.monotonic() + self._grace_sec
        if self.was_pruned and self.members[0].num_evaluations > self._evaluations_then + 1:
            self._deadline = 0.0  # it may have been about to evaluate when the signal came, but not twice
        if self._deadline is not None and time.monotonic() > self._deadline:
            for member in self.members:
                member.kill()

    # --- signals ------------------------------------------------------------------------------------------------

    def _on_stop(self, number: int, frame: FrameType | None) -> None:
        del frame
        self.signals += 1
        if not self.members:
            raise KeyboardInterrupt
        self._stop(number)

    def _stop(self, number: int) -> None:
        """Pass a signal on to all processes."""
        for member in self.members:
            member.listen()
        trains = any(member.stage == "training" for member in self.members)
        if self._deadline is None and (self.signals > 1 or not trains):
            self._deadline = time.monotonic() + _LAST_WORDS_SEC
        for member in self.members:
            member.stop(number)

    def _on_suspend(self, number: int, frame: FrameType | None) -> None:
        """Ctrl-Z reaches only this process's group."""
        del number, frame
        self._signal_groups(signal.SIGSTOP)
        signal.raise_signal(signal.SIGSTOP)

    def _on_continue(self, number: int, frame: FrameType | None) -> None:
        del number, frame
        self._watcher.parent_continued()
        self._signal_groups(signal.SIGCONT)

    def _signal_groups(self, number: int) -> None:
        if self._apart is not None:
            self._apart.signal(number)
            if self._apart.holds:
                return  # the trial stands still anyway
        for member in self.members:
            if member.code is None:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(member.process.pid, number)


@contextlib.contextmanager
def _waking() -> Iterator[socket.socket]:
    """A socket that can be read whenever a signal has come."""
    ours, theirs = socket.socketpair()
    for each in (ours, theirs):
        each.setblocking(False)
    before = signal.set_wakeup_fd(theirs.fileno(), warn_on_full_buffer=False)
    try:
        yield ours
    finally:
        signal.set_wakeup_fd(before)
        ours.close()
        theirs.close()


def _kill_descendants() -> None:
    """Kill whatever processes of the trial are left, detached ones included, and take note of their deaths."""
    for _ in range(_KILL_ROUNDS):
        descendants = psutil.Process().children(recursive=True)
        if not descendants:
            return
        for process in descendants:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(descendants, timeout=TICK_SEC)


def _environments(num_processes: int) -> list[dict[str, str]]:
    """The environment of each process; of several, with the variables that torchrun sets."""
    if num_processes == 1:
        return [dict(os.environ)]
    threads = max(1, usable_cores() // num_processes)
    shared = {
        "OMP_NUM_THREADS": str(threads),
        **os.environ,
        "WORLD_SIZE": str(num_processes),
        "LOCAL_WORLD_SIZE": str(num_processes),
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(_free_port()),
    }
    return [{**shared, "RANK": str(rank), "LOCAL_RANK": str(rank)} for rank in range(num_processes)]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
