"""What the harness asks of the operating system: processes of its own, cores, and ends together with others."""

from __future__ import annotations

import ctypes
import functools
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

STOPS = (signal.SIGTERM, signal.SIGINT)  # signals that ask to stop
_CALLER = "ALGOPERF_CALLER"  # number of the process to follow
_PR_SET_PDEATHSIG = 1
_PR_SET_DUMPABLE = 4
_PR_SET_CHILD_SUBREAPER = 36
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_MMAP_MAX = -1, -3, -4  # of glibc's malloc.h
_MOST, _DEFAULT_MMAP_MAX, _LARGEST_MMAP_THRESHOLD = 2**31 - 1, 65_536, 32 * 2**20


def algoperf_command(*arguments: str) -> list[str]:
    """The command line of `algoperf` with these arguments, in this Python."""
    return clean_python("algoperf", *arguments)


def in_short(command: Sequence[str]) -> list[str]:
    """An `algoperf_command` as campaigns record it, whichever interpreter runs it."""
    return ["algoperf", *command[len(algoperf_command()) :]]


def clean_python(module: str, *arguments: str) -> list[str]:
    """The command line of a module in this Python.

    It imports nothing from the folder where it is started: an earlier trial may have left modules there.
    """
    return [sys.executable, "-P", "-m", module, *arguments]


def keep_memory_private() -> None:
    """Let no other process of this user read or change the memory of this one; root still may."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_DUMPABLE, 0)


def usable_cores() -> int:
    """Number of cores that this process may run on, or, if unknown, of the machine."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def follow(parent: int, number: int = signal.SIGKILL) -> None:
    """Let the kernel kill this process, or send it another signal, when its parent, process `parent`, is gone."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, number)
    if os.getppid() != parent:
        sys.exit("The process that started this one is gone.")


def followed() -> dict[str, str]:
    """The variable with which a process of `algoperf` ends, as SIGTERM ends it, when this one is gone."""
    return {_CALLER: str(os.getpid())}


def follow_caller() -> None:
    """Obey that variable, which is for this process and not for those that it starts."""
    if (caller := os.environ.pop(_CALLER, "")).isdecimal():
        follow(int(caller), signal.SIGTERM)


_NEW_NETWORK = ("unshare", "--map-root-user", "--net")
_NEW_PLACES = (*_NEW_NETWORK, "--mount")
_WALLS = """
while [ "$1" != -- ]; do
  case "$1" in
    hide) mount -t tmpfs none "$2" || exit;;
    keep) mount --bind "$2" "$2" && mount -o remount,ro,bind "$2" || exit;;
  esac
  shift 2
done
shift
exec "$@"
"""


@functools.cache
def _works(*command: str) -> bool:
    return subprocess.run([*command, "true"], capture_output=True, check=False).returncode == 0


def without_network() -> list[str]:
    """A command prefix that removes the network; empty if this user may not do that."""
    return [*_NEW_NETWORK] if shutil.which("unshare") is not None and _works(*_NEW_NETWORK) else []


def confined(hidden: Sequence[Path] = (), kept: Sequence[Path] = ()) -> list[str]:
    """A command prefix that removes the network, empties the folders `hidden`, and makes the folders `kept` read-only.

    Only the network is removed, or nothing, if this user may not do more: what is started has the system's say.
    """
    places = [word for what, folders in (("hide", hidden), ("keep", kept)) for each in folders
              for word in (what, str(each.resolve()))]  # fmt: skip
    command = [*_NEW_PLACES, "sh", "-c", _WALLS, "sh", *places, "--"]
    if shutil.which("unshare") is None or not _works(*command):
        return without_network()
    return command


def adopt_orphans() -> None:
    """Let the kernel make this process the parent of all its descendants whose own parents end."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, 1)


def keep_freed_memory() -> None:
    """Let this process keep freed memory for its next allocations, where the C library is glibc.

    By default, large tensors go back to the kernel as soon as they are freed. Where all steps make the same ones, the
    kernel's work of handing out empty pages can take as long as the steps themselves.
    """
    _mallopt((_M_MMAP_MAX, 0), (_M_TRIM_THRESHOLD, _MOST))


def give_back_large_memory() -> None:
    """From now on, give memory of 32 MiB or more back to the kernel as soon as it is freed, in spite of the above.

    Of the memory of a tensor that takes gigabytes, small ones leave too little for the next, and too much to keep.
    """
    _mallopt((_M_MMAP_THRESHOLD, _LARGEST_MMAP_THRESHOLD), (_M_MMAP_MAX, _DEFAULT_MMAP_MAX))


def _mallopt(*settings: tuple[int, int]) -> None:
    if hasattr(libc := ctypes.CDLL(None), "mallopt"):
        for option, value in settings:
            libc.mallopt(option, value)


def local_process() -> tuple[int, int]:
    """Number of this process among those of its trial on this host, and how many they are (`torchrun`'s variables)."""
    return int(os.environ.get("LOCAL_RANK", "0")), int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
