"""The scoring rules: the documented one, the one behind published tables, and what can be varied."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

BestTrial = Literal["time", "index"]
Integral = Literal["exact", "trapezoid"]

MAX_RATIO = 4.0
"""A submission gets no credit on a workload if it takes more than this many times as long as the fastest."""


@dataclass(frozen=True, kw_only=True)
class ScoringRule:
    """How times are turned into a score.

    Attributes:
      best_trial: which trial represents its study. "time": the fastest, as in the rules of the benchmark. "index": the
        one whose first successful evaluation has the smallest row index (the faster one among equals), as in the
        published tables.
      integral: whether `score` is the "exact" area under the profile or the "trapezoid" on 100 points, as published.
      max_ratio: the largest ratio to the fastest that gives credit, tau_max; the area is over [1, max_ratio].
      held_out: whether success on a workload requires success on its held-out variant, if the version has one.
      relaxation: the share of its absolute value by which each validation target is made easier.
    """

    best_trial: BestTrial = "time"
    integral: Integral = "exact"
    max_ratio: float = MAX_RATIO
    held_out: bool = True
    relaxation: float = 0.0


DOCUMENTED = ScoringRule()
AS_PUBLISHED = ScoringRule(best_trial="index", integral="trapezoid")
