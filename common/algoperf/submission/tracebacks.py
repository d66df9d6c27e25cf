"""Tracebacks of errors in submissions: what its authors can mend, and no more."""

from __future__ import annotations

import os
import traceback
from pathlib import Path

from algoperf.submission.missing_key import explain_missing_key
from algoperf.submission.signatures import expected_by
from algoperf.workload.registry import REPOSITORY_CUBES

_ALL = "ALGOPERF_TRACEBACK"
"""Environment variable: with the value `full`, tracebacks show all frames."""
_HOW_TO_SEE_ALL = f"{_ALL}=full shows all"
_LONGEST = 10_000  # characters, half of them at each end
_HARNESS = (Path(__file__).resolve().parents[1], REPOSITORY_CUBES)
_LIBRARIES = {"site-packages", "dist-packages"}
_INNERMOST = 3  # frames, if none is the submission's


def raised_in(error: BaseException, folder: Path) -> bool:
    """Whether code in `folder` itself raised the error, not something that it called."""
    frames = traceback.extract_tb(error.__traceback__)
    return bool(frames) and _is_own(frames[-1], folder)


def submission_traceback(error: BaseException, folder: Path) -> str:
    """The traceback of an error cut to the submission's own frames, and what may help.

    Where it has none, as of a function that a block has made, it is cut to those of libraries.
    """
    frames = _frames(error)
    own = [frame for frame in frames if _is_own(frame, folder)]
    help_ = explain_missing_key(error) or (None if own else expected_by(error))
    if os.environ.get(_ALL) == "full":
        return full_traceback(error) if help_ is None else f"{full_traceback(error)}\n{help_}"
    if own:
        shown = [f"Traceback (submission's frames only; {_HOW_TO_SEE_ALL}):\n", *traceback.format_list(own)]
    elif help_ or not frames or isinstance(error, SyntaxError):
        shown = []  # the caller's frames say nothing about a file that has no code, or about a function's arguments
    else:
        others = [frame for frame in frames if not _is_harness(frame)][-_INNERMOST:]
        what = "the last outside of AlgoPerf" if others else f"raised in {_place(frames[-1])}"
        shown = [f"Traceback (no frame is the submission's; {what}; {_HOW_TO_SEE_ALL}):\n"]
        shown += traceback.format_list(others)
    text = _in_short("".join((*shown, *traceback.format_exception_only(error))))
    return text if help_ is None else f"{text}\n{help_}"


def full_traceback(error: BaseException) -> str:
    """The traceback with all frames, for the log."""
    lines = ["Traceback (all frames):\n", *traceback.format_list(_frames(error))]
    return _in_short("".join((*lines, *traceback.format_exception_only(error))))


def _frames(error: BaseException) -> list[traceback.FrameSummary]:
    return [frame for frame in traceback.extract_tb(error.__traceback__) if not frame.filename.startswith("<frozen ")]


def _in_short(text: str) -> str:
    text = text.rstrip()
    text = text.encode(errors="backslashreplace").decode()  # half a surrogate pair can be neither shown nor recorded
    if len(text) > _LONGEST:
        half = _LONGEST // 2
        text = f"{text[:half]}\n... {len(text) - 2 * half:,} characters left out ...\n{text[-half:]}"
    return text


def _place(frame: traceback.FrameSummary) -> str:
    """Where a frame of the harness is: file below the package's folder, and line."""
    path = Path(frame.filename)
    root = next(place.parent for place in _HARNESS if path.is_relative_to(place))
    return f"{path.relative_to(root)}, line {frame.lineno}"


def _is_own(frame: traceback.FrameSummary, folder: Path) -> bool:
    """Whether a frame is of the submission's code, whose folder may hold the harness or an environment too."""
    path = Path(frame.filename)
    if not path.is_relative_to(folder) or _LIBRARIES & set(path.relative_to(folder).parts):
        return False
    return not _is_harness(frame)


def _is_harness(frame: traceback.FrameSummary) -> bool:
    return any(Path(frame.filename).is_relative_to(place) for place in _HARNESS)
