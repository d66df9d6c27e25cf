"""Targets and budgets of runs."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, get_args

Goal = Literal["min", "max"]
Scale = Literal["full", "mini"]
GOALS: tuple[Goal, ...] = get_args(Goal)
SCALES: tuple[Scale, ...] = get_args(Scale)


@dataclass(frozen=True)
class Limits:
    """Target and budget of one workload at one scale under one version.

    Attributes:
      metric: plain name of the target metric; logs call it `validation/<metric>` and `test/<metric>`.
      goal: whether the metric must fall to the target ("min") or rise to it ("max").
      validation_target: the value on the validation split, which counts for the score.
      test_target: the value on the test split that ends a run early; None if the workload has no test split.
      max_runtime_sec: seconds of submission time under external tuning; self-tuning has a multiple of it.
      eval_period_sec: seconds of wall time between the end of an evaluation and the next one.
      step_hint: number of steps to plan learning rate schedules for; it is not a limit.
      num_validation_examples, num_test_examples: how many examples an evaluation covers; None if the version does
        not say, or if there is no test split.
    """

    metric: str
    goal: Goal
    validation_target: float
    test_target: float | None
    max_runtime_sec: float
    eval_period_sec: float
    step_hint: int
    num_validation_examples: int | None = None
    num_test_examples: int | None = None

    def reached(self, value: float) -> bool:
        """Whether a validation metric has reached its target. Equality counts; NaN and infinity never do."""
        return self._reached(value, self.validation_target)

    def test_reached(self, value: float) -> bool:
        """The same for the test metric; always True if there is no test target."""
        return self.test_target is None or self._reached(value, self.test_target)

    def _reached(self, value: float, target: float) -> bool:
        if not math.isfinite(value):
            return False
        return value <= target if self.goal == "min" else value >= target
