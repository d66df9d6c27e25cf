"""A leaderboard as JSON values; docs/scoring.md describes the format."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any

from algoperf_scoring.leaderboard import Cell, Leaderboard
from algoperf_scoring.models import models
from algoperf_scoring.profiles import Array
from algoperf_scoring.runs import RecordedTrial
from algoperf_scoring.uncertainty import LEVEL, NUM_REPLICATES, SEED


def to_json(board: Leaderboard) -> dict[str, Any]:
    """The leaderboard as JSON values. Infinite or unknown numbers are null."""
    comparison, entries = board.comparison, board.entries
    return {
        "version": comparison.version.name,
        "ruleset": comparison.ruleset,
        "scale": comparison.scale,
        "track": comparison.track,
        "date": board.date,
        "hardware": {"version": comparison.version.hardware, "runs": list(board.hardware)},
        "rule": asdict(board.rule),
        "workloads": list(board.workloads),
        "held_out": dict(comparison.results.held_out),
        "basis": comparison.basis,
        "ranks": {entry.submission: rank for entry, rank in zip(entries, board.ranks(), strict=True)},
        "scores": {entry.submission: entry.score for entry in entries},
        "scores_exact": {entry.submission: entry.score_exact for entry in entries},
        "scores_trapezoid": {entry.submission: entry.score_trapezoid for entry in entries},
        "uncertainty": _uncertainty(board),
        "reference": board.reference,
        "speedup": {entry.submission: entry.speedup for entry in entries},
        "time_to_target": _cells(board, lambda cell: finite(cell.seconds)),
        "steps_to_target": _cells(board, lambda cell: finite(cell.steps)),
        "study_times": _cells(board, lambda cell: {str(k): finite(time) for k, time in cell.studies.items()}),
        "studies": _cells(board, lambda cell: cell.num_studies),
        "studies_reached": _cells(board, lambda cell: cell.num_reached),
        "studies_ended_by_error": _cells(board, lambda cell: cell.errors[0]),
        "ratios": _cells(board, lambda cell: finite(cell.ratio), board.workloads),
        "outcomes": _cells(board, lambda cell: cell.outcome),
        "unranked": [entry.submission for entry in board.unranked],
        "verified": _verified(board),
        "charged": [
            {**_place(trial), "seconds": trial.facts.charged_sec}
            for trial in comparison.trials
            if trial.facts.charged_sec
        ],
        "contradicted": [_place(trial) for trial in comparison.trials if trial.facts.contradicted],
        "unfinished": [asdict(trial) for trial in comparison.unfinished],
        "plan": None if comparison.plan is None else comparison.plan.to_json(),
        "pruned": [asdict(trial) for trial in comparison.pruned],
        "disturbed": [_disturbed(trial) for trial in comparison.trials if trial.facts.disturbed],
        "sensitivity": _sensitivity(board),
        "models": [asdict(model) for model in models(board)],
        "cost": {entry.submission: asdict(entry.cost) for entry in entries},
        "submission_info": {entry.submission: asdict(entry.info) if entry.info else None for entry in board.shown},
        "missing": [asdict(missing) for missing in comparison.missing],
        "problems": [asdict(problem) for problem in comparison.problems],
        "notes": [asdict(note) for note in comparison.notes],
    }


def _verified(board: Leaderboard) -> dict[str, dict[str, int]]:
    """By submission: how many times to target were evaluated again with which result."""
    counts: dict[str, dict[str, int]] = {entry.submission: {} for entry in board.shown}
    for trial in board.comparison.trials:
        found = trial.facts.verification
        if found is not None:
            of = counts.setdefault(trial.submission, {})
            of[found] = of.get(found, 0) + 1
    return counts


def _place(trial: RecordedTrial) -> dict[str, Any]:
    names = ("submission", "study", "workload", "framework", "number")
    return {name: getattr(trial, name) for name in names}


def _disturbed(trial: RecordedTrial) -> dict[str, Any]:
    return {**_place(trial), "by": list(trial.facts.disturbed)}


def finite(value: float) -> float | None:
    """`value`, or None if it is infinite or NaN."""
    return float(value) if math.isfinite(value) else None


def _cells(board: Leaderboard, value: Any, workloads: Iterable[str] | None = None) -> dict[str, dict[str, Any]]:
    """`value(cell)` by submission and workload; includes held-out variants unless `workloads` is given."""
    names = tuple(board.comparison.results.columns if workloads is None else workloads)

    def of(cells: Mapping[str, Cell]) -> dict[str, Any]:
        return {name: value(cells[name]) for name in names}

    return {entry.submission: of(entry.cells) for entry in board.shown}


def _uncertainty(board: Leaderboard) -> dict[str, Any]:
    if board.refusal:
        return {"refused": board.refusal}
    return {
        "method": "bootstrap over studies, percentile intervals",
        "level": LEVEL,
        "num_replicates": NUM_REPLICATES,
        "seed": SEED,
        "intervals": {entry.submission: entry.interval for entry in board.entries},
        "rank_probabilities": {entry.submission: entry.rank_probabilities for entry in board.entries},
        "neighbours": [asdict(pair) for pair in board.neighbours],
        "not_separated": [list(pair) for pair in board.unseparated],
    }


def _sensitivity(board: Leaderboard) -> dict[str, Any]:
    results, found = board.comparison.results, board.sensitivity

    def named(scores: Array) -> dict[str, float]:
        return dict(zip(results.submissions, map(float, scores), strict=True))

    return {
        "relaxed_targets": [
            {
                "relaxation": relaxed.relaxation,
                "scores": named(relaxed.scores),
                "time_to_target": {
                    submission: dict(zip(results.columns, map(finite, times), strict=True))
                    for submission, times in zip(results.submissions, relaxed.times, strict=True)
                },
            }
            for relaxed in found.relaxed
        ],
        "left_out": {workload: named(scores) for workload, scores in found.left_out.items()},
        "max_ratio": {str(ratio): named(scores) for ratio, scores in found.max_ratio.items()},
    }
