"""From folders of runs to times to target, performance profiles, a score and a leaderboard.

Reads files and `algoperf.versions`, nothing else: no framework, and nothing of the submissions.
"""

from __future__ import annotations

from algoperf_scoring.leaderboard import Cell, Entry, Leaderboard, Missing
from algoperf_scoring.output import markdown, print_leaderboard, write_json, write_reports
from algoperf_scoring.pipeline import score

__all__ = [
    "Cell",
    "Entry",
    "Leaderboard",
    "Missing",
    "markdown",
    "print_leaderboard",
    "score",
    "write_json",
    "write_reports",
]
