"""From folders of runs to times to target, performance profiles, scores, their uncertainty, and a leaderboard.

Imports no framework and runs no code of submissions: it only reads files of runs. `pruning.live` writes orders.
"""

from __future__ import annotations

from algoperf_scoring.json_output import to_json
from algoperf_scoring.leaderboard import Cell, Entry, Leaderboard, Neighbours
from algoperf_scoring.pipeline import rank, score
from algoperf_scoring.reading import Comparison, Missing, read_comparison
from algoperf_scoring.rules import AS_PUBLISHED, DOCUMENTED, ScoringRule
from algoperf_scoring.sources import Source, sources

__all__ = [
    "AS_PUBLISHED",
    "DOCUMENTED",
    "Cell",
    "Comparison",
    "Entry",
    "Leaderboard",
    "Missing",
    "Neighbours",
    "ScoringRule",
    "Source",
    "rank",
    "read_comparison",
    "score",
    "sources",
    "to_json",
]
