"""Small files by which one of several processes tells the others, and their parent, why it failed."""

from __future__ import annotations

import json
import signal
import traceback
from pathlib import Path
from typing import Any

from algoperf.errors import AlgoperfError
from algoperf.records.json_file import write_json
from algoperf.records.layout import STATUS_FILE
from algoperf.records.status import Status, read_status


def _file(rank: int | str) -> str:
    return f".failure_of_process_{rank}.json"


def clear(directory: Path) -> None:
    """Remove the notes of earlier failures."""
    for failure in directory.glob(_file("*")):
        failure.unlink()


def note(directory: Path, rank: int, status: Status, message: str) -> None:
    """Note how the trial ended in one of several processes."""
    write_json(directory / _file(rank), {"rank": rank, "status": status.label, "message": message})


def note_error(directory: Path, rank: int, error: Exception) -> None:
    """Note an error that is no regular end of a trial: an error of the harness, or a crash."""
    crashed = not isinstance(error, AlgoperfError)
    message = "".join(traceback.format_exception(error)) if crashed else str(error)
    code = getattr(error, "exit_code", AlgoperfError.exit_code)
    content = {"rank": rank, "status": None, "message": message, "exit_code": code, "crashed": crashed}
    write_json(directory / _file(rank), content)


def _failures(directory: Path) -> list[dict[str, Any]]:
    found = [json.loads(path.read_text()) for path in directory.glob(_file("*"))]
    return sorted(found, key=lambda failure: failure["rank"])


def of_another_process(directory: Path) -> tuple[Status, str] | None:
    """The failure of a process other than the first; it explains why the first one lost its connections."""
    for failure in _failures(directory):
        if failure["status"] is not None:
            return Status.from_label(failure["status"]), f"In process {failure['rank']}: {failure['message']}"
    return None


def _raise_first(failures: list[dict[str, Any]], explained: bool) -> None:
    """Raise the first error. If `explained`, skip crashes: processes also crash because another one is gone."""
    explained |= any(not failure.get("crashed") for failure in failures)
    for failure in failures:
        if failure["status"] is None and not (failure["crashed"] and explained):
            error = AlgoperfError(failure["message"])
            error.exit_code = failure["exit_code"]
            raise error


def explain_end(directory: Path, exit_codes: list[int]) -> int:
    """Complete the status after all processes have ended; returns the exit code of the trial.

    Raises AlgoperfError if one stopped a process.
    """
    killed = [(rank, signal.Signals(-code).name) for rank, code in enumerate(exit_codes) if code < 0]
    failures = _failures(directory)
    ended = of_another_process(directory)
    clear(directory)
    _raise_first(failures, bool(killed))
    content = read_status(directory)
    if content is None:
        return next((abs(code) for code in exit_codes if code), 0)
    if killed and not content["finished"]:  # the others failed because of it
        rank, name = killed[0]
        ended = Status.INTERRUPTED, f"Process {rank} was killed ({name}); the same command resumes it."
    elif content["status"] != Status.RUNNING.label:
        ended = None
    if ended is None:
        return Status.from_label(content["status"]).exit_code
    write_json(directory / STATUS_FILE, {**content, "status": ended[0].label, "message": ended[1]})
    print(f"{ended[0].label}: {ended[1]}", flush=True)
    return ended[0].exit_code
