"""What `referee.json` says against a run's own records: times that its parent measured, results that it was told.

Since version 2 of the file, the times in the records are the parent's, and `trial_sec` has those of the trial's clock.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

BASE_SEC, EVALUATION_SEC, SHARE = 0.5, 0.02, 0.005
"""How much the two clocks may differ: messages arrive later where the machine is busy. On two cores with six other
programs, 15 evaluations of digits moved the parent's time by 0.02 s."""


def allowed_sec(num_evaluations: int, seconds: float, status: Mapping[str, Any]) -> float:
    """How much both clocks may differ after some evaluations and seconds, and while the parent itself stood still."""
    return BASE_SEC + EVALUATION_SEC * num_evaluations + SHARE * seconds + _parent_stopped_sec(status)


def _parent_stopped_sec(status: Mapping[str, Any]) -> float:
    machine = status.get("machine")
    sessions = machine.get("sessions") if isinstance(machine, Mapping) else None
    found = [each.get("parent_stopped_sec") for each in sessions or () if isinstance(each, Mapping)]
    return sum(float(each) for each in found if isinstance(each, (int, float)))


def changed_files(account: Mapping[str, Any], folder: Path) -> list[str]:
    """The names of the files in a trial's folder that are not what its parent wrote, and nobody may change."""
    files = account.get("files")
    written = files.items() if isinstance(files, Mapping) else ()
    return [name for name, sha256 in written if (folder / name).is_file() and _sha256(folder / name) != sha256]


def _sha256(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def contradicts(account: Mapping[str, Any], status: Mapping[str, Any], folder: Path) -> bool:
    """Whether a parent's account contradicts the time to target or the files of a trial, or names problems.

    Damaged accounts say nothing.
    """
    if account.get("problems"):
        return True
    if status.get("referee") is not False and changed_files(account, folder):  # False: the last process had no parent
        return True
    reached, evaluations = status.get("target_reached_at"), account.get("evaluations")
    if not isinstance(reached, Mapping) or not isinstance(evaluations, list) or account.get("known_from"):
        return False
    for count, evaluation in enumerate(evaluations, start=1):
        if isinstance(evaluation, Mapping) and evaluation.get("global_step") == reached.get("global_step"):
            own = evaluation.get("trial_sec", reached.get("submission_sec"))
            measured = evaluation.get("submission_sec")
            if isinstance(own, (int, float)) and isinstance(measured, (int, float)):
                return measured - own > allowed_sec(count, measured, status)
    return False
