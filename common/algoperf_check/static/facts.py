"""What distinguishes workloads: their names and numbers, from the version files and the cubes."""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from algoperf import spec
from algoperf.versions import Limits, load_version, version_names
from algoperf.workload.definition import WorkloadDefinition
from algoperf.workload.registry import cube_folders, load_cube

_FEWEST_DIGITS = 5  # of integers; fractions are rarer, so they need one less
_SMALLEST_DIMENSION = 100
_NO_FAMILY = {"lm"}


@dataclass(frozen=True)
class WorkloadFacts:
    """Facts about all workloads of all versions, variants and scales.

    Attributes:
      names: of workloads and variants.
      families: words that distinguish workloads, such as "imagenet" or "conformer".
      numbers: counts, targets, budgets, periods, step hints, evaluation batch sizes.
      dimensions: sizes of models and inputs that are not powers of two.
      rising_metrics: target metrics that must rise.
      members: public members of `spec.Workload`.
    """

    names: frozenset[str]
    families: frozenset[str]
    numbers: frozenset[float]
    dimensions: frozenset[int]
    rising_metrics: frozenset[str]
    members: frozenset[str]

    def is_name(self, text: str) -> bool:
        """Whether a string is the name of a workload, or of a workload's class."""
        plain = text.lower().replace("-", "_").replace(" ", "_")
        if plain in self.names:
            return True
        joined = "".join(letter for letter in plain if letter.isalnum())
        return joined.endswith("workload") and any(family in joined for family in self.families)

    def is_family(self, text: str) -> bool:
        """Whether a string is such a name, or a word of one."""
        return self.is_name(text) or text.lower() in self.families

    def tells(self, number: Any) -> bool:
        """Whether a number is so specific that it identifies a workload: 1,281,167 does, 50,000 does not."""
        fewest = _FEWEST_DIGITS - (not isinstance(number, int))
        return is_number(number) and number in self.numbers and _significant_digits(number) >= fewest


def is_number(value: Any) -> bool:
    """Whether a value is an ordinary number."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _significant_digits(number: float) -> int:
    if number == int(number) and int(number) & (int(number) - 1) == 0:
        return 1  # a power of two
    mantissa = f"{abs(number):.12g}".partition("e")[0].replace(".", "").lstrip("0")
    return len(mantissa.rstrip("0"))


@functools.cache
def known_facts() -> WorkloadFacts:
    """The facts about all versions in `versions/` and all cubes found."""
    versions = [load_version(name) for name in version_names()]
    cubes = [load_cube(folder) for folder in cube_folders().values()]
    definitions = [definition for cube in cubes for definition in _forms(cube)]
    limits = [limit for version in versions for scales in version.table.values() for limit in scales.values()]
    factors = {1.0, *(version.self_tuning_budget_factor for version in versions)}
    bases = {
        *(name for version in versions for name in (*version.scored, *version.development)),
        *(cube.name for cube in cubes),
    }
    words = {word for name in bases for word in name.split("_")}
    numbers = {number for limit in limits for number in _limit_numbers(limit, factors)}
    numbers |= {count for definition in definitions for count in vars(definition.examples).values()}
    numbers |= {definition.eval_batch_size for definition in definitions}
    return WorkloadFacts(
        names=frozenset({*bases, *(name for version in versions for name in version.table)})
        | {name for cube in cubes for name in cube.variants},
        families=frozenset(words | {re.split(r"\d", word)[0] for word in words}) - _NO_FAMILY,
        numbers=frozenset(number for number in numbers if number is not None),
        dimensions=frozenset(size for definition in definitions for size in _sizes(definition)),
        rising_metrics=frozenset(limit.metric for limit in limits if limit.goal == "max"),
        members=frozenset(name for name in dir(spec.Workload) if not name.startswith("_")) | {"metrics_logger"},
    )


def _forms(cube: WorkloadDefinition) -> Iterator[WorkloadDefinition]:
    for name in (cube.name, *cube.variants):
        yield cube.variant(name)
        yield cube.variant(name).at("mini")


def _limit_numbers(limit: Limits, factors: set[float]) -> set[float | None]:
    return {
        limit.validation_target, limit.test_target, limit.eval_period_sec, limit.step_hint,
        limit.num_validation_examples, limit.num_test_examples, *(limit.max_runtime_sec * factor for factor in factors),
    }  # fmt: skip


def _sizes(definition: WorkloadDefinition) -> Iterator[int]:
    inputs = [size for array in definition.example_batch().values() for size in getattr(array, "shape", ())]
    for value in (*_leaves(definition.model), *_leaves(definition.properties), *inputs):
        if isinstance(value, int) and value >= _SMALLEST_DIMENSION and value & (value - 1):
            yield value


def _leaves(value: Any) -> Iterator[Any]:
    if isinstance(value, Mapping):
        for part in value.values():
            yield from _leaves(part)
    elif isinstance(value, (list, tuple)):
        for part in value:
            yield from _leaves(part)
    else:
        yield value
