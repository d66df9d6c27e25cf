"""The Python answer for a view of the page, in the format in which `asked.js` reads the page's answer."""

from __future__ import annotations

import dataclasses
import math
import random
from collections.abc import Sequence
from typing import Any

import numpy as np

from algoperf_scoring import Comparison, Leaderboard, ScoringRule, rank
from algoperf_scoring.profiles import credit, profile
from algoperf_scoring.results import medians, study_times

TAUS = (1.0, 1.05, 1.5, 2.0, 4.0)


def restricted(comparison: Comparison, submissions: Sequence[int], workloads: Sequence[int]) -> Comparison:
    """The comparison, restricted to some submissions and workloads, by index."""
    results = comparison.results
    names = tuple(results.submissions[i] for i in submissions)
    chosen = tuple(results.workloads[j] for j in workloads)
    held_out = {name: variant for name, variant in results.held_out.items() if name in chosen}
    columns = (*chosen, *held_out.values())
    fewer = dataclasses.replace(
        results,
        submissions=names,
        workloads=chosen,
        held_out=held_out,
        limits={name: results.limits[name] for name in columns},
        studies={key: found for key, found in results.studies.items() if key[0] in names and key[1] in columns},
    )
    trials = tuple(
        trial
        for trial in comparison.trials
        if trial.workload in columns and {trial.submission, f"{trial.submission} ({trial.framework})"} & set(names)
    )
    pruned = tuple(one for one in comparison.pruned if one.workload in columns and one.submission in names)
    return dataclasses.replace(comparison, results=fewer, trials=trials, pruned=pruned)


def random_view(generator: random.Random, comparison: Comparison) -> dict[str, Any]:
    """A random choice that a reader could make."""
    results = comparison.results

    def some(number: int) -> list[int]:
        return sorted(generator.sample(range(number), generator.randint(1, number)))

    everything = generator.random() < 0.3
    relaxation = generator.choice([0.0, 0.01, 0.05, 0.2, generator.random() * 0.2])
    submissions = list(range(len(results.submissions))) if everything else some(len(results.submissions))
    return {
        "submissions": submissions,
        "workloads": list(range(len(results.workloads))) if everything else some(len(results.workloads)),
        "reference": results.submissions[generator.choice(submissions)],
        "rule": {
            "best_trial": generator.choice(["time", "index"]),
            "integral": generator.choice(["exact", "trapezoid"]),
            "max_ratio": generator.choice([1.1, 2.0, 4.0, 16.0, generator.uniform(1.1, 16)]),
            "held_out": generator.random() < 0.7,
            "relaxation": relaxation,
        },
    }


def answer(comparison: Comparison, view: dict[str, Any]) -> dict[str, Any]:
    """The leaderboard of a view, computed by this package. Infinite or unknown numbers are null."""
    fewer = restricted(comparison, view["submissions"], view["workloads"])
    rule = ScoringRule(**view["rule"])
    board = rank(fewer, rule, view["reference"])
    results = fewer.results
    ratios = credit(medians(study_times(results, rule).seconds), results.variant_column, rule).ratios
    found: dict[str, Any] = _entries(board)
    found |= {
        "refusal": board.refusal,
        "profile": [profile(ratios, np.array([tau]))[:, 0].tolist() for tau in TAUS],
        "neighbours": [[*dataclasses.astuple(pair)] for pair in board.neighbours],
        "unseparated": [list(pair) for pair in board.unseparated],
        "relaxed": [list(map(float, one.scores)) for one in board.sensitivity.relaxed],
        "max_ratio": [list(map(float, scores)) for scores in board.sensitivity.max_ratio.values()],
        "left_out": [list(map(float, scores)) for scores in board.sensitivity.left_out.values()],
    }
    return plain(found)


def _entries(board: Leaderboard) -> dict[str, Any]:
    columns = board.comparison.results.columns
    return {
        "order": [entry.submission for entry in board.entries],
        "ranks": board.ranks(),
        "exact": [entry.score_exact for entry in board.entries],
        "trapezoid": [entry.score_trapezoid for entry in board.entries],
        "intervals": [entry.interval for entry in board.entries],
        "rank_probabilities": [entry.rank_probabilities for entry in board.entries],
        "speedups": [entry.speedup for entry in board.entries],
        "cells": [
            [
                [cell.seconds, cell.steps, cell.ratio, cell.outcome, cell.num_reached, list(cell.studies.values())]
                for cell in (entry.cells[name] for name in columns)
            ]
            for entry in board.entries
        ],
        "cost": [
            [cost.num_trials, cost.num_reached, cost.training_hours, cost.evaluation_hours, cost.never_reached_hours]
            for cost in (entry.cost for entry in board.entries)
        ],
    }


def plain(value: Any) -> Any:
    """The value as JSON: lists for tuples, null for non-finite numbers."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def largest_difference(found: Any, expected: Any, where: str = "") -> float:
    """The largest difference between the numbers of two structures; AssertionError if anything else differs."""
    if isinstance(expected, dict):
        assert found.keys() == expected.keys(), where
        return max((largest_difference(found[key], expected[key], f"{where}.{key}") for key in expected), default=0.0)
    if isinstance(expected, list):
        assert isinstance(found, list), where
        assert len(found) == len(expected), where
        pairs = enumerate(zip(found, expected, strict=True))
        return max((largest_difference(a, b, f"{where}[{i}]") for i, (a, b) in pairs), default=0.0)
    if isinstance(expected, (int, float)) and not isinstance(expected, bool):
        assert isinstance(found, (int, float)), f"{where}: {found} for {expected}"
        return abs(found - expected) / max(1.0, abs(expected))
    assert found == expected, f"{where}: {found} for {expected}"
    return 0.0
