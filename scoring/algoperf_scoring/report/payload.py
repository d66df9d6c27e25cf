"""The data of the report's page, as JSON values: everything in a comparison that a reader can vary.

Times and values keep every digit, because the page's scores must equal those of this package. Curves are rounded.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from types import MappingProxyType
from typing import Any

from algoperf.records.json_file import read_object
from algoperf.records.layout import HPARAMS_FILE
from algoperf.versions import Limits
from algoperf_scoring import profiles, rules, sensitivity, speedup, uncertainty
from algoperf_scoring.approach import first_reaching
from algoperf_scoring.json_output import finite
from algoperf_scoring.leaderboard import Leaderboard
from algoperf_scoring.report.curves import curve
from algoperf_scoring.report.frontier import MAX_RELAXATION, Step, closest_trial, frontier
from algoperf_scoring.results import TrialResult

FORMAT = 2
"""Format version of the payload, so that readers of a saved page can identify it."""


class _Distinct:
    """Distinct values, by index: trials share hyperparameters across studies and workloads."""

    def __init__(self) -> None:
        self.values: list[Any] = []
        self._numbers: dict[str, int] = {}

    def number(self, value: Any) -> int:
        key = json.dumps(value, sort_keys=True)
        if key not in self._numbers:
            self._numbers[key] = len(self.values)
            self.values.append(value)
        return self._numbers[key]


def payload(
    board: Leaderboard, logs: Mapping[str, str] = MappingProxyType({}), place: str | None = None
) -> dict[str, Any]:
    """The report's data; `engine.js` describes the format. For `logs` and `place` see `page.render`."""
    comparison, results = board.comparison, board.comparison.results
    columns, rows = results.columns, {entry.submission: (at, entry) for at, entry in enumerate(board.entries)}
    titles = board.titles
    hparams = _Distinct()
    return {
        "format": FORMAT,
        "version": comparison.version.name,
        "ruleset": comparison.ruleset,
        "scale": comparison.scale,
        "track": comparison.track,
        "date": board.date,
        "basis": comparison.basis,
        "place": place,
        "machine": "; ".join(board.hardware) or f"{comparison.version.hardware}, as {comparison.version.name} asks for",
        "rule": {**asdict(board.rule), "reference": board.reference},
        "published": asdict(rules.AS_PUBLISHED),
        "constants": _constants(),
        "share_studies": comparison.ruleset == "external",
        "submissions": [
            {
                "name": name,
                "title": titles[name],
                "look": rows[name][0],
                "info": asdict(info) if (info := rows[name][1].info) else None,
                "logs": logs.get(name),
            }
            for name in results.submissions
        ],
        "num_workloads": len(results.workloads),
        "columns": [_column(board, name) for name in columns],
        "variant_column": results.variant_column,
        "cells": [[_cell(board, submission, name, hparams) for name in columns] for submission in results.submissions],
        "hparams": hparams.values,
    }


def _constants() -> dict[str, Any]:
    return {
        "num_replicates": uncertainty.NUM_REPLICATES,
        "seed": uncertainty.SEED,
        "level": uncertainty.LEVEL,
        "min_studies": uncertainty.MIN_STUDIES,
        "tie": uncertainty.TIE,
        "same_score": uncertainty.SAME_SCORE,
        "num_points": profiles.NUM_POINTS,
        "penalty_sec": speedup.PENALTY_SEC,
        "max_relaxation": MAX_RELAXATION,
        "relaxations": sensitivity.RELAXATIONS,
        "max_ratios": sensitivity.MAX_RATIOS,
    }


def _column(board: Leaderboard, name: str) -> dict[str, Any]:
    comparison = board.comparison
    limits = comparison.results.limits[name]
    return {
        "name": name,
        "is_scored": name in comparison.version.scored,
        "metric": limits.metric,
        "goal": limits.goal,
        "target": limits.validation_target,
        "budget_sec": comparison.version.max_runtime_sec(name, comparison.ruleset, comparison.scale),
    }


