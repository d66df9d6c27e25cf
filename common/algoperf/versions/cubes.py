"""Limits that a cube outside the repository brings along."""

from __future__ import annotations

from pathlib import Path

from algoperf.versions.version import Version

LIMITS_FILE = "limits.toml"


def with_cube_limits(version: Version, cube: Path) -> Version:
    """The version, plus what `limits.toml` in the cube's folder adds, if there is one."""
    file = cube / LIMITS_FILE
    return version.with_extra(file) if file.is_file() else version
