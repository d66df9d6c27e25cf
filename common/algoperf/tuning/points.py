"""Search spaces, trial points, and which (study, trial) gets which point.

The point set is the published one, bit for bit: a scrambled, shifted Halton sequence in which every
dimension uses one of the largest primes below 1000. All points of all studies are drawn at once and dealt
out by a recorded seed, so the assignment never depends on the process that runs a trial.
"""

from __future__ import annotations

import json
import math
from collections import namedtuple
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from algoperf.errors import UserError

_SKIPPED_POINTS = 100
_SCALINGS = ("linear", "log")

SearchSpace = dict[str, Any] | list[dict[str, Any]]
"""Dimensions by name, or a list of fixed points."""


def odd_primes_below(limit: int) -> list[int]:
    """Odd primes below `limit`, ascending."""
    return [n for n in range(3, limit, 2) if all(n % d for d in range(3, math.isqrt(n) + 1, 2))]


def van_der_corput(base: int, num_points: int) -> list[float]:
    """`num_points` values in [0, 1) of the scrambled, shifted sequence of one prime base.

    The digit permutation keeps 0 and comes, like the shift, from `RandomState(base)`; the first 100 values
    are left out.
    """
    generator = np.random.RandomState(base)
    digits = list(range(1, base))
    generator.shuffle(digits)
    permutation = [0, *digits]
    shift = generator.random_sample()
    values = []
    for index in range(1 + _SKIPPED_POINTS, 1 + _SKIPPED_POINTS + num_points):
        value, rest, denominator = 0.0, index, float(base)
        while rest:
            rest, digit = divmod(rest, base)
            value += permutation[digit] / denominator
            denominator *= base
        values.append(math.fmod(value + shift, 1.0))
    return values


def _scaled(unit: float, dimension: Mapping[str, Any]) -> Any:
    if "feasible_points" in dimension:
        points = dimension["feasible_points"]
        return points[math.floor(unit * len(points))]
    low, high = dimension["min"], dimension["max"]
    if dimension["scaling"] == "log":
        return low * math.exp(unit * math.log(high / low))
    return low + unit * (high - low)


def quasi_random_points(space: Mapping[str, Mapping[str, Any]], num_points: int) -> list[dict[str, Any]]:
    """`num_points` points of a search space, in the order of the sequence."""
    bases = odd_primes_below(1000)[-len(space) - 1 : -1]
    columns = [van_der_corput(base, num_points) for base in bases]
    names = list(space)
    return [
        {name: _scaled(unit, space[name]) for name, unit in zip(names, row, strict=True)}
        for row in zip(*columns, strict=True)
    ]


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


def trial_point(
    space: SearchSpace,
    *,
    study: int,
    trial: int,
    num_studies: int,
    num_trials: int,
    seed: int,
) -> dict[str, Any]:
    """The hyperparameters of one trial.

    A list gives its points in file order to every study. From a dict, `num_studies * num_trials` points are
    drawn at once, shuffled with `seed`, and dealt out. Studies may be counted from 0, as in published logs,
    or from 1; either way all studies together use all points.
    """
    if isinstance(space, list):
        if not 1 <= trial <= len(space):
            raise UserError(f"Trial {trial} was asked for, but the search space lists {len(space)} points.")
        return dict(space[trial - 1])
    if not (0 <= study <= num_studies and 1 <= trial <= num_trials):
        raise UserError(
            f"Study {study}, trial {trial} was asked for, but {num_studies} studies x {num_trials} trials are "
            f"drawn from the search space. Trials count from 1. Raise --num-studies or --num-trials if meant."
        )
    points = quasi_random_points(space, num_studies * num_trials)
    dealt = np.random.Generator(np.random.PCG64(seed)).permutation(len(points))
    return points[dealt[(study % num_studies) * num_trials + trial - 1]]


def as_hyperparameters(point: Mapping[str, Any]) -> Any:
    """The namedtuple `Hyperparameters` that a submission receives."""
    return namedtuple("Hyperparameters", list(point))(**point)
