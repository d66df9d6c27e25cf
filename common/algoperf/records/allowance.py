"""How long evaluations may take: what is longer is charged to the submission.

The clock stands during an evaluation. A submission that computes on meanwhile, or makes evaluations slow to hide work,
gains that time, so the official time subtracts no more than honest evaluations take. After the trial, its parent has
one made by a process without the submission's code, on the same devices (compilation included). The evaluations of the
trial up to any of them may together take FACTOR times as long, plus BASE_SEC. docs/integrity.md says how generous that
is for published runs.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from algoperf.records.json_file import read_object
from algoperf.records.layout import EVALUATION_FILE, REFEREE_FILE, STATUS_FILE

FACTOR, BASE_SEC = 5.0, 60.0


def excess_sec(durations: Sequence[float], clean_sec: float, paused_sec: float = 0.0) -> list[float]:
    """How many seconds longer than allowed the evaluations up to each took; never falls.

    Args:
      durations: seconds of each evaluation, in order.
      clean_sec: what one takes in a process without the submission's code.
      paused_sec: seconds in which the trial or its parent stood still, which may all have been evaluations.
    """
    sums = itertools.accumulate(durations)
    over = (total - FACTOR * count * clean_sec - BASE_SEC - paused_sec for count, total in enumerate(sums, start=1))
    return list(itertools.accumulate((max(0.0, each) for each in over), max))


def charges(folder: Path) -> dict[int, float]:
    """What is charged to the submission of the trial in `folder`: official seconds to add, by step of the evaluation.

    An evaluation is charged for those before it. Steps without a charge are absent; so are all of a trial without a
    referee, one that was not verified at its end, and one that shared its machine, whose times are marked anyway.
    """
    account = read_object(folder / REFEREE_FILE) or {}
    evaluations, clean = account.get("evaluations"), account.get("clean_sec")
    if not isinstance(evaluations, list) or not isinstance(clean, (int, float)):
        return {}
    machine = (read_object(folder / STATUS_FILE) or {}).get("machine")
    if not isinstance(machine, Mapping) or machine.get("shared"):
        return {}
    steps = [(each.get("global_step"), each.get("evaluation_sec")) for each in evaluations if isinstance(each, Mapping)]
    known = [(step, sec) for step, sec in steps if isinstance(step, int) and isinstance(sec, (int, float))]
    excess = excess_sec([sec for _, sec in known], clean, _paused_sec(machine))
    return {step: sec for (step, _), sec in zip(known[1:], excess, strict=False) if sec > 0}


def clean_sec(folder: Path) -> float | None:
    """How long the longest of the evaluations took that `algoperf evaluate` has made last; None without any."""
    records = (read_object(folder / EVALUATION_FILE) or {}).get("checkpoints")
    found = [each.get("seconds") for each in records if isinstance(each, dict)] if isinstance(records, list) else []
    return max((sec for sec in found if isinstance(sec, (int, float)) and sec > 0), default=None)


def _paused_sec(machine: Mapping[str, Any]) -> float:
    sessions = machine.get("sessions")
    found = [each.get("parent_stopped_sec") for each in sessions or () if isinstance(each, Mapping)]
    return sum(float(each) for each in (machine.get("stopped_sec"), *found) if isinstance(each, (int, float)))
