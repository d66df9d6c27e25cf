"""What the harness asks of the operating system: processes of its own, cores, and ends together with others."""

from __future__ import annotations

import ctypes
import os
import signal
import sys

STOPS = (signal.SIGTERM, signal.SIGINT)  # signals that ask to stop
_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36


def algoperf_command(*arguments: str) -> list[str]:
    """The command line of `algoperf` with these arguments, in this Python."""
    return [sys.executable, "-m", "algoperf", *arguments]


def usable_cores() -> int:
    """Number of cores that this process may run on, or, if unknown, of the machine."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def follow(parent: int) -> None:
    """Let the kernel kill this process when its parent, process `parent`, is gone."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        sys.exit("The process that started this one is gone.")


def adopt_orphans() -> None:
    """Let the kernel make this process the parent of all its descendants whose own parents end."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, 1)


def local_process() -> tuple[int, int]:
    """Number of this process among those of its trial on this host, and how many they are (`torchrun`'s variables)."""
    return int(os.environ.get("LOCAL_RANK", "0")), int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