def _cell(board: Leaderboard, submission: str, column: str, hparams: _Distinct) -> dict[str, Any] | None:
    """A submission on a workload or variant; None without any run that counts, is unfinished, pruned or an error."""
    comparison = board.comparison
    spared = [one for one in comparison.pruned if (one.submission, one.workload) == (submission, column)]
    unfinished = sum((one.submission, one.workload) == (submission, column) for one in comparison.unfinished)
    if comparison.plan is not None:  # its open runs are those unfinished ones, and others that were not begun
        unfinished = max(unfinished, comparison.plan.num_open(submission, column))
    counts = {"pruned": len(spared), "open": sum(one.leaves_open for one in spared), "unfinished": unfinished}
    counts["errors"], counts["ended"] = errors = comparison.errors.get((submission, column), (0, 0))
    studies = comparison.results.studies.get((submission, column))
    if studies is None:
        return {**counts, "studies": [], "cost": None} if spared or unfinished or errors[0] else None
    limits = comparison.results.limits[column]
    trials = [trial for of_study in studies.values() for trial in of_study]
    return {
        **counts,
        "studies": [_study(number, studies[number], limits, board, hparams) for number in sorted(studies)],
        "cost": _cost(trials, limits),
    }


def _study(
    number: int, trials: Sequence[TrialResult], limits: Limits, board: Leaderboard, hparams: _Distinct
) -> dict[str, Any]:
    by_time, by_index = frontier(trials, limits, "time"), frontier(trials, limits, "index")
    steps = by_time if board.rule.best_trial == "time" else by_index
    shown = _shown_trial(trials, steps, limits)
    used = {step.trial for step in (*by_time, *by_index)}
    return {
        "number": number,
        "num_trials": len(trials),
        "time": _steps(by_time),
        "index": None if by_index == by_time else _steps(by_index),
        "hparams": {
            str(trial.trial.number): hparams.number(found)
            for trial in trials
            if trial.trial.number in used and (found := _read_hparams(trial.trial.folder)) is not None
        },
        "curve": None if shown is None else {"trial": shown.trial.number, **curve(shown, limits)},
    }


def _shown_trial(trials: Sequence[TrialResult], steps: Sequence[Step], limits: Limits) -> TrialResult | None:
    """The trial that represents the study; if none reached the target, the one that came closest."""
    last = [step.hit for step in steps[-1:]]
    reached = first_reaching(tuple(last), limits.validation_target, limits.goal) is not None
    number = steps[-1].trial if reached else closest_trial(trials, limits.goal)
    return next((trial for trial in trials if trial.trial.number == number), None)


def _steps(steps: Sequence[Step]) -> dict[str, list[Any]]:
    return {
        "value": [step.value for step in steps],
        "sec": [step.hit.seconds for step in steps],
        "step": [_whole(step.hit.step) for step in steps],
        "trial": [step.trial for step in steps],
    }


def _whole(number: float) -> float | int | None:
    if not math.isfinite(number):
        return None
    return int(number) if number == int(number) else number


def _read_hparams(folder: Path) -> Mapping[str, Any] | None:
    """Hyperparameters of a trial; None if missing or damaged; scores do not depend on them."""
    found = read_object(folder / HPARAMS_FILE)
    if found is None:
        return None
    return {key: finite(value) if isinstance(value, float) else value for key, value in found.items()}


def _cost(trials: Sequence[TrialResult], limits: Limits) -> dict[str, Any]:
    """Seconds of training and evaluation: [in trials that reached the strict target, in those that did not]."""
    training: tuple[list[float], list[float]] = ([], [])
    evaluation: tuple[list[float], list[float]] = ([], [])
    for trial in trials:
        never = first_reaching(trial.approach, limits.validation_target, limits.goal) is None
        training[never].append(trial.training_sec)
        evaluation[never].append(0.0 if math.isnan(trial.evaluation_sec) else trial.evaluation_sec)
    return {
        "num_trials": [len(part) for part in training],
        "training_sec": [math.fsum(part) for part in training],
        "evaluation_sec": [math.fsum(part) for part in evaluation],
    }
