"""Replays recorded runs as if they had been made under pruning: what they would have cost, and which scores result."""

from __future__ import annotations

import dataclasses
import heapq
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from algoperf_scoring import profiles
from algoperf_scoring.profiles import Array
from algoperf_scoring.pruning.bounds import Bounds, bounds
from algoperf_scoring.pruning.curves import Curve, Curves
from algoperf_scoring.pruning.pruner import Pruner, in_order
from algoperf_scoring.pruning.state import Cell, Known, Run, Verdict
from algoperf_scoring.results import Results, TrialResult, medians, study_times
from algoperf_scoring.rules import DOCUMENTED, ScoringRule


@dataclass(frozen=True)
class Replayed:
    """A run as it would have been made.

    Attributes:
      submission, workload: where it belongs.
      curve: as it was recorded.
      num_evaluations: how many of its evaluations would have been made.
      spent_sec: submission and evaluation time that it would have taken; 0 if it was skipped.
      verdict: why it was pruned; None if it was made to its end.
    """

    submission: str
    workload: str
    curve: Curve
    num_evaluations: int
    spent_sec: float
    verdict: Verdict | None

    @property
    def has_reached(self) -> bool:
        """Whether the run reached the target before it was stopped."""
        return self.curve.hit_row is not None and self.curve.hit_row < self.num_evaluations

    @property
    def is_wrongly_stopped(self) -> bool:
        """Whether the futility rule stopped a run that did reach the target, early enough to count."""
        if self.verdict is None or self.verdict.rule != "futile" or self.curve.hit is None:
            return False
        return self.curve.hit < self.verdict.deadline_sec


@dataclass(frozen=True)
class Replay:
    """All runs of a competition, and what a cell would have taken from its first run to its last.

    Attributes:
      runs: all of them, skipped ones included.
      cell_sec: seconds by submission and workload (or variant).
    """

    runs: tuple[Replayed, ...]
    cell_sec: dict[tuple[str, str], float]


def replay(results: Results, curves: Curves, pruner: Pruner, order: Sequence[str], at_once: int = 1) -> Replay:
    """Replay a competition.

    Args:
      results: as recorded.
      curves: of the same trials.
      pruner: the rules.
      order: submissions in the order in which they are run; each knows only the times of those before it.
      at_once: runs of a submission on one workload that are made at the same time, on as many machines.
    """
    found: dict[tuple[str, str], Bounds] = {}
    runs: list[Replayed] = []
    cell_sec = {}
    for submission in order:
        for workload in results.columns:  # held-out variants come last
            cell = submission, workload
            if cell not in curves:
                continue
            made = _CellReplay(cell, curves[cell], pruner, pruner.known(*cell, found))
            cell_sec[cell] = made.run(at_once)
            runs += made.outcomes()
            found[cell] = made.bounds
    return Replay(tuple(runs), cell_sec)


class _CellReplay:
    """Makes the runs of one cell in simulated time: events are evaluations and ends of runs."""

    def __init__(self, cell: tuple[str, str], curves: Sequence[Curve], pruner: Pruner, known: Known) -> None:
        self._curves = curves
        self._runs = [Run(curve.study, curve.result.trial.number) for curve in curves]
        self._cell = Cell(*cell, self._runs)
        self._pruner, self._known = pruner, known
        self._rows = [0] * len(curves)
        self._spent = [0.0] * len(curves)
        self._verdicts: list[Verdict | None] = [None] * len(curves)
        self._begun: dict[int, float] = {}  # by index of the run, those that go on
        self._events: list[tuple[float, int]] = []
        self._of = {id(run): index for index, run in enumerate(self._runs)}
        self.bounds = bounds(self._runs)

    def run(self, at_once: int) -> float:
        """Make all runs; returns the seconds from the first to the last."""
        now = 0.0
        while True:
            while len(self._begun) < at_once and self._begin_next(now):
                pass
            if not self._events:
                return now
            at, index = heapq.heappop(self._events)
            if index in self._begun:
                now = at
                self._advance(index, now)

    def outcomes(self) -> Iterable[Replayed]:
        """What became of the runs."""
        for index, curve in enumerate(self._curves):
            outcome = self._rows[index], self._spent[index], self._verdicts[index]
            yield Replayed(self._cell.submission, self._cell.workload, curve, *outcome)

    def _begin_next(self, now: float) -> bool:
        """Begin the next run that is needed; whether there is one."""
        for run in in_order(self._runs):
            index = self._of[id(run)]
            self._verdicts[index] = self._pruner.verdict(self._cell, run, self.bounds, self._known)
            if self._verdicts[index] is None:
                run.stage = "running"
                self._begun[index] = now
                heapq.heappush(self._events, (now + self._curves[index].spent[0], index))
                return True
        return False

    def _advance(self, index: int, now: float) -> None:
        """The next evaluation of a run is done, or it ends."""
        run, curve, row = self._runs[index], self._curves[index], self._rows[index]
        if row == len(curve.seconds):
            self._end(index, curve.total_sec)
        else:
            self._rows[index] = row + 1
            run.seconds, run.gap = curve.seconds[row], curve.gaps[row]
            if row == curve.hit_row:
                run.hit = run.seconds
            later = curve.spent[row + 1] if row + 1 < len(curve.spent) else curve.total_sec
            heapq.heappush(self._events, (self._begun[index] + later, index))
        self.bounds = bounds(self._runs)
        self._stop_those_of_no_use(now)

    def _stop_those_of_no_use(self, now: float) -> None:
        for index in list(self._begun):
            found = self._pruner.verdict(self._cell, self._runs[index], self.bounds, self._known)
            if found is not None:
                self._verdicts[index] = found
                self._end(index, now - self._begun[index])
                self.bounds = bounds(self._runs)

    def _end(self, index: int, spent_sec: float) -> None:
        self._runs[index].stage = "ended"
        self._spent[index] = spent_sec
        del self._begun[index]


def pruned_results(results: Results, runs: Iterable[Replayed]) -> Results:
    """What scoring would find: only the evaluations that were made, and only the trials and studies that have some."""
    studies: dict[tuple[str, str], dict[int, tuple[TrialResult, ...]]] = {}
    for run in runs:
        if run.num_evaluations:
            made = tuple(item for item in run.curve.result.approach if item.row < run.num_evaluations)
            trial = dataclasses.replace(run.curve.result, approach=made, num_evaluations=run.num_evaluations)
            of_cell = studies.setdefault((run.submission, run.workload), {})
            of_cell[run.curve.study] = (*of_cell.get(run.curve.study, ()), trial)
    return dataclasses.replace(results, studies=studies)


def scores(results: Results, rule: ScoringRule = DOCUMENTED) -> Array:
    """The score of each submission."""
    times = medians(study_times(results, rule).seconds)
    found: Array = np.asarray(profiles.score(profiles.credit(times, results.variant_column, rule).ratios, rule))
    return found
