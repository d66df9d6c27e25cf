"""The futility rule: stops runs that are further behind than any that still succeeded, at a stated error.

At any time, the *envelope* of a workload is the largest gap to the target that earlier successful runs had at that
time, of those that reached the target by the run's deadline or not much later. A run whose gap exceeds the envelope by
more than a factor is stopped. The factor is chosen so that the rule would have stopped at most a share `error` of
earlier successful runs at any of their evaluations, each judged by the runs of other submissions, with its own success
as the deadline. That is a conformal bound on the largest excess of a whole run (Vovk, Gammerman and Shafer, 2005). So
it holds however often and whenever one looks, and for every deadline, because a later one only widens the envelope. It
assumes that the run's submission is like those before it; docs/pruning.md has the error that was measured.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from algoperf_scoring.profiles import Array
from algoperf_scoring.pruning.curves import Curve, Curves
from algoperf_scoring.pruning.state import Run, Verdict

POINTS = 100
"""Points of an envelope, at equal parts of the budget."""

MIN_RUNS = 10
"""Successful runs that an envelope needs; without, nothing is stopped on the workload."""

MIN_SUBMISSIONS = 3
"""Submissions that these runs must be of."""

FASTEST = 20
"""An envelope has at least so many of the fastest runs, so that an early deadline does not leave it empty."""

LATER = 0.1
"""Share of the budget after the deadline within which a run's success still counts for the envelope."""

BLUR = 0.003
"""Added to gaps, as a share of the first gap, so that noise around the target has no large ratios."""

NEVER = math.inf


@dataclass(frozen=True)
class Reference:
    """A successful run on a workload, as shares of budget and first gap.

    Attributes:
      submission: whose it is.
      times, gaps: of its evaluations before success.
      hit: time of success.
      steps: its gap at each point of an envelope: [POINTS]. It is 0 from success on.
    """

    submission: str
    times: Array
    gaps: Array
    hit: float
    steps: Array


class Envelope:
    """The largest gaps of successful runs on one workload.

    Attributes:
      budget_sec: submission time of a run.
      first_gap: of a typical run, in units of the metric.
    """

    def __init__(self, references: Sequence[Reference], budget_sec: float, first_gap: float) -> None:
        ordered = sorted(references, key=lambda reference: reference.hit)
        self.budget_sec = budget_sec
        self.first_gap = first_gap
        self._hits = np.array([reference.hit for reference in ordered])
        self._largest = np.maximum.accumulate(np.array([reference.steps for reference in ordered]), axis=0)

    def excess(self, times: Array, gaps: Array, deadline: float) -> Array:
        """Logarithm of gaps over the envelope's: times and deadline as shares of the budget, gaps of the first one."""
        among = int(np.searchsorted(self._hits, deadline + LATER, side="right"))
        among = max(among, min(FASTEST, len(self._hits)))
        points = np.minimum(times * POINTS, POINTS - 1).astype(np.intp)
        found: Array = np.log((gaps + BLUR) / (self._largest[among - 1, points] + BLUR))
        return found


@dataclass(frozen=True)
class Futility:
    """The rule, ready for use.

    Attributes:
      envelopes: by workload (or variant); the rule stops nothing on others.
      limit: a run is stopped if the logarithm of its excess is above this.
      error: the bound that `limit` is for.
      num_references: successful runs that `limit` was chosen by.
    """

    envelopes: Mapping[str, Envelope]
    limit: float
    error: float
    num_references: int

    def verdict(self, run: Run, workload: str, deadline_sec: float) -> Verdict | None:
        """Why a run can hardly reach the target by `deadline_sec`; None if it may, or nobody can tell."""
        envelope = self.envelopes.get(workload)
        if envelope is None or not run.is_open or run.stage == "planned" or run.seconds == 0:
            return None
        gap = min(run.gap / envelope.first_gap, 1.0)
        time, deadline = run.seconds / envelope.budget_sec, min(deadline_sec / envelope.budget_sec, 1.0)
        excess = float(envelope.excess(np.array([time]), np.array([gap]), deadline)[0])
        if excess <= self.limit:
            return None
        return Verdict(
            "futile",
            f"At {run.seconds:.6g} s its distance to the target, {run.gap:.4g}, is {math.exp(excess):.3g} times the "
            f"largest of earlier runs that succeeded in time; allowed is {math.exp(self.limit):.3g}.",
            deadline_sec,
        )


def fit(curves: Curves, budgets_sec: Mapping[str, float], error: float, without: str | None = None) -> Futility:
    """Choose envelopes and limit by recorded runs.

    Args:
      curves: the recorded runs, none of them pruned.
      budgets_sec: budget by workload (or variant).
      error: the share of successful runs that may be stopped, in 0..1.
      without: leave out the runs of this submission.
    """
    envelopes, scores = {}, []
    for workload, budget_sec in budgets_sec.items():
        own = {name: runs for (name, where), runs in curves.items() if where == workload and name != without}
        first_gap = _first_gap(curve.gaps for runs in own.values() for curve in runs)
        references = _references(own, budget_sec, first_gap)
        if not _suffice(references):
            continue
        envelopes[workload] = Envelope(references, budget_sec, first_gap)
        scores += _largest_excesses(references, budget_sec, first_gap)
    return Futility(envelopes, _conformal(scores, error), error, len(scores))


def _first_gap(gaps: Iterable[Sequence[float]]) -> float:
    first = [each[0] for each in gaps if math.isfinite(each[0])]
    return float(np.median(first)) if first else 0.0


def _references(curves: Mapping[str, Sequence[Curve]], budget_sec: float, first_gap: float) -> list[Reference]:
    if first_gap <= 0:
        return []
    grid = np.arange(POINTS) / POINTS
    found = []
    for name, runs in curves.items():
        for curve in runs:
            if curve.hit_row is None:
                continue
            times = np.array(curve.seconds) / budget_sec
            gaps = np.minimum(np.array(curve.gaps) / first_gap, 1.0)
            # The gap at the latest evaluation up to a point; before the first, that of the first.
            latest = np.maximum(np.searchsorted(times, grid, side="right") - 1, 0)
            before = slice(curve.hit_row)
            found.append(Reference(name, times[before], gaps[before], float(times[curve.hit_row]), gaps[latest]))
    return found


def _suffice(references: Sequence[Reference]) -> bool:
    return len(references) >= MIN_RUNS and len({each.submission for each in references}) >= MIN_SUBMISSIONS


def _largest_excesses(references: Sequence[Reference], budget_sec: float, first_gap: float) -> list[float]:
    """By how much each run exceeded, at most, the envelope of other submissions with its own success as deadline."""
    found = []
    for name in sorted({each.submission for each in references}):
        others = [each for each in references if each.submission != name]
        if len(others) < MIN_RUNS:
            continue
        envelope = Envelope(others, budget_sec, first_gap)
        found += [
            float(np.max(envelope.excess(each.times, each.gaps, each.hit), initial=-math.inf))
            for each in references
            if each.submission == name
        ]
    return found


def _conformal(scores: Sequence[float], error: float) -> float:
    """The smallest limit that a further score exceeds with probability `error` at most, if it is like these."""
    rank = math.ceil((len(scores) + 1) * (1 - error))
    return NEVER if rank > len(scores) else sorted(scores)[rank - 1]
