"""Hyperparameters of the baselines under self-tuning, the same in both frameworks.

If a self-tuning submission with the rule has been published, its values are used. Otherwise rules of Adam's family
use those of the published NAdamW baseline, and other rules round values inside the search space.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from algoperf import spec

Settings = Mapping[str, Any]

# The published self-tuning baseline: the fifth point of the external search space.
NADAMW: Settings = MappingProxyType(
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
ADAMW = NADAMW
CAUTIOUS_NADAMW = NADAMW  # published
EMA_NADAMW: Settings = MappingProxyType({**NADAMW, "ema_decay": 0.999})
SAM: Settings = MappingProxyType({**NADAMW, "rho": 0.02})
# The published start is step 101; `digits` reaches its targets before that.
SHAMPOO: Settings = MappingProxyType({**NADAMW, "start_step": 21, "root_every": 20})
LAMB: Settings = MappingProxyType({**NADAMW, "learning_rate": 0.01})
ADAFACTOR: Settings = MappingProxyType({name: value for name, value in NADAMW.items() if name != "beta2"})
# No momentum baseline has been published for self-tuning: round values inside the published search space.
MOMENTUM: Settings = MappingProxyType(
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
NESTEROV = MOMENTUM
# Published: learning rate 2e-4, weight decay 0.5 and no dropout rate, which misses the target of `digits`. Here the
# learning rate is five times as large, with the same product of the two.
LION: Settings = MappingProxyType(
    {"learning_rate": 1e-3, "beta1": 0.95, "beta2": 0.98, "weight_decay": 0.1, "warmup_factor": 0.02}
)
# Published. The warm-up of the slow average is longer than training on any workload.
ADEMAMIX: Settings = MappingProxyType(
    {
        "learning_rate": 2e-3,
        "beta1": 0.8,
        "beta2": 0.995,
        "beta3": 0.9995,
        "alpha": 8.0,
        "slow_warmup_steps": 500_000,
        "weight_decay": 0.1,
        "grad_clip": 0.5,
        "warmup_factor": 0.02,
    }
)
# Published, in JAX. `matrix_factor` multiplies the learning rate of matrices.
MUON: Settings = MappingProxyType(
    {
        "learning_rate": 0.0001357495179,
        "matrix_factor": 28.61130298,
        "matrix_momentum": 0.9560745273,
        "matrix_weight_decay": 0.02397563985,
        "one_minus_beta1": 0.03413256,
        "beta2": 0.8629173173,
        "weight_decay": 0.01275028385,
        "warmup_factor": 0.0,
    }
)
# Published: the second version. Its warm-up is 2 % of three quarters of the horizon.
SCHEDULE_FREE_ADAMW: Settings = MappingProxyType(
    {
        "learning_rate": 0.0025,
        "beta1": 0.9,
        "beta2": 0.9955159689799007,
        "weight_decay": 0.08121616522670176,
        "warmup_factor": 0.015,
        "label_smoothing": 0.2,
    }
)
# Warm-up and smoothing as in the published Schedule-Free Prodigy; the decay is its middle value.
PRODIGY: Settings = MappingProxyType(
    {
        "learning_rate": 1.0,
        "beta1": 0.9,
        "beta2": 0.999,
        "initial_distance": 1e-6,
        "weight_decay": 0.03,
        "warmup_factor": 0.075,
        "label_smoothing": 0.2,
    }
)


def of_baseline(name: str) -> Settings | None:
    """What a baseline, such as "nadamw_jax", uses under self-tuning; None if there is no baseline of this name."""
    rule, _, framework = name.rpartition("_")
    return globals().get(rule.upper()) if framework in ("jax", "pytorch") else None  # a constant has its rule's name


def settings_of(hyperparameters: spec.Hyperparameters, self_tuning: Settings) -> Settings:
    """The point of an external tuning trial, or `self_tuning` if there is none."""
    return self_tuning if hyperparameters is None else hyperparameters._asdict()
