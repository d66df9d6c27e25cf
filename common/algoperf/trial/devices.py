"""The line in which the timed trials of one machine wait for its devices: its cores, and its GPUs.

A trial locks every device that it may use, so trials wait only for those with which they have a device in common
(`taskset`, CUDA_VISIBLE_DEVICES). A trial that shares waits for nobody; it holds a second lock of the same devices,
in common with others that share. The kernel drops the locks of a process that is killed. A container sees its own files
only: mount one folder into all of them, and say which (ALGOPERF_LOCKS).
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from algoperf.make_words import in_words_of_the_caller
from algoperf.waiting import FOR_DEVICES

LOCKS_VARIABLE = "ALGOPERF_LOCKS"
CAMPAIGN_VARIABLE = "ALGOPERF_CAMPAIGN"
"""Variable by which the processes of a campaign on this machine are known."""
_PLACES = (Path("/run/lock"), Path("/tmp"))  # not TMPDIR, which jobs have of their own
_FOLDER = "algoperf"
_NO_GPUS = ("", "-1")
_UNKNOWN = "another trial on this machine, which does not say who it is"


def devices(uses_gpus: bool) -> list[str]:
    """Names of the devices that a trial may use, in the order in which everybody locks them."""
    cores = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else range(os.cpu_count() or 1)
    gpus = _gpus() if uses_gpus else []
    return [f"core_{core:04d}" for core in sorted(cores)] + [f"gpu_{gpu}" for gpu in sorted(gpus)]


def has_gpu_driver() -> bool:
    """Whether a framework may find a GPU here, judged by the driver's files alone."""
    if os.environ.get("CUDA_VISIBLE_DEVICES", "all").strip() in _NO_GPUS:
        return False
    return any(Path("/dev", name).exists() for name in ("nvidiactl", "dxg", "kfd"))


def _gpus() -> list[str]:
    """The visible GPUs by their unique names, or as CUDA_VISIBLE_DEVICES calls them if the driver does not tell."""
    given = os.environ.get("CUDA_VISIBLE_DEVICES")
    chosen = None if given is None else [word.strip() for word in given.split(",") if word.strip()]
    if not has_gpu_driver():
        return []
    known = _unique_names()
    if chosen is None:
        return list(known.values()) or ["all"]
    by_prefix = {word: name for word in chosen for name in known.values() if name.startswith(word)}
    return [known.get(word, by_prefix.get(word, word)) for word in chosen]


