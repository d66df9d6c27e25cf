"""The account of a referee as plain data, and how a later process reads what an earlier one wrote in `referee.json`."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from algoperf.records.json_file import read_object
from algoperf.records.layout import REFEREE_FILE

VERSION = 2


@dataclass(frozen=True)
class Mark:
    """The referee's account when a checkpoint was begun: a trial that goes on from there goes on from these times."""

    global_step: int
    seconds: Mapping[str, float]
    num_evaluations: int


@dataclass(frozen=True)
class Evaluation:
    """One evaluation.

    Attributes:
      global_step: of which step.
      submission_sec: official submission time when it began; trial_sec: the same by the trial's own clock.
      evaluation_sec: how long it took; logging_sec: how long it then took until the clock went on.
      saved_bytes: size of the checkpoint that was written meanwhile.
      stood_sec: how long the trial stood still for it; 0 if it was not made apart.
      metrics: what was told when it ended.
    """

    global_step: int
    submission_sec: float
    trial_sec: float
    evaluation_sec: float
    metrics: Mapping[str, Any]
    logging_sec: float = 0.0
    saved_bytes: int = 0
    stood_sec: float = 0.0


@dataclass(frozen=True)
class Earlier:
    """What an earlier process left."""

    evaluations: list[Evaluation]
    marks: list[Mark]
    known_from: int
    num_unknown: int
    problems: list[str]
    snapshot: dict[str, str] | None


def read_account(directory: Path) -> Earlier:
    """The account in a folder; an empty one if there is none, or it is damaged."""
    content = read_object(directory / REFEREE_FILE) or {}
    try:
        if content.get("version") == VERSION:
            return Earlier(
                evaluations=[Evaluation(**each) for each in content["evaluations"]],
                marks=[Mark(**each) for each in content["checkpoints"]],
                known_from=int(content["known_from"]),
                num_unknown=int(content["num_unknown"]),
                problems=[str(each) for each in content["problems"]],
                snapshot=content["snapshot"],
            )
    except (KeyError, TypeError, ValueError):
        pass
    return Earlier([], [], 0, 0, [], None)


def is_same(text: str | None, value: Any) -> bool:
    """Whether a field of a csv file holds a value. JSON files hold NaN and infinity as null."""
    try:
        found = float(text or "nan")
    except ValueError:
        return text == value
    if value is None:
        return not math.isfinite(found)
    return found == value or (math.isnan(found) and value != value)
