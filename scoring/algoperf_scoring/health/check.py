"""What a check is, and what it says."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, get_args

from algoperf.versions import Version
from algoperf_scoring.health.evidence import Evidence

Level = Literal["fail", "warn", "not_checked", "pass"]
LEVELS: tuple[Level, ...] = get_args(Level)
"""From the worst on, for what is said of one run."""


class Verdict(NamedTuple):
    """What a check says of a run; it passes if there is none."""

    level: Level
    evidence: str


@dataclass(frozen=True)
class Outcome:
    """What a check says of a run, or of several for the same reason.

    Attributes:
      path: the run's folder, or the first of several runs', relative to the folder that is checked.
      level: "pass", "warn", "fail" or "not_checked".
      evidence: numbers and places; why it was not checked; empty for "pass".
      num_runs: how many runs it is about.
    """

    path: str
    level: Level
    evidence: str = ""
    num_runs: int = 1


@dataclass(frozen=True)
class RunCheck:
    """A check that looks at one run at a time."""

    id: str
    description: str
    judge: Callable[[Evidence], Iterable[Verdict]]

    def outcome(self, evidence: Evidence) -> Outcome:
        """What the check says of a run, all in one: the worst counts, and all of warnings and failures is told."""
        verdicts = list(self.judge(evidence))
        if not verdicts:
            return Outcome(evidence.path, "pass")
        worst = min((verdict.level for verdict in verdicts), key=LEVELS.index)
        told = [v for level in ("fail", "warn") for v in verdicts if v.level == level] or verdicts
        return Outcome(evidence.path, worst, "; ".join(verdict.evidence for verdict in told))


@dataclass(frozen=True)
class ComparisonCheck:
    """A check that looks at all runs together. Each run is counted in exactly one outcome.

    It does not see rows of evaluations.
    """

    id: str
    description: str
    judge: Callable[[Sequence[Evidence], Version], Iterable[Outcome]]


def fail(evidence: str) -> Verdict:
    """A rule is broken, or a number cannot be true."""
    return Verdict("fail", evidence)


def warn(evidence: str) -> Verdict:
    """Somebody should look at it."""
    return Verdict("warn", evidence)


def not_checked(reason: str) -> Verdict:
    """The records do not say."""
    return Verdict("not_checked", reason)
