"""Whether metrics cover all examples, are plausible, and are reproducible."""

from __future__ import annotations

import math
from collections.abc import Iterator

from algoperf.records.verification import SWAPPED
from algoperf.text import counted
from algoperf_scoring.health.check import RunCheck, Verdict, fail, not_checked, warn
from algoperf_scoring.health.evidence import EVALUATION_FILE, Evidence
from algoperf_scoring.metric_range import RANGES, ROUNDING, in_words

_COUNT = "num_examples"


def all_examples(run: Evidence) -> Iterator[Verdict]:
    """Compare the number of evaluated examples in each row with the version's."""
    due: dict[str, int | None] = {"validation": None, "test": None}
    if run.limits is not None:
        due = {"validation": run.limits.num_validation_examples, "test": run.limits.num_test_examples}
    checked = False
    for split, expected in due.items():
        columns = run.columns(f"{split}/{_COUNT}")
        if columns is None:
            continue
        first = columns[0][0] if expected is None else float(expected)
        checked |= expected is not None
        wrong = [(line, n) for line, n in zip(run.table.lines, columns[0], strict=True) if n != first]
        if wrong:
            line, n = wrong[0]
            which = "the version's" if expected is not None else "those of the first evaluation"
            others = f", and {counted(len(wrong) - 1, 'row')} more" if len(wrong) > 1 else ""
            yield fail(f"line {line}: {n:.0f} {split} examples instead of {which} {first:.0f}{others}")
    if not checked:
        yield not_checked("no counts of examples in the evaluations, or none in the version")


def _metrics(run: Evidence) -> dict[str, list[float]]:
    columns = run.table.columns if run.table.num_rows else {}
    return {name: values for name, values in columns.items() if "/" in name and not name.endswith(f"/{_COUNT}")}


def finite(run: Evidence) -> Iterator[Verdict]:
    """Find NaN, infinity and empty fields. Training may diverge, but that is worth knowing."""
    found = _metrics(run)
    if not found:
        yield not_checked("no evaluation with metrics")
    by_line: dict[int, list[str]] = {}
    for name, values in sorted(found.items()):
        first = next((row for row, value in enumerate(values) if not math.isfinite(value)), None)
        if first is not None:
            by_line.setdefault(run.table.lines[first], []).append(name)
    for line, names in sorted(by_line.items()):
        yield warn(f"no finite number, first in line {line}: {', '.join(names)}")


def plausible(run: Evidence) -> Iterator[Verdict]:
    """Find values outside the range of a metric."""
    found = {name: values for name, values in _metrics(run).items() if name.partition("/")[2] in RANGES}
    if not found:
        yield not_checked("no evaluation with a known metric")
    for name, values in sorted(found.items()):
        low, high = RANGES[name.partition("/")[2]]
        numbers = [value for value in values if math.isfinite(value)]
        if not numbers or (min(numbers) >= low - ROUNDING and max(numbers) <= high + ROUNDING):
            continue
        row = next(row for row, value in enumerate(values) if value < low - ROUNDING or value > high + ROUNDING)
        possible = in_words(name.partition("/")[2])
        yield fail(f"line {run.table.lines[row]}: {name} is {values[row]:g}, possible is {possible}")


def evaluated_again(run: Evidence) -> Iterator[Verdict]:
    """Check the result of `algoperf evaluate`, which recomputes metrics from checkpoints."""
    checkpoints = run.evaluation.get("checkpoints")
    if not isinstance(checkpoints, list) or not checkpoints:
        yield not_checked(f"no {EVALUATION_FILE}: it comes from `algoperf evaluate`")
        return
    for checkpoint in checkpoints:
        if isinstance(checkpoint, dict) and "error" in checkpoint:
            yield fail(f"{checkpoint.get('checkpoint')} could not be evaluated: {checkpoint['error']}")
            continue
        mismatches = checkpoint.get("mismatches") if isinstance(checkpoint, dict) else None
        if not isinstance(mismatches, list):
            yield fail(f"{EVALUATION_FILE} does not say what was compared")
        elif mismatches == [SWAPPED]:
            yield fail(f"{checkpoint.get('checkpoint')}: {SWAPPED}")
        elif mismatches:
            yield fail(f"{checkpoint.get('checkpoint')}: differs in {', '.join(map(str, mismatches))}")


CHECKS = (
    RunCheck("example-counts", "every evaluation covers the version's number of examples", all_examples),
    RunCheck("metrics-finite", "all metrics are finite numbers", finite),
    RunCheck("metrics-plausible", "every metric has a possible value", plausible),
    RunCheck("evaluated-again", "metrics recomputed from checkpoints equal the recorded ones", evaluated_again),
)
