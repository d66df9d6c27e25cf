"""How a trial approached its target: all the data that any target, strict or relaxed, needs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from algoperf.versions import Goal, Limits


class Improvement(NamedTuple):
    """An evaluation that is better than all earlier ones of its trial.

    Attributes:
      row: its index among the trial's evaluations, from 0.
      step: global step; NaN if the file does not say.
      seconds: submission time.
      value: the target metric on the validation split.
    """

    row: int
    step: float
    seconds: float
    value: float


Approach = tuple[Improvement, ...]
"""A trial's improvements in the order of its evaluations. The first row that reaches a target is always one."""


def approach(values: Sequence[float], seconds: Sequence[float], steps: Sequence[float], goal: Goal) -> Approach:
    """The improvements among a trial's evaluations. Non-finite values are never improvements."""
    best, sign = -math.inf, 1.0 if goal == "max" else -1.0
    found = []
    for row, value in enumerate(values):
        if best < sign * value < math.inf:
            best = sign * value
            found.append(Improvement(row, steps[row], seconds[row], value))
    return tuple(found)


def first_reaching(improvements: Approach, target: float, goal: Goal) -> Improvement | None:
    """The first evaluation that reached the target, equality included; None if none did."""
    if goal == "max":
        return next((item for item in improvements if item.value >= target), None)
    return next((item for item in improvements if item.value <= target), None)


def relaxed_target(limits: Limits, relaxation: float) -> float:
    """The validation target, made easier by a share of its absolute value; unchanged for 0."""
    amount = relaxation * abs(limits.validation_target)
    return limits.validation_target - amount if limits.goal == "max" else limits.validation_target + amount
