"""The cost of runs: hours of training and evaluation, and how many of them in runs that never reached the target."""

from __future__ import annotations

import csv
import math
import os
from dataclasses import dataclass
from pathlib import Path

from algoperf.records.layout import MEASUREMENTS_FILE
from algoperf_scoring.approach import first_reaching
from algoperf_scoring.results import Results

_TAIL_BYTES = 4096
_SECONDS_PER_HOUR = 3600.0


@dataclass(frozen=True)
class Cost:
    """Hours of one submission on all compared workloads, held-out variants included.

    Attributes:
      num_trials: trials with at least one evaluation; the cost of others is not recorded.
      num_reached: trials that reached the validation target.
      training_hours, evaluation_hours: over all these trials.
      never_reached_hours: training and evaluation in trials that did not reach the target.
    """

    num_trials: int
    num_reached: int
    training_hours: float
    evaluation_hours: float
    never_reached_hours: float


def submission_cost(results: Results, submission: str) -> Cost:
    """The cost of a submission. Evaluation time that is not recorded counts as 0."""
    trials = [
        (trial, first_reaching(trial.approach, limits.validation_target, limits.goal) is not None)
        for workload, limits in results.limits.items()
        for study in results.studies.get((submission, workload), {}).values()
        for trial in study
    ]
    evaluation = [0.0 if math.isnan(trial.evaluation_sec) else trial.evaluation_sec for trial, _ in trials]
    never = [
        trial.training_sec + seconds
        for (trial, reached), seconds in zip(trials, evaluation, strict=True)
        if not reached
    ]
    return Cost(
        num_trials=len(trials),
        num_reached=sum(reached for _, reached in trials),
        training_hours=math.fsum(trial.training_sec for trial, _ in trials) / _SECONDS_PER_HOUR,
        evaluation_hours=math.fsum(evaluation) / _SECONDS_PER_HOUR,
        never_reached_hours=math.fsum(never) / _SECONDS_PER_HOUR,
    )


def final_training_sec(folder: Path) -> float | None:
    """Submission time at the end of a trial by the last row of its measurements; None if there is none.

    Published runs end with a row that has only step, time and preemption count; interrupted runs lack it.
    """
    try:
        with (folder / MEASUREMENTS_FILE).open("rb") as file:
            header = next(csv.reader([file.readline().decode("utf-8-sig", errors="replace")]), [])
            file.seek(max(file.tell(), os.fstat(file.fileno()).st_size - _TAIL_BYTES))
            tail = file.read().decode("utf-8", errors="replace")
        fields = next(csv.reader(tail.splitlines()[-1:]), [])
        seconds = float(dict(zip(header, fields, strict=True))["score"])
    except (OSError, ValueError, KeyError, csv.Error):
        return None
    return seconds if 0 <= seconds < math.inf else None
