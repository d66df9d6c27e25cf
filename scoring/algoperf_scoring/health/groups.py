"""Checks what must be equal across runs: the most frequent value counts, and deviating runs are reported together."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from algoperf.text import counted
from algoperf_scoring.health.check import Level, Outcome
from algoperf_scoring.health.evidence import Evidence

ComparedFacts = Mapping[str, Any]
"""The facts of one run, by name. Runs are compared on the names that they share."""


def agreement(
    runs: Sequence[Evidence], facts_of: Callable[[Evidence], ComparedFacts], level: Level, unknown: str
) -> Iterator[Outcome]:
    """One outcome for all runs that agree, one for each kind of deviation, and one for runs without the facts.

    Args:
      runs: all runs, in a fixed order.
      facts_of: the facts of a run; a value of None means not recorded.
      level: of a deviation.
      unknown: why a run without the facts is not checked.
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
    """One outcome for several runs with the same result."""
    if level in ("fail", "warn") and len(runs) > 1:
        evidence = f"{counted(len(runs), 'run')}{of}, the first at this path: {evidence}"
    return Outcome(runs[0].path, level, evidence, len(runs))


def _most_frequent(said: Sequence[Mapping[str, str]]) -> dict[str, str]:
    """The most frequent value of each fact; of equally frequent values, the first as text."""
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for facts in said:
        for name, value in facts.items():
            counts[name][value] += 1
    return {name: min(values, key=lambda value: (-values[value], value)) for name, values in counts.items()}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True, default=str)
