"""What else happens on the machine of a trial: load, other processes, throttling. Nothing here may fail a run."""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import psutil

_BUSY = ("user", "nice", "system", "irq", "softirq")  # fields of psutil.cpu_times; guests are part of user
_LEAST_SHOWN_CORES = 0.1
_MOST_SHOWN = 5
_CONTROL_GROUPS = Path("/sys/fs/cgroup")


def load_average() -> list[float] | None:
    """The load averages of 1, 5 and 15 minutes; None where the system has none."""
    try:
        return [round(value, 2) for value in os.getloadavg()]
    except OSError:
        return None


def num_oom_kills() -> int:
    """How many processes the kernel has killed for memory: of this control group if that is known, else of all."""
    own = _read(_own_group("memory") / "memory.events") or _read(_own_group("memory") / "memory.oom_control")
    counts = [_fields(text).get("oom_kill") for text in (own, _read(Path("/proc/vmstat")))]
    return int(next((count for count in counts if count is not None), 0))


def core_quota() -> float | None:
    """How many cores the control group may use at a time; None for no limit."""
    group = _own_group("cpu")
    words = (_read(group / "cpu.max") or "max").split()
    if words[0] == "max":
        words = [_read(group / f"cpu.cfs_{name}_us") or "-1" for name in ("quota", "period")]
    quota, period = (float(word) for word in (*words, "100000")[:2])
    return quota / period if quota > 0 < period else None


@dataclass(frozen=True)
class Snapshot:
    """Counters of the machine at one moment.

    Attributes:
      at: monotonic seconds.
      busy, stolen: seconds that all cores have worked, and that a hypervisor gave to others.
      own: seconds of this process and of its descendants that it knows of.
      others: name and seconds of each other process, by number and start.
      throttles: how often cores were slowed down for heat; `quota_sec`: seconds lost to a limit of the control group.
    """

    at: float
    busy: float
    stolen: float
    own: float
    others: Mapping[tuple[int, float], tuple[str, float]] = field(repr=False)
    throttles: int
    quota_sec: float

    @classmethod
    def now(cls) -> Snapshot:
        """The counters now."""
        times = psutil.cpu_times()
        family = {process.pid for process in _family()}
        others = {}
        own = _used(resource.RUSAGE_CHILDREN)
        for process in psutil.process_iter(["name", "cpu_times", "create_time"]):
            found = process.info
            if not found["cpu_times"]:
                continue
            seconds = found["cpu_times"].user + found["cpu_times"].system
            if process.pid in family:
                own += seconds
            else:
                others[process.pid, found["create_time"]] = (found["name"] or "", seconds)
        return cls(
            at=time.monotonic(),
            busy=sum(getattr(times, name, 0.0) for name in _BUSY),
            stolen=getattr(times, "steal", 0.0),
            own=own,
            others=others,
            throttles=_thermal_throttles(),
            quota_sec=_quota_throttled_sec(),
        )

    def other_cores(self, later: Snapshot) -> float:
        """How many cores others kept busy until `later`, on average."""
        passed = max(later.at - self.at, 1e-9)
        return max(0.0, (later.busy - self.busy) - (later.own - self.own)) / passed

    def stolen_cores(self, later: Snapshot) -> float:
        """How many cores a hypervisor gave to others until `later`, on average."""
        return max(0.0, later.stolen - self.stolen) / max(later.at - self.at, 1e-9)

    def busiest(self, later: Snapshot) -> list[str]:
        """Other processes that kept a good part of a core busy until `later`: "name (number): cores"."""
        passed = max(later.at - self.at, 1e-9)
        cores = {
            f"{name} ({process})": (seconds - self.others.get((process, start), ("", 0.0))[1]) / passed
            for (process, start), (name, seconds) in later.others.items()
        }
        found = sorted(((used, who) for who, used in cores.items() if used >= _LEAST_SHOWN_CORES), reverse=True)
        return [f"{who}: {used:.1f} cores" for used, who in found[:_MOST_SHOWN]]


def gpu_processes() -> list[str]:
    """Programs that compute on NVIDIA GPUs now, as far as the driver tells."""
    if shutil.which("nvidia-smi") is None:
        return []
    query = ["nvidia-smi", "--query-compute-apps=process_name,pid", "--format=csv,noheader"]
    try:
        done = subprocess.run(query, capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return []
    rows = [line.rsplit(",", 1) for line in done.stdout.splitlines() if "," in line]
    return [f"{name.strip()} ({process.strip()})" for name, process in rows] if done.returncode == 0 else []


def _family() -> list[psutil.Process]:
    own = psutil.Process()
    return [own, *own.children(recursive=True)]


def _used(who: int) -> float:
    usage = resource.getrusage(who)
    return usage.ru_utime + usage.ru_stime


def _thermal_throttles() -> int:
    files = Path("/sys/devices/system/cpu").glob("cpu*/thermal_throttle/*_throttle_count")
    return sum(int(text) for file in files if (text := (_read(file) or "").strip()).isdigit())


def _quota_throttled_sec() -> float:
    found = _fields(_read(_own_group("cpu") / "cpu.stat"))
    return found.get("throttled_usec", 0.0) / 1e6 or found.get("throttled_time", 0.0) / 1e9


def _own_group(controller: str) -> Path:
    """This process's folder of a control group; in a container that is the root, of version 1 or 2."""
    for line in (_read(Path("/proc/self/cgroup")) or "").splitlines():
        _, controllers, path = line.split(":", 2)
        place = _CONTROL_GROUPS / controller if controller in controllers.split(",") else _CONTROL_GROUPS
        if controllers == "" or controller in controllers.split(","):
            inside = place / path.lstrip("/")
            if inside.is_dir() and any(inside.glob(f"{controller}.*")):
                return inside
            if any(place.glob(f"{controller}.*")):
                return place
    return _CONTROL_GROUPS


def _fields(text: str | None) -> dict[str, float]:
    """The numbers of lines `name number`."""
    words = [line.split() for line in (text or "").splitlines()]
    return {each[0]: float(each[1]) for each in words if len(each) == 2 and each[1].isdigit()}


def _read(path: Path) -> str | None:
    try:
        return path.read_text()
    except OSError:
        return None
