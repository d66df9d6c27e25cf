"""From times to ratios, performance profiles and the score (Dolan and More, 2002; AlgoPerf rules, "Scoring").

Scores depend on which submissions are compared, because the fastest one on each workload sets the scale. Arrays may
have leading axes, written `...`, so that bootstrap replicates are scored all at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from algoperf_scoring.rules import MAX_RATIO, Integral, ScoringRule

NUM_POINTS = 100
"""Number of points of published profiles, equally spaced on [1, max_ratio]."""

Array = NDArray[np.float64]


class Credit(NamedTuple):
    """The credit for times: [..., submissions, workloads].

    Attributes:
      ratios: time over the fastest valid time; infinity means no credit.
      is_cut: whether the time on the workload itself exceeds `max_ratio` times the fastest.
      is_void: whether the time would count, but the time on the held-out variant does not.
    """

    ratios: Array
    is_cut: NDArray[np.bool_]
    is_void: NDArray[np.bool_]


def credit(times: Array, variant_column: Sequence[int], rule: ScoringRule) -> Credit:
    """Apply cut and held-out rule to median times.

    Args:
      times: seconds [..., submissions, columns], workloads first, then held-out variants. Infinity means
        not reached; NaN means no results, and counts like infinity.
      variant_column: for each workload the column of its variant, or -1.
      rule: `max_ratio` and `held_out` are used.
    """
    times = np.where(np.isnan(times), np.inf, times)
    num_workloads = len(variant_column)
    base, variants = times[..., :num_workloads], times[..., num_workloads:]
    has_variant = [i for i, column in enumerate(variant_column) if column >= 0]
    order = [variant_column[i] - num_workloads for i in has_variant]
    # Times on a variant do not set the scale if the target of the workload itself was not reached.
    variants = np.where(np.isinf(base[..., has_variant]), np.inf, variants[..., order])
    base_counts, variant_counts = _within(base, rule.max_ratio), _within(variants, rule.max_ratio)
    counts = base_counts.copy()
    if rule.held_out:
        counts[..., has_variant] &= variant_counts
    return Credit(
        ratios=_ratios(np.where(counts, base, np.inf)),
        is_cut=np.isfinite(base) & ~base_counts,
        is_void=base_counts & ~counts,
    )


def _within(times: Array, max_ratio: float) -> NDArray[np.bool_]:
    """Whether a time is finite and at most `max_ratio` times the fastest of all submissions."""
    best = times.min(axis=-2, keepdims=True, initial=np.inf)
    return np.isfinite(times) & (times <= max_ratio * best)


def _ratios(times: Array) -> Array:
    """Time over the fastest. All infinite if nobody has credit: the workload stays in the denominator."""
    best = times.min(axis=-2, keepdims=True, initial=np.inf)
    with np.errstate(divide="ignore", invalid="ignore"):
        # Ties get a ratio of exactly 1, even if the fastest time is 0.
        relative = np.where(times == best, 1.0, times / best)
    return np.where(np.isfinite(times), relative, np.inf)


def grid(max_ratio: float = MAX_RATIO) -> Array:
    """The points of published profiles: [NUM_POINTS]."""
    return np.linspace(1.0, max_ratio, NUM_POINTS)


def profile(ratios: Array, taus: Array) -> Array:
    """For each submission, the share of workloads with a ratio of at most tau: [..., taus]."""
    return (ratios[..., None] <= taus).mean(axis=-2)


def score(ratios: Array, rule: ScoringRule, integral: Integral | None = None) -> Array:
    """The normalised area under the profile on [1, max_ratio]: [..., submissions], in 0..1.

    The exact area is the mean over workloads of max(0, max_ratio - ratio) / (max_ratio - 1). The trapezoid rule on
    `grid` differs from it by at most half a grid step, 1/198.
    """
    if (integral or rule.integral) == "exact":
        return (np.maximum(0.0, rule.max_ratio - ratios) / (rule.max_ratio - 1.0)).mean(axis=-1)
    # A workload adds 1 to the profile from the first grid point at or above its ratio. From there on, all intervals
    # of the trapezoid rule count fully; the interval before counts half.
    first = np.searchsorted(grid(rule.max_ratio), ratios)
    intervals = np.where(first == 0, NUM_POINTS - 1.0, NUM_POINTS - 1 - first + 0.5)
    return (np.where(first == NUM_POINTS, 0.0, intervals) / (NUM_POINTS - 1)).mean(axis=-1)
