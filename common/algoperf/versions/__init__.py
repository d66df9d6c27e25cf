"""Versions of the benchmark as data: targets, budgets, evaluation periods, studies, hardware.

The TOML files in this folder are the only place for the numbers of a version. Results of different versions are
never mixed.
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
