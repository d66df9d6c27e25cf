"""Training curves of each study's representative trial, thinned for a chart."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any

from algoperf.records.layout import EVAL_FILE
from algoperf.versions import Limits
from algoperf_scoring.evaluations import STEP_COLUMN, TIME_COLUMN, read_evaluations
from algoperf_scoring.results import TrialResult

TOTAL_COLUMN = "total_duration"
NUM_POINTS = 48
"""Maximum number of points of a curve."""

_DIGITS = 5


def curve(trial: TrialResult, limits: Limits) -> dict[str, Any]:
    """A trial's evaluations as columns `sec`, `step`, `total` and `value`; null if not recorded."""
    metric = f"validation/{limits.metric}"
    table = read_evaluations(trial.trial.folder / EVAL_FILE, [metric], (STEP_COLUMN, TOTAL_COLUMN))
    values = table.columns.get(metric, [])
    rows = thinned(values, limits.validation_target)
    names = {"sec": TIME_COLUMN, "step": STEP_COLUMN, "total": TOTAL_COLUMN, "value": metric}
    columns = {short: table.columns.get(name) for short, name in names.items()}
    return {
        short: None if column is None else [rounded(column[row]) for row in rows] for short, column in columns.items()
    }


def thinned(values: Sequence[float], target: float, num_points: int = NUM_POINTS) -> list[int]:
    """Rows that keep the shape of a curve: both ends, those around a target crossing, and others evenly spaced."""
    rows = [row for row, value in enumerate(values) if math.isfinite(value)]
    if len(rows) <= num_points:
        return rows
    kept = {rows[0], rows[-1]}
    kept.update(row for pair in _crossings(values, rows, target) for row in pair)
    kept = set(sorted(kept)[-num_points:])
    # Sample the early part more finely: curves fall fast, then slowly.
    free = num_points - len(kept)
    kept.update(rows[round((len(rows) - 1) * (i / free) ** 1.3)] for i in range(1, free))
    return sorted(kept)


def _crossings(values: Sequence[float], rows: Sequence[int], target: float) -> list[tuple[int, int]]:
    """The first two pairs of adjacent rows on different sides of the target."""
    return [(a, b) for a, b in itertools.pairwise(rows) if (values[a] - target) * (values[b] - target) <= 0][:2]


def rounded(value: float) -> float | int | None:
    """A number with few digits; None if it is not finite."""
    if not math.isfinite(value):
        return None
    short = float(f"{value:.{_DIGITS}g}")
    return int(short) if short == int(short) else short
