"""Where the documented rule of scoring and the one behind published tables differ, and what can be varied."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

BestTrial = Literal["time", "index"]
Integral = Literal["exact", "trapezoid"]

MAX_RATIO = 4.0
"""A submission gets no credit on a workload where it takes more than this times as long as the fastest."""


@dataclass(frozen=True, kw_only=True)
class Rule:
    """How times become a score.

    Attributes:
      best_trial: which trial stands for its study: the fastest by "time", as the rules of the benchmark say, or the
        one whose first successful evaluation has the smallest row "index" (the faster one of equals), which is how
        the published tables came about.
      integral: whether `score` is the "exact" area under the profile or the "trapezoid" on 100 points, as published.
      max_ratio: the largest ratio to the fastest that gives credit, tau_max; the area is taken on [1, max_ratio].
      held_out: whether success on a workload asks for success on its held-out variant, where the version has one.
      relaxation: by which share of its absolute value each validation target is made easier.
    """

    best_trial: BestTrial = "time"
    integral: Integral = "exact"
    max_ratio: float = MAX_RATIO
    held_out: bool = True
    relaxation: float = 0.0


DOCUMENTED = Rule()
AS_PUBLISHED = Rule(best_trial="index", integral="trapezoid")
