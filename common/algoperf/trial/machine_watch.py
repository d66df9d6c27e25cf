"""Watches the machine from the parent of a trial: what else computes, and seconds in which nothing could run."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import psutil

from algoperf.records import machine
from algoperf.records.machine import Snapshot
from algoperf.system import usable_cores
from algoperf.text import counted
from algoperf.trial.supervisor import TICK_SEC

_FIRST_LOOK_SEC = 3.0
_LATE_SEC = 3.0  # a parent that wakes up that much later than it wanted did not run; a busy machine is quicker
_WENT_ON = 0.05  # of the time that the parent missed, a trial computes at least this part if it goes on
_MANY_CORES = (0.25, 0.05)  # others disturb if they use more cores than this, and more than this part of them

LOAD_IS_SAID = "ALGOPERF_LOAD_IS_SAID"
"""Environment variable of a trial whose command has shown what `load_warnings` finds already: it goes on in records."""
_OTHERS, _THREADS = "Others keep", "PyTorch uses"


def load_warnings(status: Mapping[str, Any]) -> list[str]:
    """The warnings about other programs and too many threads that a trial's last process has kept in its status."""
    sessions = (status.get("machine") or {}).get("sessions") or [{}]
    return [text for text in sessions[-1].get("warnings", []) if text.startswith((_OTHERS, _THREADS))]


def was_busy(warnings: Iterable[str]) -> bool:
    """Whether one of these warnings says that other programs kept the machine's cores busy."""
    return any(text.startswith(_OTHERS) for text in warnings)