def _unique_names() -> dict[str, str]:
    """Number -> unique name of every GPU."""
    if shutil.which("nvidia-smi") is None:
        return {}
    query = ["nvidia-smi", "--query-gpu=index,uuid", "--format=csv,noheader"]
    try:
        done = subprocess.run(query, capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return {}
    rows = [line.split(",") for line in done.stdout.splitlines()] if done.returncode == 0 else []
    return {row[0].strip(): row[1].strip() for row in rows if len(row) == 2}


class Line:
    """The locks of one machine's devices, and a place among those who wait for them.

    Attributes:
      problem: why there are no locks here, so that nobody waits; "" if there are.

    Who holds a lock writes into its file who it is, and since when: the kernel does not say it.
    """

    def __init__(self, names: Sequence[str], who: str, folder: Path | None = None) -> None:
        """`who` is what others are told that they wait for."""
        self.problem = ""
        try:
            self._folder = folder or _folder()
            for name in names:
                for kind in ("alone", "beside"):
                    os.close(self._open(name, kind))
        except OSError as error:
            names, self.problem = (), f"Trials cannot wait for each other here: {error}."
        self._names, self._who = names, who
        self._held: list[int] = []
        self._beside: list[int] = []
        self._awaited: tuple[int, str] | None = None  # the descriptor and the kind of the lock that is waited for

    @contextlib.contextmanager
    def alone(self, say: Callable[[str], None]) -> Iterator[float]:
        """Hold the devices inside; yields the seconds waited. Says for whom it waits."""
        begin, waits = time.monotonic(), False
        try:
            for kind, held in (("alone", self._held), ("beside", self._beside)):
                for name in self._names:
                    descriptor = self._open(name, kind)
                    held.append(descriptor)
                    if not _try(descriptor, fcntl.LOCK_EX):
                        self._awaited = descriptor, kind
                        if not waits:
                            say(f"{FOR_DEVICES}, {'; '.join(self.awaited())}")
                        waits = True
                        fcntl.flock(descriptor, fcntl.LOCK_EX)
                        self._awaited = None
                    if kind == "alone":
                        _tell(descriptor, self._who)
            for descriptor in self._beside:
                fcntl.flock(descriptor, fcntl.LOCK_UN)
            yield time.monotonic() - begin if waits else 0.0
        finally:
            self._release()

    @contextlib.contextmanager
    def beside_others(self) -> Iterator[float]:
        """Note inside that the devices are shared; waits for nobody, so yields 0."""
        try:
            for name in self._names:
                descriptor = self._open(name, "beside")
                self._beside.append(descriptor)
                fcntl.flock(descriptor, fcntl.LOCK_SH)  # held alone for moments only, by `is_shared`
                _tell(descriptor, self._who)
            yield 0.0
        finally:
            self._release()

    def awaited(self) -> tuple[str, ...]:
        """Who holds what this process waits for now, and how not to wait, in words; empty if it does not wait.

        Any thread may ask: the one that waits stands still.
        """
        if (awaited := self._awaited) is None:
            return ()
        descriptor, kind = awaited
        shared = "" if kind == "alone" else "trials that share them, the last to begin: "
        return f"held by {shared}{_told(descriptor)}", f"{_sharing()} would train beside it, and mark both runs"

    def is_shared(self) -> bool:
        """Whether another trial uses one of these devices now and shares it."""
        for descriptor in self._beside:
            if not _try(descriptor, fcntl.LOCK_EX):
                return True
            fcntl.flock(descriptor, fcntl.LOCK_UN)
        return False

    def _open(self, name: str, kind: str) -> int:
        path = self._folder / f"{name}.{kind}"
        with contextlib.suppress(FileExistsError):
            # In a shared folder, some systems refuse O_CREAT on another user's file, so a new file is made apart.
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666))
            path.chmod(0o666)
        try:
            return os.open(path, os.O_RDWR | os.O_CLOEXEC)
        except PermissionError:
            return os.open(path, os.O_RDONLY | os.O_CLOEXEC)

    def _release(self) -> None:
        for descriptor in (*self._held, *self._beside):
            os.close(descriptor)
        self._held, self._beside, self._awaited = [], [], None


def _folder() -> Path:
    """The folder of the locks, the same for all users. Raises OSError if there is no place for one."""
    given = os.environ.get(LOCKS_VARIABLE)
    places = [Path(given)] if given else [place / _FOLDER for place in _PLACES]
    for place in places:
        with contextlib.suppress(OSError):
            if not place.is_dir():
                place.mkdir(parents=bool(given))
                place.chmod(0o1777)
        if os.access(place, os.W_OK | os.X_OK):
            return place
    raise OSError(f"no writable folder for locks among {', '.join(map(str, places))}")


def _sharing() -> str:
    """How one asks for a trial that shares: in a campaign, whose plan has no such option, in its settings."""
    if CAMPAIGN_VARIABLE in os.environ:
        return "`share = true` under [local] in the campaign's site file"
    return in_words_of_the_caller("--share")


def _try(descriptor: int, how: int) -> bool:
    try:
        fcntl.flock(descriptor, how | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _tell(descriptor: int, who: str) -> None:
    with contextlib.suppress(OSError):  # a file of another user, or a full disk: others are told less
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{who}, since {time.strftime('%Y-%m-%d %H:%M')}".encode(), 0)


def _told(descriptor: int) -> str:
    with contextlib.suppress(OSError):
        return os.pread(descriptor, 1000, 0).decode(errors="replace").strip() or _UNKNOWN
    return _UNKNOWN
