"""The result of all checks, and its JSON."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from algoperf_scoring.health.check import LEVELS, ComparisonCheck, Level, Outcome, RunCheck

TOTAL_LEVELS: tuple[Level, ...] = ("fail", "warn", "pass", "not_checked")
"""Worst first, for a check as a whole. One checked run is enough to count as checked."""


@dataclass(frozen=True)
class CheckSummary:
    """The result of one check.

    Attributes:
      id: short name, as used in documents and tables.
      description: what a pass proves.
      scope: "run" if runs are checked individually, "comparison" if they are checked together.
      counts: number of runs by level, for all levels.
      outcomes: warnings and failures, failures first, then by path.
      not_checked: number of runs that were not checked, by reason.
    """

    id: str
    description: str
    scope: Literal["run", "comparison"]
    counts: Mapping[Level, int]
    outcomes: tuple[Outcome, ...]
    not_checked: Mapping[str, int]

    @property
    def level(self) -> Level:
        """The worst level found; "not_checked" only if nothing was checked."""
        if any(outcome.level == "fail" for outcome in self.outcomes):
            return "fail"
        if self.outcomes:
            return "warn"
        return "pass" if self.counts["pass"] or not self.counts["not_checked"] else "not_checked"

    def to_json(self) -> dict[str, Any]:
        """The summary as plain data."""
        return {
            "id": self.id,
            "description": self.description,
            "scope": self.scope,
            "level": self.level,
            "counts": dict(self.counts),
            "outcomes": [
                {"path": one.path, "level": one.level, "evidence": one.evidence, "num_runs": one.num_runs}
                for one in self.outcomes
            ],
            "not_checked": dict(self.not_checked),
        }


@dataclass(frozen=True)
class Health:
    """All checks of the runs below a folder.

    Attributes:
      version: name of the benchmark version of the check.
      submissions: names, sorted.
      num_runs: number of runs.
      num_left_out: number of runs that were not checked, because their scale or ruleset was not the requested one.
      checks: one summary per check; always all checks, in the same order.
      unchecked: words about runs of the same comparison that lie elsewhere and were not checked; "" if there are none.
    """

    version: str
    submissions: tuple[str, ...]
    num_runs: int
    num_left_out: int
    checks: tuple[CheckSummary, ...]
    unchecked: str = ""

    @property
    def level(self) -> Literal["pass", "warn", "fail"]:
        """The worst level of all checks. "not_checked" is no worse than "pass"."""
        levels = {check.level for check in self.checks}
        return "fail" if "fail" in levels else "warn" if "warn" in levels else "pass"

    def to_json(self) -> dict[str, Any]:
        """The result as plain data, with relative paths only. It does not depend on time or location.

        So it does not say what is `unchecked` elsewhere.
        """
        return {
            "level": self.level,
            "version": self.version,
            "submissions": list(self.submissions),
            "num_runs": self.num_runs,
            "num_left_out": self.num_left_out,
            "checks": [check.to_json() for check in self.checks],
        }


def summarise(check: RunCheck | ComparisonCheck, outcomes: Iterable[Outcome]) -> CheckSummary:
    """Summarise all outcomes of a check."""
    counts: Counter[Level] = Counter()
    reasons: Counter[str] = Counter()
    told = []
    for outcome in outcomes:
        counts[outcome.level] += outcome.num_runs
        if outcome.level == "not_checked":
            reasons[outcome.evidence] += outcome.num_runs
        elif outcome.level != "pass":
            told.append(outcome)
    return CheckSummary(
        id=check.id,
        description=check.description,
        scope="run" if isinstance(check, RunCheck) else "comparison",
        counts={level: counts[level] for level in TOTAL_LEVELS},
        outcomes=tuple(sorted(told, key=lambda one: (LEVELS.index(one.level), one.path, one.evidence))),
        not_checked=dict(sorted(reasons.items())),
    )
