"""The evaluations of a recorded trial in time, as replay and futility need them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from algoperf.records.layout import EVAL_FILE
from algoperf.versions import Limits
from algoperf_scoring.approach import Approach, first_reaching
from algoperf_scoring.evaluations import TIME_COLUMN, read_evaluations
from algoperf_scoring.measuring import EVALUATION_TIME_COLUMN
from algoperf_scoring.results import Results, TrialResult


@dataclass(frozen=True, slots=True)
class Curve:
    """One trial.

    Attributes:
      result: what scoring knows of it.
      study: its study.
      seconds: submission time of each evaluation.
      spent: submission time plus that of all evaluations so far, after each evaluation.
      gaps: the smallest distance to the validation target up to each evaluation; 0 once it is reached.
      hit_row: the first evaluation that reached the validation target; None if none did.
      total_sec: submission and evaluation time at its end.
    """

    result: TrialResult
    study: int
    seconds: Sequence[float]
    spent: Sequence[float]
    gaps: Sequence[float]
    hit_row: int | None
    total_sec: float

    @property
    def hit(self) -> float | None:
        """Submission time at the first evaluation that reached the validation target."""
        return None if self.hit_row is None else self.seconds[self.hit_row]


def gaps(approach: Approach, num_rows: int, limits: Limits) -> list[float]:
    """The smallest distance to the validation target up to each of `num_rows` evaluations."""
    sign = 1.0 if limits.goal == "max" else -1.0
    found = np.full(num_rows, math.inf)
    for item in approach:
        found[item.row :] = max(0.0, sign * (limits.validation_target - item.value))
    return [float(gap) for gap in found]


def read_curve(result: TrialResult, study: int, limits: Limits) -> Curve:
    """The curve of a trial that scoring has read."""
    file = result.trial.folder / EVAL_FILE
    # The same rows that scoring counted, which need the target metric's column.
    columns = read_evaluations(file, [f"validation/{limits.metric}"], (EVALUATION_TIME_COLUMN,)).columns
    seconds = columns[TIME_COLUMN]
    evaluation = columns.get(EVALUATION_TIME_COLUMN, [0.0] * len(seconds))
    spent = [time + (0.0 if math.isnan(more) else more) for time, more in zip(seconds, evaluation, strict=True)]
    hit = first_reaching(result.approach, limits.validation_target, limits.goal)
    final = 0.0 if math.isnan(result.evaluation_sec) else result.evaluation_sec
    return Curve(
        result=result,
        study=study,
        seconds=seconds,
        spent=spent,
        gaps=gaps(result.approach, len(seconds), limits),
        hit_row=None if hit is None else hit.row,
        total_sec=max(spent[-1], result.training_sec + final),
    )


Curves = dict[tuple[str, str], list[Curve]]
"""Curves by submission and workload (or variant), in order of studies and trials."""


def read_curves(results: Results) -> Curves:
    """The curves of all trials with an evaluation."""
    return {
        (submission, workload): [
            read_curve(trial, number, results.limits[workload])
            for number, trials in sorted(studies.items())
            for trial in sorted(trials, key=lambda trial: trial.trial.number)
        ]
        for (submission, workload), studies in results.studies.items()
    }
