"""The measurements, before any comparison: trials by submission, workload and study."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from algoperf.versions import Limits
from algoperf_scoring.approach import Approach, Improvement, first_reaching, relaxed_target
from algoperf_scoring.profiles import Array
from algoperf_scoring.rules import BestTrial, ScoringRule
from algoperf_scoring.runs import RecordedTrial


@dataclass(frozen=True, slots=True)
class TrialResult:
    """A trial with at least one evaluation.

    Attributes:
      trial: its folder, and the facts in its files.
      approach: its improvements on the target metric.
      num_evaluations: number of evaluations.
      training_sec, evaluation_sec: time up to its end, as far as recorded.
    """

    trial: RecordedTrial
    approach: Approach
    num_evaluations: int
    training_sec: float
    evaluation_sec: float


Studies = Mapping[int, tuple[TrialResult, ...]]
"""Trials by study number, in order of their numbers; none of a planned study that failed."""


@dataclass(frozen=True)
class Results:
    """Everything that scores depend on.

    Attributes:
      submissions: sorted names of those with a result.
      workloads: the workloads of the score; their number is its denominator.
      held_out: by workload, the variant on which a submission must also succeed, if the version has one.
      limits: target and budget of workloads and held-out variants.
      studies: by submission and workload (or variant); pairs without any evaluation are absent.
    """

    submissions: tuple[str, ...]
    workloads: tuple[str, ...]
    held_out: Mapping[str, str]
    limits: Mapping[str, Limits]
    studies: Mapping[tuple[str, str], Studies]

    @property
    def columns(self) -> tuple[str, ...]:
        """Workloads, then held-out variants: the order of the second last axis of `StudyTimes`."""
        return (*self.workloads, *(self.held_out[name] for name in self.workloads if name in self.held_out))

    @property
    def variant_column(self) -> list[int]:
        """For each workload, the column of its held-out variant, or -1."""
        columns = self.columns
        return [columns.index(self.held_out[name]) if name in self.held_out else -1 for name in self.workloads]


@dataclass(frozen=True)
class StudyTimes:
    """The successful trial of each study.

    Attributes:
      seconds: [submissions, columns, studies]; infinity where the target was not reached. Studies of a pair are
        sorted by number and packed to the left; the rest is NaN.
      steps: the global step at that time, in the same layout.
    """

    seconds: Array
    steps: Array


def study_times(results: Results, rule: ScoringRule) -> StudyTimes:
    """Seconds and steps to target of every study under `rule`."""
    columns = results.columns
    depth = max((len(studies) for studies in results.studies.values()), default=1)
    seconds = np.full((len(results.submissions), len(columns), depth), np.nan)
    steps = seconds.copy()
    for i, submission in enumerate(results.submissions):
        for j, workload in enumerate(columns):
            for k, hit in enumerate(study_hits(results, submission, workload, rule).values()):
                seconds[i, j, k] = hit.seconds if hit else math.inf
                steps[i, j, k] = hit.step if hit else math.inf
    return StudyTimes(seconds, steps)


def study_hits(results: Results, submission: str, workload: str, rule: ScoringRule) -> dict[int, Improvement | None]:
    """The evaluation that counts, by study; None if no trial reached the target."""
    limits = results.limits[workload]
    target = relaxed_target(limits, rule.relaxation)
    return {
        number: best_hit((first_reaching(trial.approach, target, limits.goal) for trial in trials), rule.best_trial)
        for number, trials in sorted(results.studies.get((submission, workload), {}).items())
    }


def best_hit(hits: Iterable[Improvement | None], best_trial: BestTrial) -> Improvement | None:
    """The hit that represents the study (see `ScoringRule.best_trial`); equal for every order of `hits`."""
    found = [hit for hit in hits if hit is not None]
    if best_trial == "time":
        return min(found, key=lambda hit: (hit.seconds, hit.step), default=None)
    return min(found, key=lambda hit: (hit.row, hit.seconds, hit.step), default=None)


def medians(values: Array) -> Array:
    """The median over the existing studies, on the last axis; NaN if there are none.

    For an even number it is the mean of the middle two: infinite if one of them is. Shape [..., studies] -> [...].
    """
    ordered = np.sort(values, axis=-1)  # NaN comes last
    count = np.sum(~np.isnan(values), axis=-1)
    lower = np.take_along_axis(ordered, np.maximum((count - 1) // 2, 0)[..., None], axis=-1)[..., 0]
    upper = np.take_along_axis(ordered, np.minimum(count // 2, values.shape[-1] - 1)[..., None], axis=-1)[..., 0]
    # Equal middle values must stay exact, and (inf + inf) / 2 works; if the lower is NaN, the cell is empty.
    return np.where(lower == upper, lower, (lower + upper) / 2)
