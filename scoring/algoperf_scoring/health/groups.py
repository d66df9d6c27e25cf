"""What has to be the same in many runs: the most frequent value stands, and runs that deviate are told together."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from algoperf_scoring.health.check import Level, Outcome
from algoperf_scoring.health.evidence import Evidence

Facts = Mapping[str, Any]
"""What one run says, by a name for each fact; runs are compared in the names that they share."""


def agreement(
    runs: Sequence[Evidence], facts_of: Callable[[Evidence], Facts], level: Level, unknown: str
) -> Iterator[Outcome]:
    """One outcome for all runs that agree, one for each way to deviate, one for those that say nothing.

    Args:
      runs: all runs, in a fixed order.
      facts_of: what a run says; None as a value means that it does not say.
      level: of a deviation.
      unknown: why a run that says nothing is not checked.
    """
    said = [(run, {name: _text(value) for name, value in facts_of(run).items() if value is not None}) for run in runs]
    usual = _most_frequent([facts for _, facts in said])
    groups: dict[tuple[Level, str], list[Evidence]] = defaultdict(list)
    for run, facts in said:
        differing = [f"{name} {value}, not {usual[name]}" for name, value in facts.items() if value != usual[name]]
        key: tuple[Level, str] = (level, "; ".join(differing)) if differing else ("pass", "")
        groups[key if facts else ("not_checked", unknown)].append(run)
    for (found, evidence), group in groups.items():
        yield grouped(group, found, evidence, f" (of {len(runs)})")


def grouped(runs: Sequence[Evidence], level: Level, evidence: str, of: str = "") -> Outcome:
    """One outcome about several runs for the same reason."""
    if level in ("fail", "warn") and len(runs) > 1:
        evidence = f"{len(runs)} runs{of}, the first at this path: {evidence}"
    return Outcome(runs[0].path, level, evidence, len(runs))


def _most_frequent(said: Sequence[Mapping[str, str]]) -> dict[str, str]:
    """The value of each fact that most runs have; of equally frequent ones the first in the order of text."""
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for facts in said:
        for name, value in facts.items():
            counts[name][value] += 1
    return {name: min(values, key=lambda value: (-values[value], value)) for name, values in counts.items()}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True, default=str)
