"""Small files by which a process other than the first notes its own end: the first one only sees that it is gone."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from pathlib import Path

from algoperf.records.json_file import write_json
from algoperf.records.status import Status


@dataclass(frozen=True)
class Failure:
    """How a process ended: `noted_at` in monotonic seconds, which all processes of a machine share."""

    status: Status
    message: str
    noted_at: float


def _file(rank: int | str) -> str:
    return f".failure_of_process_{rank}.json"


def clear(directory: Path) -> None:
    """Remove the notes of earlier failures."""
    for failure in directory.glob(_file("*")):
        failure.unlink()


def note(directory: Path, rank: int, status: Status, message: str) -> None:
    """Note how the trial ended in a process other than the first."""
    content = {"rank": rank, "status": status.label, "message": message, "noted_at": time.monotonic()}
    write_json(directory / _file(rank), content)


def of_another_process(directory: Path) -> Failure | None:
    """How a process other than the first ended; it explains why the first one lost its connections."""
    failures = [json.loads(path.read_text()) for path in directory.glob(_file("*"))]
    for failure in sorted(failures, key=lambda failure: int(failure["rank"])):
        message = f"In process {failure['rank']}: {failure['message']}"
        return Failure(Status.from_label(failure["status"]), message, failure["noted_at"])
    return None
