"""The protocol's arithmetic: which run is the best, and which targets follow from its repeats."""

from __future__ import annotations

import decimal
import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from algoperf.errors import AlgoperfError
from algoperf.versions import Goal

_DIGITS = 6
LOGARITHMIC = ("ppl",)
"""Metrics whose logarithm is the loss: ways between their values are measured in it."""


@dataclass(frozen=True, kw_only=True)
class Curve:
    """The evaluations of one run.

    Attributes:
      run: its name in the campaign; submission: whose it is; seed: of all its randomness.
      point: its hyperparameters.
      status: how it ended, such as "max_steps_reached", "nan" or "pruned".
      steps, validation, test: a value per evaluation; NaN where a metric is not finite or was not recorded.
    """

    run: str
    submission: str
    seed: int
    point: Mapping[str, Any]
    status: str
    steps: tuple[int, ...]
    validation: tuple[float, ...]
    test: tuple[float, ...]


@dataclass(frozen=True)
class Targets:
    """What the repeats say.

    Attributes:
      validation: the median of their best values.
      test: the worst test value of those that reached it, each when it first did; None without a test split.
      reached: how many did.
    """

    validation: float
    test: float | None
    reached: int


@dataclass(frozen=True)
class Untrained:
    """What a model has before its first step.

    Attributes:
      seed: of its initialisation; validation, test: its values, the second None without a test split.
    """

    seed: int
    validation: float
    test: float | None


def best(curve: Curve, goal: Goal) -> float:
    """The best validation value of a run; the worst there is if it has none that is finite."""
    finite = [value for value in curve.validation if math.isfinite(value)]
    return (max if goal == "max" else min)(finite, default=_worst(goal))


def choose(curves: Sequence[Curve], goal: Goal) -> Curve:
    """The run with the best validation value; among equals the first one. AlgoperfError if no run has a value."""
    values = [best(curve, goal) for curve in curves]
    chosen = curves[values.index((max if goal == "max" else min)(values))]
    if not math.isfinite(best(chosen, goal)):
        raise AlgoperfError(
            f"None of {len(curves)} runs has a finite validation value: no point can be chosen. Allow more steps, or "
            "name other algorithms with --algorithms."
        )
    return chosen


def targets_of(repeats: Sequence[Curve], goal: Goal, *, has_test: bool) -> Targets:
    """The targets. AlgoperfError if half of the repeats have no finite value."""
    validation = statistics.median(best(curve, goal) for curve in repeats)
    if not math.isfinite(validation):
        raise AlgoperfError(
            f"Half of the {len(repeats)} repeats have no finite validation value: the chosen point does not train "
            "reliably. Search with more --trials."
        )
    reaching = [curve for curve in repeats if not is_better(validation, best(curve, goal), goal)]
    tests = [_test_at(curve, validation, goal) for curve in reaching]
    return Targets(validation, (min if goal == "max" else max)(tests) if has_test else None, len(reaching))


def eased(target: float, start: float, ease: float, *, metric: str, goal: Goal) -> float:
    """A target that is nearer to the start, with six digits, rounded to the easier side.

    Args:
      target: by the protocol.
      start: what an untrained model has.
      ease: share of the way from the target back to the start.
      metric, goal: what the values are.
    """
    way, back = (math.log, math.exp) if metric in LOGARITHMIC else (float, float)
    value = back(way(target) + ease * (way(start) - way(target))) if ease else target
    rounding = decimal.ROUND_FLOOR if goal == "max" else decimal.ROUND_CEILING
    return float(decimal.Context(prec=_DIGITS, rounding=rounding).create_decimal(repr(value)))


def is_better(value: float, other: float, goal: Goal) -> bool:
    """Whether a value is better than another one, and not as good."""
    return value > other if goal == "max" else value < other


def _test_at(curve: Curve, target: float, goal: Goal) -> float:
    """The test value when the validation target was first reached."""
    pairs = zip(curve.validation, curve.test, strict=True)
    return next(test for value, test in pairs if math.isfinite(value) and not is_better(target, value, goal))


def _worst(goal: Goal) -> float:
    return -math.inf if goal == "max" else math.inf
