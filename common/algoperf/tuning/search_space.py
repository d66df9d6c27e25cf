"""Reads and checks `tuning_search_space.json`."""

from __future__ import annotations

import keyword
import math
import unicodedata
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from algoperf.errors import UserError, did_you_mean_path, unknown
from algoperf.readers.json_text import read_json

_SCALINGS = ("linear", "log")
_RANGE = ("min", "max", "scaling")
_KEYS = (*_RANGE, "feasible_points")
_ALLOWED = "Allowed: {min, max, scaling: linear|log} or {feasible_points: [...]}."
_EXAMPLE = '{"learning_rate": {"min": 1e-4, "max": 1e-2, "scaling": "log"}, "beta1": {"feasible_points": [0.9, 0.99]}}'
MOST_DIMENSIONS = 166  # each takes an odd prime below 997

SearchSpace = dict[str, Any] | list[dict[str, Any]]
"""Dimensions by name, or a list of fixed points."""


def load_search_space(path: Path) -> SearchSpace:
    """Read and check a `tuning_search_space.json`: a dict of dimensions, or a list of fixed points."""
    if not path.exists():
        raise UserError(
            f"There is no search space at {path}.{did_you_mean_path(path)} The external ruleset draws hyperparameters "
            f"from one. Write that file, such as\n  {_EXAMPLE}\n"
            "or give another with --search-space FILE, or train with --ruleset self. docs/submissions.md describes the "
            "format.\n`algoperf new NAME --ruleset external` writes a submission that has one (`make new NAME=mine "
            "RULESET=external`)."
        )
    space = read_json(path)
    if isinstance(space, list):
        _check_points(space, path)
    elif isinstance(space, dict) and space:
        if len(space) > MOST_DIMENSIONS:
            raise UserError(f"{path} has {len(space)} dimensions. Allowed: up to {MOST_DIMENSIONS}.")
        for name, dimension in space.items():
            _check_name(name, f"{path}: dimension {name!r}")
            _check_dimension(f"{path}: dimension {name!r}", dimension)
    else:
        raise UserError(f"{path} must hold a non-empty object of dimensions or a list of points.")
    return space


def _check_points(points: Sequence[Any], path: Path) -> None:
    if not points or not all(isinstance(point, dict) and point for point in points):
        raise UserError(f"{path}: a list of points must hold at least one non-empty object, and only objects.")
    for number, point in enumerate(points, start=1):
        if set(point) != set(points[0]):
            differing = ", ".join(sorted(set(points[0]) ^ set(point)))
            raise UserError(f"{path}: point {number} and point 1 do not have the same keys: {differing}.")
        for name, value in point.items():
            where = f"{path}: point {number}: {name!r}"
            _check_name(name, where)
            _check_value(where, value)


def _check_name(name: str, where: str) -> None:
    """Refuse names that no submission could read as `hyperparameters.<name>`."""
    readable = name.isidentifier() and not keyword.iskeyword(name) and not name.startswith("_")
    if not readable or unicodedata.normalize("NFKC", name) != name:
        raise UserError(
            f"{where}: a name must be a Python identifier, no keyword, without _ in front: submissions read "
            "hyperparameters.NAME."
        )


def _check_value(where: str, value: Any) -> None:
    """Refuse what is no single value: points hold numbers, texts and truth values."""
    if isinstance(value, dict):
        raise UserError(
            f"{where} is an object; a list of points holds values. For a range, write an object of dimensions, "
            'without the list: {"NAME": {"min": ..., "max": ..., "scaling": ...}}.'
        )
    if value is None or isinstance(value, list):
        raise UserError(f"{where} is {_shown(value)}. Allowed: a number, a text, true or false.")
    if isinstance(value, (int, float)) and not _is_finite(value):
        raise UserError(f"{where} is too large a number: {_shown(value)}.")


def _check_dimension(where: str, dimension: Any) -> None:
    if not isinstance(dimension, dict):
        raise UserError(f"{where} is {_shown(dimension)}. {_ALLOWED}")
    for key in dimension:
        if key not in _KEYS:
            raise unknown(f"key in {where}:", key, _KEYS)
    if set(dimension) == {"feasible_points"}:
        points = dimension["feasible_points"]
        if not isinstance(points, list) or not points:
            raise UserError(f"{where}: feasible_points must be a non-empty list, is {_shown(points)}.")
        for number, value in enumerate(points, start=1):
            _check_value(f"{where}: feasible point {number}", value)
        return
    if set(dimension) != set(_RANGE):
        raise UserError(f"{where} has the keys {sorted(dimension)}. {_ALLOWED}")
    _check_range(where, dimension)


def _check_range(where: str, dimension: Mapping[str, Any]) -> None:
    scaling = dimension["scaling"]
    if scaling not in _SCALINGS:
        raise UserError(f"{where}: scaling is {_shown(scaling)}. Allowed: linear, log.")
    for bound in ("min", "max"):
        value = dimension[bound]
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not _is_finite(value):
            raise UserError(f"{where}: {bound} is {_shown(value)}. Allowed: a finite number, without quotes.")
    low, high = dimension["min"], dimension["max"]
    if not low <= high or (scaling == "log" and low <= 0):
        raise UserError(f"{where}: needs min <= max, and min > 0 for log scaling; is min={low!r}, max={high!r}.")
    try:
        width = float(high / low if scaling == "log" else high - low)
    except OverflowError:
        width = math.inf
    if not math.isfinite(width):
        raise UserError(f"{where}: from {low!r} to {high!r} is too wide a range for floating-point numbers.")


def _is_finite(value: float) -> bool:
    """Whether a number fits into a float: integers of JSON have any size."""
    try:
        return math.isfinite(value)
    except OverflowError:
        return False


def _shown(value: Any, longest: int = 60) -> str:
    text = repr(value)
    return text if len(text) <= longest else f"{text[: longest - 4]} ..."
