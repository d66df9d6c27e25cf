"""Hyperparameters of the baselines under self-tuning, the same in both frameworks."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from algoperf import spec

# The fifth point of the external search space; the published self-tuning baseline.
NADAMW = MappingProxyType(
    {
        "learning_rate": 0.0017486387539278373,
        "one_minus_beta1": 0.06733926164,
        "beta2": 0.9955159689799007,
        "weight_decay": 0.08121616522670176,
        "warmup_factor": 0.02,
        "label_smoothing": 0.0,
        "dropout_rate": 0.1,
    }
)
# No momentum baseline has been published for self-tuning: round values inside the published search space.
MOMENTUM = MappingProxyType(
    {
        "learning_rate": 0.1,
        "one_minus_beta1": 0.1,
        "weight_decay": 1e-5,
        "warmup_factor": 0.05,
        "decay_steps_factor": 0.9,
        "end_factor": 0.01,
        "label_smoothing": 0.1,
        "dropout_rate": 0.0,
    }
)


def settings_of(hyperparameters: spec.Hyperparameters, self_tuning: Mapping[str, Any]) -> Mapping[str, Any]:
    """The point of an external tuning trial, or `self_tuning` if there is none."""
    return self_tuning if hyperparameters is None else hyperparameters._asdict()
