"""Which trial represents a study, for every target between the loosest one that a reader may choose and the strict one.

To relax targets, a reader only needs the evaluations that count for some target.
"""

from __future__ import annotations

import bisect
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from algoperf.versions import Goal, Limits
from algoperf_scoring.approach import Improvement, relaxed_target
from algoperf_scoring.results import TrialResult, best_hit
from algoperf_scoring.rules import BestTrial

MAX_RELAXATION = 0.2
"""The loosest target in a report, as a share of the strict target's absolute value."""


class Step(NamedTuple):
    """What represents the study for all targets from the previous step's value (exclusive) to `value` (inclusive).

    Attributes:
      value: a value of the target metric.
      hit: the evaluation that counts.
      trial: the number of its trial.
    """

    value: float
    hit: Improvement
    trial: int


def frontier(trials: Sequence[TrialResult], limits: Limits, best_trial: BestTrial) -> list[Step]:
    """The steps of a study, from the loosest target on. The last one reaches the strict target if the study does."""
    sign = 1.0 if limits.goal == "max" else -1.0
    keys = [[sign * item.value for item in trial.approach] for trial in trials]
    steps: list[Step] = []
    for key in _targets(keys, limits, sign):
        hits = [
            trial.approach[first] if (first := bisect.bisect_left(own, key)) < len(own) else None
            for trial, own in zip(trials, keys, strict=True)
        ]
        hit = best_hit(hits, best_trial)
        assert hit is not None  # each key is a value that some trial reached
        trial = trials[next(i for i, other in enumerate(hits) if other is hit)].trial.number
        if steps and steps[-1].hit is hit:
            steps.pop()
        steps.append(Step(sign * key, hit, trial))
    return steps


def _targets(keys: Sequence[Sequence[float]], limits: Limits, sign: float) -> Iterator[float]:
    """Targets at which the evaluation that counts may change, in increasing difficulty."""
    loosest, strict = sign * relaxed_target(limits, MAX_RELAXATION), sign * limits.validation_target
    for key in sorted({key for own in keys for key in own}):
        if key >= loosest:
            yield key
        if key >= strict:
            return


def closest_trial(trials: Sequence[TrialResult], goal: Goal) -> int | None:
    """The number of the trial with the best value, the first among equals; None if no value is finite."""
    sign = 1.0 if goal == "max" else -1.0
    tried = [trial for trial in trials if trial.approach]
    if not tried:
        return None
    return max(tried, key=lambda trial: sign * trial.approach[-1].value).trial.number
