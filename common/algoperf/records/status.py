"""How a trial ended: the name of each way to end, its exit code, and `status.json`."""

from __future__ import annotations

import enum
from pathlib import Path
from typing import Any

from algoperf.records.json_file import read_object
from algoperf.records.layout import STATUS_FILE


class Status(enum.Enum):
    """How a trial ended, with the exit code of `algoperf train`.

    Trials with exit code 0 ended by the rules: they are finished and never repeated. A breach of the rules is final
    too. The others are resumed. So is a pruned trial once the order to prune it is withdrawn (`prune_order.py`).
    """

    RUNNING = ("running", 1)  # what a process killed without warning leaves behind
    TARGET_REACHED = ("target_reached", 0)
    BUDGET_SPENT = ("budget_spent", 0)
    TRAINING_COMPLETE = ("training_complete", 0)
    MAX_STEPS_REACHED = ("max_steps_reached", 0)
    NAN = ("nan", 0)
    PRUNED = ("pruned", 0)
    SUBMISSION_ERROR = ("submission_error", 3)
    OUT_OF_MEMORY = ("out_of_memory", 4)
    EVALUATION_ERROR = ("evaluation_error", 7)
    RULE_BREACH = ("rule_breach", 9)
    INTERRUPTED = ("interrupted", 130)

    def __init__(self, label: str, exit_code: int) -> None:
        self.label = label
        self.exit_code = exit_code

    @property
    def finished(self) -> bool:
        """Whether the trial ended by the rules."""
        return self.exit_code == 0

    @classmethod
    def from_label(cls, label: str) -> Status:
        """The status written as `label`."""
        return next(status for status in cls if status.label == label)


_EXIT_CODES = {
    1: "a failure of the benchmark or the machine",
    2: "a mistake in arguments or files",
    5: "data is missing or broken",
    6: "metrics differ when they are evaluated again",
    **{status.exit_code: status.label for status in Status if status.exit_code > 1},
}


def exit_code_name(code: int) -> str:
    """What an exit code of `algoperf train` means; shells add 128 to the number of a signal that killed it."""
    if code not in _EXIT_CODES and code > 128:
        return f"killed by signal {code - 128}"
    return _EXIT_CODES.get(code, "unknown")


def read_status(directory: Path) -> dict[str, Any] | None:
    """The content of a trial's `status.json`; None if there is none that can be read."""
    return read_object(directory / STATUS_FILE)
