"""How much scores depend on choices: the targets, the workloads, and the largest ratio that counts."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from algoperf_scoring import profiles
from algoperf_scoring.profiles import Array
from algoperf_scoring.results import Results, medians, study_times
from algoperf_scoring.rules import ScoringRule

RELAXATIONS = (0.0, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2)
"""Shares of its absolute value by which every target is made easier."""

MAX_RATIOS = (1.5, 2.0, 3.0, 4.0, 6.0, 8.0, 16.0)


@dataclass(frozen=True)
class Relaxed:
    """Times and scores with every target relaxed.

    Attributes:
      relaxation: the share of its absolute value by which each target is made easier.
      times: median seconds [submissions, columns]; NaN means no results.
      scores: [submissions].
    """

    relaxation: float
    times: Array
    scores: Array


@dataclass(frozen=True)
class Sensitivity:
    """Scores under other choices, all [..., submissions].

    Attributes:
      relaxed: times and scores with easier targets.
      left_out: scores without one workload, by its name; empty if there is only one.
      max_ratio: scores by the largest ratio that gives credit.
    """

    relaxed: tuple[Relaxed, ...]
    left_out: Mapping[str, Array]
    max_ratio: Mapping[float, Array]


def sensitivity(results: Results, times: Array, rule: ScoringRule) -> Sensitivity:
    """How the scores under `rule` depend on choices; `times` are median seconds [submissions, columns]."""
    variants = results.variant_column
    return Sensitivity(
        relaxed=tuple(relaxed_targets(results, rule)),
        left_out=dict(zip(results.workloads, leave_one_out(times, variants, rule), strict=False)),
        max_ratio=dict(zip(MAX_RATIOS, vary_max_ratio(times, variants, rule), strict=True)),
    )


def relaxed_targets(results: Results, rule: ScoringRule, relaxations: Sequence[float] = RELAXATIONS) -> list[Relaxed]:
    """Times and scores for each relaxation of the targets."""
    curve = []
    for relaxation in relaxations:
        varied = dataclasses.replace(rule, relaxation=relaxation)
        times = medians(study_times(results, varied).seconds)
        curve.append(Relaxed(relaxation, times, _scores(times, results.variant_column, varied)))
    return curve


def leave_one_out(times: Array, variant_column: Sequence[int], rule: ScoringRule) -> Array:
    """Scores without each workload in turn: [workloads, submissions].

    Args:
      times: median seconds [submissions, columns].
      variant_column: for each workload the column of its held-out variant, or -1.
      rule: the scoring rule.
    """
    ratios = profiles.credit(times, variant_column, rule).ratios
    num_workloads = ratios.shape[-1]
    if num_workloads < 2:
        return np.empty((0, len(times)))
    return np.array([profiles.score(np.delete(ratios, left_out, axis=-1), rule) for left_out in range(num_workloads)])


def vary_max_ratio(
    times: Array, variant_column: Sequence[int], rule: ScoringRule, max_ratios: Sequence[float] = MAX_RATIOS
) -> Array:
    """Scores for several largest ratios: [max_ratios, submissions]; arguments as for `leave_one_out`."""
    varied = (dataclasses.replace(rule, max_ratio=ratio) for ratio in max_ratios)
    return np.array([_scores(times, variant_column, each) for each in varied])


def _scores(times: Array, variant_column: Sequence[int], rule: ScoringRule) -> Array:
    return profiles.score(profiles.credit(times, variant_column, rule).ratios, rule)
