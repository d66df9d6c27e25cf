"""How long evaluations may take: what is longer is charged to the submission.

The clock stands during an evaluation. A submission that computes on meanwhile, or makes evaluations slow to hide work,
gains that time, so the official time subtracts no more than honest evaluations take:

* in an evaluation apart, the seconds in which the trial stood still, which its parent knows, and little around them;
* in one together, FACTOR times as long as a clean one. After the trial, its parent has one made by a process without
  the submission's code, on the same devices (compilation included).

In both, checkpoints may take what they do at BYTES_PER_SEC, because the clock stands while they are written, too, and
the evaluations of a trial up to any of them have BASE_SEC, or APART_BASE_SEC if all were apart, in addition.
docs/integrity.md says how generous that is for published runs and trials of our own, and what is not known.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from algoperf.records.json_file import read_object
from algoperf.records.layout import EVALUATION_FILE, REFEREE_FILE, STATUS_FILE

FACTOR, BASE_SEC = 5.0, 60.0
APART_SEC, APART_BASE_SEC = 1.0, 10.0
BYTES_PER_SEC = 10e6


def excess_sec(
    durations: Sequence[float],
    clean_sec: float,
    paused_sec: float = 0.0,
    saved_bytes: Sequence[int] = (),
    stood_sec: Sequence[float] = (),
) -> list[float]:
    """How many seconds longer than allowed the evaluations up to each took; never falls.

    Args:
      durations: seconds of each evaluation, in order, and until the clock went on.
      clean_sec: what one takes in a process without the submission's code.
      paused_sec: seconds in which the trial or its parent stood still, which may all have been evaluations.
      saved_bytes: of the checkpoint of each; none if it is not known.
      stood_sec: how long the trial stood still during each; 0 if it was not apart.
    """
    filled = zip(durations, itertools.chain(stood_sec, itertools.repeat(0.0)), strict=False)
    stood = [still for _, still in filled]
    saved = itertools.chain(saved_bytes, itertools.repeat(0))
    allowed = [
        (still + APART_SEC if still else FACTOR * clean_sec) + num_bytes / BYTES_PER_SEC
        for still, num_bytes in zip(stood, saved, strict=False)
    ]
    base_sec = APART_BASE_SEC if all(stood) else BASE_SEC
    sums = zip(itertools.accumulate(durations), itertools.accumulate(allowed), strict=True)
    over = (max(0.0, taken - due - base_sec - paused_sec) for taken, due in sums)
    return list(itertools.accumulate(over, max))


def charges(folder: Path) -> dict[int, float]:
    """What is charged to the submission of the trial in `folder`: official seconds to add, by step of the evaluation.

    An evaluation is charged for those before it. Steps without a charge are absent; so are all of a trial without a
    referee, one that was not verified at its end, and one that shared its machine, whose times are marked anyway.
    """
    account = read_object(folder / REFEREE_FILE) or {}
    evaluations, clean = account.get("evaluations"), account.get("clean_sec")
    apart = account.get("evaluation") == "apart"
    if not isinstance(evaluations, list) or not (apart or isinstance(clean, (int, float))):
        return {}
    machine = (read_object(folder / STATUS_FILE) or {}).get("machine")
    if not isinstance(machine, Mapping) or machine.get("shared"):
        return {}
    known = [each for each in evaluations if isinstance(each, Mapping) and isinstance(each.get("global_step"), int)]
    evaluating, logging = ([_number(each.get(name)) for each in known] for name in ("evaluation_sec", "logging_sec"))
    saved = [int(_number(each.get("saved_bytes"))) for each in known]
    stood = [_number(each.get("stood_sec")) for each in known]
    if apart:  # whoever stops the parent must not gain seconds, and work before a snapshot changes that evaluation
        durations = [sec + before for sec, before in zip(evaluating, [0.0, *logging], strict=False)]
        excess = excess_sec(durations, clean or 0.0, saved_bytes=[0, *saved], stood_sec=stood)
    else:
        durations, known = [sec + more for sec, more in zip(evaluating, logging, strict=True)], known[1:]
        excess = excess_sec(durations, clean or 0.0, _paused_sec(machine), saved, stood)
    return {each["global_step"]: sec for each, sec in zip(known, excess, strict=False) if sec > 0}


def _number(value: Any) -> float:
    return float(value) if isinstance(value, (int, float)) and value >= 0 else 0.0


def clean_sec(folder: Path) -> float | None:
    """How long the longest of the evaluations took that `algoperf evaluate` has made last; None without any."""
    records = (read_object(folder / EVALUATION_FILE) or {}).get("checkpoints")
    found = [each.get("seconds") for each in records if isinstance(each, dict)] if isinstance(records, list) else []
    return max((sec for sec in found if isinstance(sec, (int, float)) and sec > 0), default=None)


def _paused_sec(machine: Mapping[str, Any]) -> float:
    sessions = machine.get("sessions")
    found = [each.get("parent_stopped_sec") for each in sessions or () if isinstance(each, Mapping)]
    return sum(map(_number, (machine.get("stopped_sec"), *found)))
