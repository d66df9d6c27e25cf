"""The search spaces that submissions declare, and whether a point is in one."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from algoperf.errors import UserError, did_you_mean_path
from algoperf.submission.loading import SEARCH_SPACE_FILE
from algoperf.tuning.search_space import SearchSpace, load_search_space
from algoperf_scoring.health.evidence import number

_REL_TOLERANCE = 1e-9  # values go through a logarithm and a text format


class DeclaredSpaces:
    """The search spaces in folders of submissions, by folder name."""

    def __init__(self, folders: Iterable[Path] = ()) -> None:
        self._files: dict[str, list[Path]] = {}
        for folder in folders:
            if not folder.is_dir():
                raise UserError(
                    f"{folder} is not a folder.{did_you_mean_path(folder)} Give one that holds submissions: "
                    f"<name>/{SEARCH_SPACE_FILE}."
                )
            for file in sorted(folder.rglob(SEARCH_SPACE_FILE)):
                self._files.setdefault(file.parent.resolve().name, []).append(file)

    def of(self, submission: str) -> tuple[SearchSpace | None, str]:
        """The search space of a submission, or None and the reason."""
        files = self._files.get(submission, [])
        if not files:
            return None, "no search space, neither recorded with the run nor in a folder of submissions"
        try:
            spaces = [load_search_space(file) for file in files]
        except (UserError, OSError, ValueError, TypeError) as error:
            return None, f"its {SEARCH_SPACE_FILE} cannot be used: {error}"
        if any(space != spaces[0] for space in spaces):
            return None, f"{len(files)} submissions of this name have different search spaces"
        return spaces[0], ""


def outside(point: Mapping[str, Any], space: Any) -> str:
    """Why a point is not in a search space; "" if it is."""
    if isinstance(space, list):
        inside = any(isinstance(listed, dict) and _same_point(point, listed) for listed in space)
        return "" if inside else f"none of the {len(space)} listed points"
    if not isinstance(space, dict):
        return f"the recorded search space is {space!r}"
    differing = sorted(set(point) ^ set(space))
    if differing:
        return f"point and search space do not have the same dimensions: {', '.join(differing)}"
    reasons = [_outside_dimension(name, value, space[name]) for name, value in sorted(point.items())]
    return "; ".join(filter(None, reasons))


def _outside_dimension(name: str, value: Any, dimension: Any) -> str:
    feasible = dimension.get("feasible_points") if isinstance(dimension, dict) else None
    if isinstance(feasible, list):
        return "" if any(_same(value, listed) for listed in feasible) else f"{name} {value!r} is none of {feasible}"
    bounds = dimension if isinstance(dimension, dict) else {}
    low, high, point = number(bounds.get("min")), number(bounds.get("max")), number(value)
    if low is None or high is None or point is None:
        return f"{name} {value!r} cannot be compared with {dimension!r}"
    inside = low <= point <= high or _same(point, low) or _same(point, high)
    return "" if inside else f"{name} {point:g} is not in [{low:g}, {high:g}]"


def _same_point(point: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    return point.keys() == other.keys() and all(_same(value, other[name]) for name, value in point.items())


def _same(value: Any, other: Any) -> bool:
    first, second = number(value), number(other)
    if first is not None and second is not None:
        return math.isclose(first, second, rel_tol=_REL_TOLERANCE)
    return type(value) is type(other) and bool(value == other)
