"""Asks the rules about cells: which runs may be stopped or skipped, why, and which to begin next."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from algoperf_scoring.pruning.bounds import Bounds, bounds, deadline, verdict
from algoperf_scoring.pruning.competition import known_about
from algoperf_scoring.pruning.futility import Futility
from algoperf_scoring.pruning.state import Cell, Known, Run, Verdict
from algoperf_scoring.rules import DOCUMENTED, ScoringRule

FutilityOf = Callable[[str], Futility | None]
"""The futility rule for a submission; None for only the exact rules."""


def exact_only(submission: str) -> None:
    """No submission is judged by the futility rule."""
    del submission


@dataclass(frozen=True)
class Decision:
    """What to do about a run: stop it if it runs, skip it if it is planned."""

    submission: str
    workload: str
    run: Run
    verdict: Verdict


@dataclass(frozen=True)
class Pruner:
    """The rules of one competition.

    Attributes:
      held_out: the held-out variant by workload; {} if there are none.
      futility: gives the futility rule for a submission.
      rule: how scores are made. Only "time" as `best_trial` can be pruned exactly.
    """

    held_out: Mapping[str, str] = field(default_factory=dict)
    futility: FutilityOf = exact_only
    rule: ScoringRule = DOCUMENTED

    def __post_init__(self) -> None:
        if self.rule.best_trial != "time":
            raise ValueError("by the published rule, a slower trial may stand for its study: no run can be spared")

    def known(self, submission: str, workload: str, found: Mapping[tuple[str, str], Bounds]) -> Known:
        """What the cells in `found` tell about another one."""
        return known_about(submission, workload, found, self.held_out, self.rule)

    def verdict(self, cell: Cell, run: Run, found: Bounds, known: Known) -> Verdict | None:
        """Why one run of a cell need not go on or begin; None if it should."""
        exact = verdict(run, found, known)
        futility = None if exact else self.futility(cell.submission)
        return futility.verdict(run, cell.workload, deadline(run, found, known)) if futility else exact

    def decisions(self, cells: Iterable[Cell]) -> Iterator[Decision]:
        """All runs that may be stopped or skipped, given all cells of a competition as they stand now."""
        cells = list(cells)
        found = {(cell.submission, cell.workload): bounds(cell.runs) for cell in cells}
        for cell in cells:
            known = self.known(cell.submission, cell.workload, found)
            for run in cell.runs:
                if run.stage == "ended":
                    continue
                why = self.verdict(cell, run, found[cell.submission, cell.workload], known)
                if why is not None:
                    yield Decision(cell.submission, cell.workload, run, why)


def in_order(runs: Sequence[Run]) -> list[Run]:
    """The planned runs of a cell in the order in which to begin them.

    Study after study, because later ones may not be needed; in a study the trials first that were the fastest of other
    studies most often, because they end the others early. Scores do not depend on the order.
    """
    fastest: dict[int, Run] = {}
    for run in runs:
        if run.hit is not None and (run.study not in fastest or run.hit < (fastest[run.study].hit or 0.0)):
            fastest[run.study] = run
    wins = Counter(run.trial for run in fastest.values())
    planned = (run for run in runs if run.stage == "planned")
    return sorted(planned, key=lambda run: (run.study, -wins[run.trial], run.trial))
