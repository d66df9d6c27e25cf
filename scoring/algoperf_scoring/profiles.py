"""Performance profiles and the score (Dolan and More, 2002; AlgoPerf rules, section "Scoring").

Arrays of times and ratios have the shape [submissions, workloads]; infinity means not reached or not run.
Scores depend on which submissions are compared, since every workload's fastest one sets the scale.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

MAX_RATIO = 4.0
"""A submission gets no credit on a workload where it takes more than this times as long as the fastest."""

GRID = np.linspace(1.0, MAX_RATIO, 100)
"""The points at which published profiles are taken."""

Array = NDArray[np.float64]


def ratios(times: Array) -> Array:
    """Times over the fastest time on the same workload, infinite where above `MAX_RATIO`.

    All infinite on a workload that nobody reached: it gives credit to nobody, but stays in the denominator.
    """
    best = times.min(axis=0)
    counts = np.isfinite(times) & (times <= MAX_RATIO * best)
    with np.errstate(divide="ignore", invalid="ignore"):
        # Ties share a ratio of exactly 1, also in the odd case that the fastest time is 0.
        relative = np.where(times == best, 1.0, times / best)
    return np.where(counts, relative, np.inf)


def profile(cut: Array, taus: Array = GRID) -> Array:
    """For each submission the share of workloads whose ratio is at most tau: [submissions, taus]."""
    return (cut[:, :, None] <= taus).mean(axis=1)


def exact_score(cut: Array) -> Array:
    """The normalised area under the profile on [1, 4], integrated exactly: [submissions], within 0..1."""
    return (np.maximum(0.0, MAX_RATIO - cut) / (MAX_RATIO - 1.0)).mean(axis=1)


def trapezoid_score(cut: Array) -> Array:
    """The same area by the trapezoid rule on `GRID`, as published; differs by up to 1/198: [submissions]."""
    return np.asarray(np.trapezoid(profile(cut), GRID, axis=1)) / (MAX_RATIO - 1.0)
