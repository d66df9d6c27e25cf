"""Versions of the benchmark as data: targets, budgets, evaluation periods, studies, hardware.

Every number that belongs to a version stands in one of the TOML files of this folder and nowhere else.
Results of different versions are never mixed.
"""

from __future__ import annotations

from algoperf.versions.limits import GOALS, SCALES, Goal, Limits, Scale
from algoperf.versions.version import DEFAULT_VERSION, Version, load_version, version_names

__all__ = [
    "DEFAULT_VERSION",
    "GOALS",
    "SCALES",
    "Goal",
    "Limits",
    "Scale",
    "Version",
    "load_version",
    "version_names",
]
