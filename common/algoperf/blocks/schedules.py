"""Learning rate schedules in closed form: plain functions of the step, the same for both frameworks."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any


def warmup_cosine(step: int, peak: float, warmup_steps: int, horizon: int) -> float:
    """Linear from 0 to `peak`, then half a cosine down to 0 at `horizon`; 0 afterwards.

    Args:
      step: number of the update, from 0.
      peak: the largest rate, reached at step `warmup_steps`.
      warmup_steps: length of the linear part.
      horizon: step at which the rate is 0 again.
    """
    if step < warmup_steps:
        return peak * step / warmup_steps
    progress = min(1.0, (step - warmup_steps) / max(1, horizon - warmup_steps))
    return peak * 0.5 * (1.0 + math.cos(math.pi * progress))


def warmup_linear(
    step: int, peak: float, warmup_steps: int, horizon: int, decay_steps_factor: float, end_factor: float
) -> float:
    """Linear from 0 to `peak`, then linear to `end_factor * peak`, then constant.

    The decay takes the fraction `decay_steps_factor` of the steps after the warm-up.
    """
    if step < warmup_steps:
        return peak * step / warmup_steps
    decay_steps = max(1, int((horizon - warmup_steps) * decay_steps_factor))
    progress = min(1.0, (step - warmup_steps) / decay_steps)
    return peak * (1.0 + (end_factor - 1.0) * progress)


LearningRate = Callable[[Mapping[str, Any], int, int], float]


def warmup_cosine_rate(settings: Mapping[str, Any], step: int, horizon: int) -> float:
    """`warmup_cosine` with `learning_rate` and `warmup_factor` (a fraction of the horizon) from settings."""
    return warmup_cosine(step, settings["learning_rate"], int(settings["warmup_factor"] * horizon), horizon)


def warmup_linear_rate(settings: Mapping[str, Any], step: int, horizon: int) -> float:
    """`warmup_linear` with its arguments from settings; the warm-up as a fraction of the horizon."""
    return warmup_linear(
        step,
        settings["learning_rate"],
        int(settings["warmup_factor"] * horizon),
        horizon,
        settings["decay_steps_factor"],
        settings["end_factor"],
    )


def warmup_constant(step: int, peak: float, warmup_steps: int) -> float:
    """Linear from `peak / warmup_steps` to `peak`, then constant; never 0."""
    return peak * min(1.0, (step + 1) / max(1, warmup_steps))


def warmup_constant_rate(settings: Mapping[str, Any], step: int, horizon: int) -> float:
    """`warmup_constant` with `learning_rate` and `warmup_factor` (a fraction of the horizon) from settings."""
    return warmup_constant(step, settings["learning_rate"], int(settings["warmup_factor"] * horizon))


def slow_average(settings: Mapping[str, Any], step: int) -> dict[str, float]:
    """Weight `alpha` and decay `beta3` of AdEMAMix's slow average: section 3 of https://arxiv.org/abs/2409.03137.

    The weight grows linearly from 0; the decay grows from `beta1` such that its half-life grows about linearly. From
    update `slow_warmup_steps` on, both have their values in the settings.
    """
    share = min(1.0, (step + 1) / settings["slow_warmup_steps"])
    log1, log3 = math.log(settings["beta1"]), math.log(settings["beta3"])
    beta3 = math.exp(log1 * log3 / ((1.0 - share) * log3 + share * log1))
    return {"alpha": settings["alpha"] * share, "beta3": min(beta3, settings["beta3"])}
