"""Checks, and their outcomes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, get_args

from algoperf.versions import Version
from algoperf_scoring.health.evidence import Evidence

Level = Literal["fail", "warn", "not_checked", "pass"]
LEVELS: tuple[Level, ...] = get_args(Level)
"""Worst first, for one run."""


class Verdict(NamedTuple):
    """A check's complaint about a run; the run passes if there is none."""

    level: Level
    evidence: str


@dataclass(frozen=True)
class Outcome:
    """The result of a check for one run, or for several with the same result.

    Attributes:
      path: the run's folder, or that of the first run, relative to the checked folder.
      level: "pass", "warn", "fail" or "not_checked".
      evidence: numbers and positions, or why it was not checked; empty for "pass".
      num_runs: number of runs with this result.
    """

    path: str
    level: Level
    evidence: str = ""
    num_runs: int = 1


@dataclass(frozen=True)
class RunCheck:
    """A check of one run at a time."""

    id: str
    description: str
    judge: Callable[[Evidence], Iterable[Verdict]]

    def outcome(self, evidence: Evidence) -> Outcome:
        """The check's result for a run: the worst verdict's level, and the evidence of all warnings and failures."""
        verdicts = list(self.judge(evidence))
        if not verdicts:
            return Outcome(evidence.path, "pass")
        worst = min((verdict.level for verdict in verdicts), key=LEVELS.index)
        told = [v for level in ("fail", "warn") for v in verdicts if v.level == level] or verdicts
        return Outcome(evidence.path, worst, "; ".join(verdict.evidence for verdict in told))


@dataclass(frozen=True)
class ComparisonCheck:
    """A check of all runs together. Each run is counted in exactly one outcome.

    It gets no rows of evaluations.
    """

    id: str
    description: str
    judge: Callable[[Sequence[Evidence], Version], Iterable[Outcome]]


def fail(evidence: str) -> Verdict:
    """A rule is broken, or a number is impossible."""
    return Verdict("fail", evidence)


def warn(evidence: str) -> Verdict:
    """A human should look at it."""
    return Verdict("warn", evidence)


def not_checked(reason: str) -> Verdict:
    """The records lack the data for this check."""
    return Verdict("not_checked", reason)
