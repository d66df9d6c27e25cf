"""Competitions made up of numbers, without files: what replay and the futility rule need."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from algoperf.versions import load_version
from algoperf_scoring.approach import approach
from algoperf_scoring.facts import Facts
from algoperf_scoring.pruning.curves import Curve, Curves, gaps
from algoperf_scoring.results import Results, TrialResult
from algoperf_scoring.runs import RecordedTrial

WORKLOAD, OTHER, VARIANT = "fastmri", "imagenet_vit", "fastmri_tanh"
LIMITS = {name: load_version("v0.5").limits(name) for name in (WORKLOAD, OTHER, VARIANT)}

Evaluations = Sequence[tuple[float, float]]
"""Submission time, and distance to the target: 0 or less has reached it."""


def trial(cell: tuple[str, str], study: int, number: int, evaluations: Evaluations) -> Curve:
    """A trial whose evaluations take a second each, and which ends with the last one."""
    submission, workload = cell
    limits = LIMITS[workload]
    seconds = [time for time, _ in evaluations]
    values = [limits.validation_target - gap for _, gap in evaluations]
    found = approach(values, seconds, [float("nan")] * len(values), limits.goal)
    recorded = RecordedTrial(Path(), submission, study, workload, "jax", "", number, Facts())
    spent = [time + row for row, time in enumerate(seconds, 1)]
    hit = next((row for row, (_, gap) in enumerate(evaluations) if gap <= 0), None)
    result = TrialResult(recorded, found, len(seconds), seconds[-1], float(len(seconds)))
    return Curve(result, study, seconds, spent, gaps(found, len(seconds), limits), hit, spent[-1])


def competition(
    cells: Mapping[tuple[str, str], Sequence[Sequence[Evaluations]]], has_variant: bool = True
) -> tuple[Results, Curves]:
    """Results and curves; `cells` has, by submission and workload, a sequence of trials for every study."""
    curves = {
        cell: [
            trial(cell, study, number, evaluations)
            for study, trials in enumerate(studies)
            for number, evaluations in enumerate(trials, 1)
        ]
        for cell, studies in cells.items()
    }
    studies = {
        cell: {
            study: tuple(curve.result for curve in found if curve.study == study)
            for study in {curve.study for curve in found}
        }
        for cell, found in curves.items()
    }
    names = tuple(sorted({submission for submission, _ in cells}))
    held_out = {WORKLOAD: VARIANT} if has_variant else {}
    return Results(names, (WORKLOAD, OTHER), held_out, LIMITS, studies), curves


def reaching(seconds: float) -> Evaluations:
    """A trial that reaches its target at its second evaluation."""
    return [(seconds / 2, 0.1), (seconds, 0.0)]


def failing(*seconds: float) -> Evaluations:
    """A trial that never does."""
    return [(time, 0.1) for time in seconds]
