"""The published quasi-random points, bit for bit.

A scrambled, shifted Halton sequence in which every dimension uses one of the largest primes below 1000
(Bousquet et al., 2017, Critical hyper-parameters: no random, no cry).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

_SKIPPED_POINTS = 100


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
