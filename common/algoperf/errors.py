"""The errors of the harness, and their exit codes.

    AlgoperfError                1  a failure of the benchmark or the machine
    ├── UserError                2  bad input: says what was given, what is allowed, how to fix it
    │   ├── CheckpointMismatch   2  a checkpoint from other code or settings
    │   ├── SubmissionError      3  the submission raised before the trial began
    │   └── DiskFull             2  a disk has no room left, whatever was to be written
    ├── DataError                5  raw or preprocessed data is missing, truncated or corrupt
    ├── UnsavedState             1  a submission's state cannot be saved: the trial continues without checkpoints
    ├── EvaluationMismatch       6  re-evaluated metrics differ from the recorded ones
    └── ChecksFailed             8  runs or a submission violate the rules

How a run ended has separate exit codes: `Status`.
"""

from __future__ import annotations

import difflib
import errno
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from algoperf.text import format_bytes


class AlgoperfError(Exception):
    """Base of all errors that are reported as a message, without a traceback."""

    exit_code = 1


class UserError(AlgoperfError):
    """The caller can fix this by changing an argument or a file."""

    exit_code = 2


class CheckpointMismatch(UserError):
    """The checkpoint found was written by other code or under other settings."""


class SubmissionError(UserError):
    """The submission's own code raised before the trial began; once it has begun, that is a status."""

    exit_code = 3


class DiskFull(UserError):
    """A disk is, or would become, full: `required_bytes` have to be written to `directory`, as far as is known.

    They are `more` than that if not all of it is known.
    """

    def __init__(self, directory: Path | None, required_bytes: int | None = None, more: bool = False) -> None:
        where = required = free = ""
        if directory is not None:
            where = f" in {directory}"
            free = f"{_exactly(_free_bytes(directory))} free. "
        if required_bytes is not None:
            required = f"{'more than ' if more else ''}{_exactly(required_bytes)} needed, "
        super().__init__(
            f"Not enough disk space{where}: {required}{free or 'a disk is full. '}"
            "Free some space or choose another directory, then run the same command again."
        )


class DataError(AlgoperfError):
    """Raw or preprocessed data is missing, truncated or corrupt."""

    exit_code = 5


class UnsavedState(AlgoperfError):
    """The submission's state cannot be saved; says why. The trial loop continues without checkpoints."""


class EvaluationMismatch(AlgoperfError):
    """Metrics computed from a checkpoint differ from the recorded ones."""

    exit_code = 6


class ChecksFailed(AlgoperfError):
    """A check of runs or of a submission failed."""

    exit_code = 8


def nearest(given: str, allowed: Iterable[str]) -> str | None:
    """The name most like a given one, in whatever case; None if none is like it."""
    names = {name.casefold(): name for name in sorted(allowed, reverse=True)}
    found = difflib.get_close_matches(given.casefold(), names, n=1, cutoff=0.5)
    return names[found[0]] if found else None


def nearest_few(given: str, allowed: Iterable[str], most: int = 3) -> list[str]:
    """The names most like a given one, in whatever case, nearest first; none if none is like it."""
    names = {name.casefold(): name for name in sorted(allowed, reverse=True)}
    return [names[found] for found in difflib.get_close_matches(given.casefold(), names, n=most, cutoff=0.6)]


def did_you_mean(given: str, allowed: Iterable[str]) -> str:
    """The question whether the nearest name was meant, with a space in front; "" if none is near."""
    found = nearest(given, allowed)
    return f" Did you mean {found!r}?" if found is not None else ""


def nearest_path(given: Path) -> Path | None:
    """The file or folder that is there and most like one that is not, part by part; None if none is like it."""
    place = Path()
    for part in given.parts:
        name: str | None = part
        if not os.path.exists(place / part):  # false also where one may not look
            name = nearest(part, _names_in(place))
        if name is None:
            return None
        place /= name
    return place


def _names_in(folder: Path) -> list[str]:
    """The names in a folder but hidden ones; none if it is no folder, or may not be read."""
    try:
        return [entry.name for entry in folder.iterdir() if not entry.name.startswith(".")]
    except OSError:
        return []


def did_you_mean_path(given: Path) -> str:
    """The same question about a path that has to be there; "" if it is, or if none is near."""
    found = nearest_path(given)
    return f" Did you mean '{found}'?" if found not in (None, given) else ""


def unknown(what: str, given: str, allowed: Iterable[str], remedy: str = "") -> UserError:
    """A UserError in the house form: given, allowed, nearest match, what to do."""
    names = sorted(allowed)
    hint = did_you_mean(given, names)
    listed = ", ".join(names) or "(none)"
    return UserError(f"Unknown {what} {given!r}.{hint} Allowed: {listed}.{' ' + remedy if remedy else ''}")


def _exactly(num_bytes: int) -> str:
    return f"{format_bytes(num_bytes)} ({num_bytes} bytes)"


def _free_bytes(directory: Path) -> int:
    existing = next(place for place in (directory, *directory.absolute().parents) if place.exists())
    return shutil.disk_usage(existing).free


def text_of(error: BaseException) -> str:
    """The text of an error, whose class may be anybody's."""
    try:
        return str(error)
    except Exception:
        return "its text cannot be shown"


def is_full_disk(error: BaseException) -> bool:
    """Whether the system said 'no space left' or 'quota exceeded', to Python or to a library in another language."""
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno in (errno.ENOSPC, errno.EDQUOT)
    if isinstance(error, AlgoperfError):
        return False
    told = (f"os error {errno.ENOSPC}", f"os error {errno.EDQUOT}", "No space left on device")  # as Rust and C say it
    return isinstance(error, Exception) and any(words in text_of(error) for words in told)


@contextmanager
def explaining_full_disk(directory: Path | None = None, required_bytes: int | None = None) -> Iterator[None]:
    """Turn whatever says that a disk is full into a DiskFull, with numbers for the directory if it is known."""
    try:
        yield
    except AlgoperfError:
        raise
    except Exception as error:
        if not is_full_disk(error):
            raise
        named = getattr(error, "filename", None)
        raise DiskFull(Path(named).parent if directory is None and named else directory, required_bytes) from error


_REFUSALS = (
    errno.EACCES, errno.EEXIST, errno.EISDIR, errno.ELOOP, errno.ENAMETOOLONG, errno.ENOENT, errno.ENOTDIR,
    errno.EPERM, errno.EROFS,
)  # fmt: skip
_LONGEST_PATH = 200


@contextmanager
def explaining_bad_paths() -> Iterator[None]:
    """Turn the system's refusal of a path into a UserError that names it: too long, not a folder, not writable ..."""
    try:
        yield
    except OSError as error:
        if error.errno not in _REFUSALS or not isinstance(error.filename, (str, Path)):
            raise
        path = str(error.filename)
        shown = path if len(path) <= _LONGEST_PATH else f"{path[:_LONGEST_PATH]}..."
        raise UserError(f"The path {shown!r} cannot be used: {error.strerror}. Give another one.") from error


@contextmanager
def explaining_full_disk_below(directory: Path, temporary: Path) -> Iterator[None]:
    """The same for all that is written to `temporary`, which will become `directory`: more is needed than is there."""
    try:
        yield
    except Exception as error:
        if not is_full_disk(error):
            raise
        written = sum(path.stat().st_size for path in temporary.rglob("*") if path.is_file())
        raise DiskFull(directory.parent, written, more=True) from error
