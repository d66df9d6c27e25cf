"""Problems in folders of runs. Scoring continues; the leaderboard shows all of them."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, order=True)
class Finding:
    """One problem: a path relative to the scored folder, with slashes, and what is wrong there."""

    path: str
    reason: str


@dataclass
class Findings:
    """Collects problems below one or several folders.

    Attributes:
      roots: the folders; paths name the second and later ones.
      problems: may have changed a number, such as a damaged file.
      notes: omitted on purpose, such as a folder that is not a run.
    """

    roots: tuple[Path, ...]
    problems: list[Finding] = field(default_factory=list)
    notes: list[Finding] = field(default_factory=list)

    def problem(self, path: Path, reason: str) -> None:
        """Record something that may have changed a number."""
        self.problems.append(Finding(self._relative(path), reason))

    def note(self, path: Path, reason: str) -> None:
        """Record something that was omitted on purpose."""
        self.notes.append(Finding(self._relative(path), reason))

    def _relative(self, path: Path) -> str:
        root = next(root for root in self.roots if path.is_relative_to(root))
        base = root if root == self.roots[0] else root.parent
        return printable(path.relative_to(base))


def printable(path: Path) -> str:
    """A path with slashes, with a replacement character for each byte that is no UTF-8."""
    return os.fsencode(path.as_posix()).decode("utf-8", errors="replace")
