"""Time to target: of a trial, of a study, of a workload. Infinity means that the target was not reached."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np

from algoperf.versions import Limits
from algoperf_scoring.evaluations import Evaluation


def trial_time(evaluations: Iterable[Evaluation], limits: Limits) -> float:
    """Seconds at the first evaluation, in the order of the file, that reached the validation target."""
    return next((row.seconds for row in evaluations if limits.reached(row.value)), math.inf)


def study_time(trials: Iterable[float]) -> float:
    """Seconds of the fastest trial of a study."""
    return min(trials)


def workload_time(studies: Iterable[float]) -> float:
    """The median over studies. Of an even number the mean of the middle two: infinite if one of them is."""
    return float(np.median(list(studies)))
