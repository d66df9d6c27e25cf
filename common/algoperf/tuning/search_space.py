"""Reads and checks `tuning_search_space.json`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from algoperf.errors import UserError

_SCALINGS = ("linear", "log")

SearchSpace = dict[str, Any] | list[dict[str, Any]]
"""Dimensions by name, or a list of fixed points."""


def load_search_space(path: Path) -> SearchSpace:
    """Read and check a `tuning_search_space.json`: a dict of dimensions, or a list of fixed points."""
    try:
        space = json.loads(path.read_text())
    except FileNotFoundError:
        raise UserError(f"There is no search space at {path}. Give one with --search-space FILE.") from None
    except json.JSONDecodeError as error:
        raise UserError(f"{path} is not valid JSON: {error}.") from None
    if isinstance(space, list):
        _check_points(space, path)
    elif isinstance(space, dict) and space:
        for name, dimension in space.items():
            _check_dimension(name, dimension, path)
    else:
        raise UserError(f"{path} must hold a non-empty object of dimensions or a list of points.")
    return space


def _check_points(points: Sequence[Any], path: Path) -> None:
    if not points or not all(isinstance(point, dict) and point for point in points):
        raise UserError(f"{path}: a list of points must hold at least one non-empty object, and only objects.")
    keys = set(points[0])
    for number, point in enumerate(points, start=1):
        if set(point) != keys:
            differing = ", ".join(sorted(keys ^ set(point)))
            raise UserError(f"{path}: point {number} and point 1 do not have the same keys: {differing}.")


def _check_dimension(name: str, dimension: Any, path: Path) -> None:
    where = f"{path}: dimension {name!r}"
    if not name.isidentifier():
        raise UserError(f"{where}: a name must be a Python identifier.")
    allowed = "Allowed: {min, max, scaling: linear|log} or {feasible_points: [...]}."
    if not isinstance(dimension, dict):
        raise UserError(f"{where} is {dimension!r}. {allowed}")
    if set(dimension) == {"feasible_points"}:
        if not isinstance(dimension["feasible_points"], list) or not dimension["feasible_points"]:
            raise UserError(f"{where}: feasible_points must be a non-empty list, is {dimension['feasible_points']!r}.")
        return
    if set(dimension) != {"min", "max", "scaling"}:
        raise UserError(f"{where} has the keys {sorted(dimension)}. {allowed}")
    if dimension["scaling"] not in _SCALINGS:
        raise UserError(f"{where}: scaling is {dimension['scaling']!r}. Allowed: linear, log.")
    low, high = dimension["min"], dimension["max"]
    if not low <= high or (dimension["scaling"] == "log" and low <= 0):
        raise UserError(f"{where}: needs min <= max, and min > 0 for log scaling; is min={low!r}, max={high!r}.")
