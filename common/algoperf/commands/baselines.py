"""Submissions that may be named without their folder: the repository's baselines."""

from __future__ import annotations

from pathlib import Path


def find(name: str) -> Path:
    """The path of a submission, or of the baseline of this name if there is no such path."""
    from algoperf.workload.registry import REPOSITORY_CUBES

    among_baselines = REPOSITORY_CUBES.parent / "submissions" / "baselines" / name
    return among_baselines if among_baselines.is_dir() and not Path(name).exists() else Path(name)
