"""Seeds: every random stream of a trial is derived, with SHA-256, from what identifies the trial."""

from __future__ import annotations

import hashlib
import json

from algoperf import random_utils
from algoperf.spec import RandomState


def derive(*parts: str | int) -> int:
    """A seed in [0, 2^31) that depends on every part and on nothing else."""
    digest = hashlib.sha256(json.dumps(parts).encode()).digest()
    return int.from_bytes(digest[:4], "big") & 0x7FFFFFFF


# Keys are made in blocks of this many steps: making one between two steps takes over 100 us, as caches are cold.
_AHEAD = 64
StepKeys = tuple[RandomState, RandomState, RandomState, RandomState]


class TrialKeys:
    """The framework's keys of one trial, in the order of the v0.6 rules.

    The first of `split(PRNGKey(seed))` is split into data, optimizer initialisation, model initialisation and
    loop, in both rulesets. (The data key is unused: the order of the data is the same in both frameworks,
    because it is derived from the seed directly.)
    """

    def __init__(self, seed: int) -> None:
        trial_key = random_utils.split(random_utils.PRNGKey(seed))[0]
        self.data, self.optimizer_init, self.model_init, self._loop = random_utils.split(trial_key, 4)
        self._steps: dict[int, StepKeys] = {}

    def of_step(self, global_step: int) -> StepKeys:
        """Keys for data selection, update, `prepare_for_eval`, and evaluation after `global_step`."""
        if global_step not in self._steps:
            self._steps = {step: self._make(step) for step in range(global_step, global_step + _AHEAD)}
        return self._steps[global_step]

    def _make(self, step: int) -> StepKeys:
        data_select, update, prepare, evaluate = random_utils.fold_in_and_split(self._loop, step, 4)
        return data_select, update, prepare, evaluate