class MachineWatch:
    """What one process after another finds on the machine; see `Watcher`.

    Attributes:
      shared: whether the trial ran beside others on purpose.
    """

    def __init__(
        self,
        say: Callable[[str], None],
        earlier: Mapping[str, Any] | None = None,
        *,
        shared: bool = False,
        waited_sec: float = 0.0,
        threads: int | None = None,
        is_shared_now: Callable[[], bool] = lambda: False,
    ) -> None:
        """Begin to watch.

        Args:
          say: shows a warning to the user.
          earlier: `record()` of the processes that worked on the trial before.
          shared: see the attribute. `is_shared_now` is asked whether a trial beside it is there now.
          waited_sec: how long the trial waited for its devices.
          threads: threads that compute, if the user did not choose their number; None if he did.
        """
        self.shared = shared
        self._say, self._is_shared_now = say, is_shared_now
        self._sessions = list((earlier or {}).get("sessions", []))
        self._waited_sec, self._threads = waited_sec, threads
        self._load, self._begin = machine.load_average(), Snapshot.now()
        self._warnings: list[str] = []
        self._stopped_sec = self._parent_stopped_sec = 0.0
        self._standing: dict[int, float] = {}
        self._last_tick: tuple[float, float] | None = None
        self._oom_kills = [machine.num_oom_kills()] * 2
        self._parent_was_stopped = False
        self._has_looked = False
        gpus = machine.gpu_processes()
        if gpus:
            self.warn(f"Other programs compute on this machine's GPUs: {', '.join(gpus)}.")

    def warn(self, text: str, *, is_said: bool = False) -> None:
        """Keep a warning in the record, and show it unless the command has done so."""
        self._warnings.append(text)
        if not is_said:
            self._say(f"warning: {text}")

    # --- what the supervisor tells ------------------------------------------------------------------------------

    def tick(self, member: psutil.Process) -> None:
        """Look at the time that has passed since the last call."""
        now, used = time.clock_gettime(time.CLOCK_BOOTTIME), _cpu_seconds(member)
        if self._last_tick is not None:
            self._note_gap(now - self._last_tick[0] - TICK_SEC, used - self._last_tick[1])
        self._last_tick, self._parent_was_stopped = (now, used), False
        self._oom_kills = [self._oom_kills[1], machine.num_oom_kills()]
        if not self.shared and self._is_shared_now():
            self.shared = True
            self.warn("Another trial runs beside this one (--share): both are marked, and their times are longer.")
        if not self._has_looked and time.monotonic() - self._begin.at >= _FIRST_LOOK_SEC:
            self._has_looked = True
            self._look()

    def stopped(self, process: int) -> None:
        """A process of the trial stands still."""
        self._standing.setdefault(process, time.clock_gettime(time.CLOCK_BOOTTIME))

    def continued(self, process: int) -> None:
        """It goes on."""
        since = self._standing.pop(process, None)
        if since is not None and not self._standing:
            self._note_stop(time.clock_gettime(time.CLOCK_BOOTTIME) - since)

    def parent_continued(self) -> None:
        """This process was stopped, and goes on."""
        self._parent_was_stopped = True

    def _note_gap(self, late_sec: float, used_sec: float) -> None:
        if late_sec < _LATE_SEC or self._standing:  # what stands is counted when it goes on
            return
        if self._parent_was_stopped and used_sec > _WENT_ON * late_sec:
            self._parent_stopped_sec += late_sec
            self.warn(f"The parent of the trial was stopped for {late_sec:.1f} s; the trial went on.")
        else:
            self._note_stop(late_sec)

    def _note_stop(self, seconds: float) -> None:
        self._stopped_sec += seconds
        self.warn(f"For {seconds:.1f} s nothing could run: the trial was stopped, or the machine paused.")

    def memory_ran_out(self) -> bool:
        """Whether the kernel has killed a process for memory in the last moments."""
        return machine.num_oom_kills() > self._oom_kills[0]

    # --- load ---------------------------------------------------------------------------------------------------

    def _look(self) -> None:
        """Warn if others compute, or if the trial has more threads than idle cores."""
        found = Snapshot.now()
        cores = min(usable_cores(), machine.core_quota() or float("inf"))
        other = self._begin.other_cores(found)
        least, part = _MANY_CORES
        who = self._begin.busiest(found)
        if other > max(least, part * cores):
            by = f" ({', '.join(who)})" if who else ""
            self.warn(
                f"{_OTHERS} {other:.1f} of {counted(round(cores), 'core')} busy{by}, so times are longer. Stop them "
                "for times that count; `algoperf compare` trains two submissions in turn, so that both suffer alike.",
                is_said=LOAD_IS_SAID in os.environ,
            )
        idle = max(0.0, cores - other)
        if self._threads is not None and self._threads > idle + least:
            self.warn(
                f"{_THREADS} {self._threads} threads, but only {idle:.1f} cores are idle: threads wait for each "
                "other, and steps may take ten times as long. For small models, set OMP_NUM_THREADS=1 in the "
                "environment.",
                is_said=LOAD_IS_SAID in os.environ,
            )

    def record(self, ended: bool = False) -> dict[str, Any]:
        """What was found so far, for `status.json`; complete once the processes have `ended`."""
        now = Snapshot.now() if ended else self._begin
        session = {
            "shared": self.shared,
            "waited_sec": round(self._waited_sec, 3),
            "load_average": {"start": self._load, "end": machine.load_average() if ended else None},
            "other_cores": round(self._begin.other_cores(now), 3) if ended else None,
            "stolen_cores": round(self._begin.stolen_cores(now), 3) if ended else None,
            "other_processes": self._begin.busiest(now) if ended else None,
            "thermal_throttles": now.throttles - self._begin.throttles if ended else None,
            "quota_throttled_sec": round(now.quota_sec - self._begin.quota_sec, 3) if ended else None,
            "stopped_sec": round(self._stopped_sec, 3),
            "parent_stopped_sec": round(self._parent_stopped_sec, 3),
            "warnings": self._warnings,
        }
        sessions = [*self._sessions, session]
        return {
            "shared": any(each["shared"] for each in sessions),
            "stopped_sec": round(sum(each["stopped_sec"] for each in sessions), 3),
            "sessions": sessions,
        }

    def warn_at_end(self) -> None:
        """Warn of cores that were slowed down."""
        now = Snapshot.now()
        if now.throttles > self._begin.throttles:
            self.warn(f"Cores were slowed down for heat {counted(now.throttles - self._begin.throttles, 'time')}.")
        lost = now.quota_sec - self._begin.quota_sec
        if lost > _MANY_CORES[1] * (now.at - self._begin.at):
            self.warn(f"The limit on processor time of this container stopped threads for {lost:.1f} s in all.")


def _cpu_seconds(process: psutil.Process) -> float:
    try:
        times = process.cpu_times()
    except psutil.Error:  # it has ended
        return 0.0
    return float(times.user + times.system)
