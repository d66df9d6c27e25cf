"""Health checks of runs: are the records complete, plausible, within the rules, and comparable?

Only reads files. Damaged files do not raise; they are reported by path and reason.
"""

from __future__ import annotations

from algoperf_scoring.health.check import Level, Outcome
from algoperf_scoring.health.checking import check_runs
from algoperf_scoring.health.report import CheckSummary, Health
from algoperf_scoring.health.text import render

__all__ = ["CheckSummary", "Health", "Level", "Outcome", "check_runs", "render"]
