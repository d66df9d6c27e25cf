"""The result of scoring: the compared submissions, their times, ranks, and uncertainty."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from algoperf_scoring.cost import Cost
from algoperf_scoring.measuring import Pruned, Unfinished
from algoperf_scoring.reading import Comparison
from algoperf_scoring.rules import ScoringRule
from algoperf_scoring.sensitivity import Sensitivity
from algoperf_scoring.submission_info import SubmissionInfo
from algoperf_scoring.uncertainty import SAME_SCORE

CellOutcome = Literal["reached", "missing", "unfinished", "pruned", "error", "not reached", "cut", "held-out failed"]
"""Why a cell does or does not give credit.

reached: it gives credit. missing: there is no evaluation at all. unfinished: no study has ended yet, so it is not known
whether the target is reached. pruned: there is no finite median, but runs were stopped or not begun that might have
given one; the score is as if they had not. error: there is no finite median, and at least one
study was ended by an error of the submission. not reached: the median over studies is infinite.
cut: the time exceeds the largest allowed ratio to the fastest. held-out failed: the time would count, but the
submission has no valid time on the workload's held-out variant.
"""


@dataclass(frozen=True)
class Cell:
    """A submission on a workload or held-out variant.

    Attributes:
      seconds: median time to target over studies; infinity if it was not reached or there are no results.
      steps: median global step at that time; NaN if the files do not say.
      studies: time of each study by its number.
      ratio: to the fastest valid time; infinity if the cell gives no credit. NaN for held-out variants.
      outcome: why it does or does not give credit; for held-out variants, whether it was reached.
      unfinished: trials that have not ended; their studies are not among `studies`.
      pruned: trials that were stopped or not begun.
      errors: in how many studies every trial was ended by an error of the submission, or not run because of one, and
        how many studies have ended.
    """

    seconds: float
    steps: float
    studies: Mapping[int, float]
    ratio: float
    outcome: CellOutcome
    unfinished: tuple[Unfinished, ...] = ()
    pruned: tuple[Pruned, ...] = ()
    errors: tuple[int, int] = (0, 0)

    @property
    def num_studies(self) -> int:
        """Number of studies in which at least one trial has an evaluation, or that were planned and failed."""
        return len(self.studies)

    @property
    def num_reached(self) -> int:
        """Number of studies that reached the target."""
        return sum(map(math.isfinite, self.studies.values()))


@dataclass(frozen=True)
class Entry:
    """A submission on the leaderboard.

    Attributes:
      submission: its name.
      info: its author's description; None if there is no submission_info.yml.
      score: under the rule, in 0..1.
      score_exact, score_trapezoid: the score with either integral.
      interval: confidence interval of the score; None if uncertainty was refused.
      rank_probabilities: probability of rank 1, 2, ...; None if uncertainty was refused.
      speedup: geometric mean over workloads against the reference; None without a reference, and for a submission that
        reached no target: it would say how long the budgets are.
      cells: by workload and held-out variant.
      cost: the cost of its runs.
    """

    submission: str
    info: SubmissionInfo | None
    score: float
    score_exact: float
    score_trapezoid: float
    interval: tuple[float, float] | None
    rank_probabilities: tuple[float, ...] | None
    speedup: float | None
    cells: Mapping[str, Cell]
    cost: Cost

    def num_reached(self, workloads: Iterable[str]) -> int:
        """Number of `workloads` on which the entry has credit."""
        return sum(self.cells[name].outcome == "reached" for name in workloads)

    def num_studies(self, workloads: Iterable[str]) -> tuple[int, int]:
        """The smallest and the largest number of studies on `workloads`."""
        numbers = [self.cells[name].num_studies for name in workloads]
        return min(numbers), max(numbers)


@dataclass(frozen=True)
class Unranked:
    """A submission that has runs, but no result yet: it has no score and no rank.

    Attributes:
      submission: its name.
      info: the authors' statements; None if there are none.
      cells: its results, all missing or unfinished, by workload and held-out variant.
    """

    submission: str
    info: SubmissionInfo | None
    cells: Mapping[str, Cell]

    @property
    def outcome(self) -> CellOutcome:
        """Why there is no result."""
        found = {cell.outcome for cell in self.cells.values()}
        order: tuple[CellOutcome, ...] = ("unfinished", "pruned", "error")
        return next((outcome for outcome in order if outcome in found), "missing")


@dataclass(frozen=True)
class Neighbours:
    """Two adjacent entries of the leaderboard, and whether their order is statistically significant.

    Attributes:
      first, second: names; the first has the better score.
      probability: share of bootstrap replicates in which the first is ahead.
      is_separated: whether that is significant.
      is_tie: whether neither is clearly more often ahead.
    """

    first: str
    second: str
    probability: float
    is_separated: bool
    is_tie: bool


@dataclass(frozen=True)
class Leaderboard:
    """Submissions compared with each other, best first.

    Attributes:
      comparison: what was compared.
      rule: how times are turned into scores.
      entries: by decreasing score, then by name.
      unranked: submissions without any result, by name.
      neighbours: pairs of adjacent entries; empty if uncertainty was refused.
      unseparated: all pairs of entries whose order may be chance, better score first.
      without_evidence: entries with too few studies, or on workloads too few, to tell a lead from chance.
      refusal: why there is no uncertainty; "" if there is.
      reference: the entry that speedups refer to; None if there is none.
      sensitivity: how scores depend on targets, workloads and the largest ratio.
      date: of scoring, as YYYY-MM-DD.
    """

    comparison: Comparison
    rule: ScoringRule
    entries: tuple[Entry, ...]
    unranked: tuple[Unranked, ...]
    neighbours: tuple[Neighbours, ...]
    unseparated: tuple[tuple[str, str], ...]
    without_evidence: tuple[str, ...]
    refusal: str
    reference: str | None
    sensitivity: Sensitivity
    date: str

    @property
    def shown(self) -> tuple[Entry | Unranked, ...]:
        """All rows of the tables: the ranked entries, then those without a result."""
        return (*self.entries, *self.unranked)

    @property
    def workloads(self) -> tuple[str, ...]:
        """The workloads of the score; their number is its denominator."""
        return self.comparison.results.workloads

    @property
    def held_out(self) -> tuple[str, ...]:
        """The held-out variants, in the order of their workloads."""
        return self.comparison.results.columns[len(self.workloads) :]

    @property
    def hardware(self) -> tuple[str, ...]:
        """The hardware of the runs, as far as recorded; runs on different hardware must not be compared."""
        return tuple(sorted({trial.facts.hardware for trial in self.comparison.trials if trial.facts.hardware}))

    @property
    def titles(self) -> dict[str, str]:
        """What rows are called before readers: the authors' title, with the folder's name where two would be alike."""
        titles = {entry.submission: _title(entry.submission, entry.info) for entry in self.shown}
        times = Counter(titles.values())
        return {name: title if times[title] == 1 else f"{title} ({name})" for name, title in titles.items()}

    def ranks(self) -> list[int]:
        """The rank of each entry, from 1; equal scores share a rank."""
        scores = [entry.score for entry in self.entries]
        return [1 + sum(other > score + SAME_SCORE for other in scores) for score in scores]


def _title(name: str, info: SubmissionInfo | None) -> str:
    """The authors' title of an entry. Its framework stays behind it if the entry's name has one."""
    if info is None or not info.name:
        return name
    return " (".join([info.name, *name.split(" (")[1:]])
