"""The order to prune a trial: a small file in its folder. The trial's parent obeys it, whoever wrote it.

While the file is there, the trial is not begun, and stops if it runs. Without it, the same command goes on where the
trial was stopped. What a trial trains never learns of the order before it is over.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from algoperf.records.json_file import read_object, write_json
from algoperf.records.layout import PRUNE_FILE

_NO_REASON = "Somebody asked for it, without a reason."


@dataclass(frozen=True)
class PruneOrder:
    """An order.

    Attributes:
      reason: why, in a sentence, for people.
      rule: a name for the kind of reason, such as "settled"; "" if a person gave the order.
    """

    reason: str
    rule: str = ""

    def as_dict(self) -> dict[str, Any]:
        """The order as it is written."""
        return {"rule": self.rule, "reason": self.reason}


def write_order(directory: Path, order: PruneOrder) -> None:
    """Order a trial to be stopped, or not to be begun."""
    directory.mkdir(parents=True, exist_ok=True)
    write_json(directory / PRUNE_FILE, order.as_dict())


def read_order(directory: Path) -> PruneOrder | None:
    """The order in a trial's folder; None if there is none. What is no JSON object is none."""
    found = read_object(directory / PRUNE_FILE)
    if found is None:
        return None
    reason, rule = found.get("reason"), found.get("rule")
    return PruneOrder(
        reason if isinstance(reason, str) and reason.strip() else _NO_REASON, rule if isinstance(rule, str) else ""
    )


def withdraw_order(directory: Path) -> None:
    """Let a trial go on: the same command resumes it."""
    (directory / PRUNE_FILE).unlink(missing_ok=True)
