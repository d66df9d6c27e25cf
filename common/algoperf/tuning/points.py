"""Which (study, trial) gets which point of a search space.

All points of all studies are drawn at once and assigned by a recorded seed, so that the assignment never depends on the
process that runs a trial.
"""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Mapping
from typing import Any

import numpy as np

from algoperf.errors import UserError
from algoperf.text import counted
from algoperf.tuning.halton import quasi_random_points
from algoperf.tuning.search_space import SearchSpace


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

    From a list, every study gets the points in file order. From a dict, `num_studies * num_trials` points are drawn at
    once, shuffled with `seed`, and assigned. Studies may be counted from 0, as in published logs, or from 1; either way
    all studies together use all points.
    """
    if isinstance(space, list):
        if not 1 <= trial <= len(space):
            raise UserError(f"Trial {trial} was asked for, but the search space lists {counted(len(space), 'point')}.")
        return dict(space[trial - 1])
    if not (0 <= study <= num_studies and 1 <= trial <= num_trials):
        raise UserError(
            f"Study {study}, trial {trial} was asked for, but {counted(num_studies, 'study', 'studies')} x "
            f"{counted(num_trials, 'trial')} are "
            f"drawn from the search space. Trials count from 1. Raise --num-studies or --num-trials if meant."
        )
    points = quasi_random_points(space, num_studies * num_trials)
    dealt = np.random.Generator(np.random.PCG64(seed)).permutation(len(points))
    return points[dealt[(study % num_studies) * num_trials + trial - 1]]


def as_hyperparameters(point: Mapping[str, Any]) -> Any:
    """The namedtuple `Hyperparameters` that a submission receives."""
    return namedtuple("Hyperparameters", list(point))(**point)
