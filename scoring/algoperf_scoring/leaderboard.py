"""The result of scoring as a record, and as JSON."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from algoperf_scoring.findings import Finding


@dataclass(frozen=True)
class Cell:
    """A submission on a workload: seconds to target (infinity: not reached) over how many studies."""

    seconds: float
    studies: int


@dataclass(frozen=True)
class Entry:
    """A submission's scores within 0..1 and its results by workload; workloads without results are absent."""

    submission: str
    score: float
    score_trapezoid: float
    cells: Mapping[str, Cell]

    @property
    def num_reached(self) -> int:
        """On how many workloads the target was reached."""
        return sum(math.isfinite(cell.seconds) for cell in self.cells.values())

    def seconds(self, workload: str) -> float | None:
        """Seconds to target; None if it was not reached or there are no results."""
        cell = self.cells.get(workload)
        return cell.seconds if cell is not None and math.isfinite(cell.seconds) else None


@dataclass(frozen=True)
class Missing:
    """A submission has results from fewer studies of a workload than the version asks for."""

    submission: str
    workload: str
    studies: int
    expected: int


@dataclass(frozen=True)
class Leaderboard:
    """Submissions compared with each other, best first.

    Attributes:
      workloads: those the score is over; their number is its denominator.
      basis: in words, which workloads these are and why.
      entries: by falling exact score, then by name.
      missing: results that the version asks for and that are not there.
      problems: what was wrong with files, and may have changed a number.
      notes: what was left out on purpose.
    """

    version: str
    ruleset: str
    scale: str
    workloads: tuple[str, ...]
    basis: str
    entries: tuple[Entry, ...]
    missing: tuple[Missing, ...] = ()
    problems: tuple[Finding, ...] = ()
    notes: tuple[Finding, ...] = ()

    def ranks(self) -> list[int]:
        """The rank of each entry, from 1; equal scores share a rank."""
        scores = [entry.score for entry in self.entries]
        return [1 + sum(other > score for other in scores) for score in scores]

    def to_json(self) -> dict[str, Any]:
        """The leaderboard as JSON values; a time is null where the target was not reached."""
        return {
            "version": self.version,
            "ruleset": self.ruleset,
            "scale": self.scale,
            "workloads": list(self.workloads),
            "basis": self.basis,
            "ranks": {entry.submission: rank for entry, rank in zip(self.entries, self.ranks(), strict=True)},
            "scores": {entry.submission: entry.score for entry in self.entries},
            "scores_trapezoid": {entry.submission: entry.score_trapezoid for entry in self.entries},
            "time_to_target": {
                entry.submission: {name: entry.seconds(name) for name in self.workloads} for entry in self.entries
            },
            "studies": {
                entry.submission: {
                    name: entry.cells[name].studies if name in entry.cells else 0 for name in self.workloads
                }
                for entry in self.entries
            },
            "missing": [asdict(missing) for missing in self.missing],
            "problems": [asdict(problem) for problem in self.problems],
            "notes": [asdict(note) for note in self.notes],
        }
