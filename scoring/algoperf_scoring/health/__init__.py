"""Health checks of runs: are the records whole, possible, by the rules, and comparable with each other?

Reads files and `algoperf.versions`. Nothing found there raises: what is damaged is told, by path and reason.
"""

from __future__ import annotations

from algoperf_scoring.health.check import Level, Outcome
from algoperf_scoring.health.checking import check_runs
from algoperf_scoring.health.report import CheckSummary, Health
from algoperf_scoring.health.text import render

__all__ = ["CheckSummary", "Health", "Level", "Outcome", "check_runs", "render"]
