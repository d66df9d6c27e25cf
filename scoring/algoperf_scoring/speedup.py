"""Geometric-mean speedup over a reference submission: a secondary score of the rules.

The geometric mean over workloads of t_reference / t_submission. A target that was not reached counts as the budget
plus one second; a submission that reached none has no speedup, which would only say how long budgets are. Neither the
cut nor the held-out rule applies. Published tables show the inverse, and no number for a submission without results on
some workload.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from algoperf_scoring.profiles import Array

PENALTY_SEC = 1.0


def speedups(times: Array, budgets_sec: Sequence[float], reference: int) -> Array:
    """Speedup of every submission, above 1 if faster than the reference, NaN if it reached no target: [submissions].

    Args:
      times: median seconds [submissions, workloads], not finite if the target was not reached.
      budgets_sec: budget of each workload under the ruleset of the runs.
      reference: index of the reference submission.
    """
    filled = np.where(np.isfinite(times), times, np.asarray(budgets_sec) + PENALTY_SEC)
    found = np.exp(np.log(filled[reference] / filled).mean(axis=-1))
    return np.where(np.isfinite(times).any(axis=-1), found, np.nan)
