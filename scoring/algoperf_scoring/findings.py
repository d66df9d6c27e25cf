"""What is odd about a folder of runs. Scoring goes on; the leaderboard shows all of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, order=True)
class Finding:
    """One oddity: a path relative to the scored folder, with slashes, and what is wrong there."""

    path: str
    reason: str


@dataclass
class Findings:
    """Collects oddities below `root`.

    Attributes:
      problems: may have changed a number, such as a damaged file.
      notes: what was left out on purpose, such as a folder that is no run.
    """

    root: Path
    problems: list[Finding] = field(default_factory=list)
    notes: list[Finding] = field(default_factory=list)

    def problem(self, path: Path, reason: str) -> None:
        """Record something that may have changed a number."""
        self.problems.append(self._finding(path, reason))

    def note(self, path: Path, reason: str) -> None:
        """Record something that was left out on purpose."""
        self.notes.append(self._finding(path, reason))

    def _finding(self, path: Path, reason: str) -> Finding:
        return Finding(path.relative_to(self.root).as_posix(), reason)
