"""Reads a trial's evaluations. A damaged file gives what can be read of it, and the reasons."""

from __future__ import annotations

import csv
import math
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

EVALUATIONS_FILE = "eval_measurements.csv"
TIME_COLUMN = "score"


@dataclass(frozen=True)
class Evaluation:
    """One row: submission time in seconds at the evaluation, and the metric's value (NaN if it has none)."""

    seconds: float
    value: float


@dataclass
class _Flaws:
    """Rows that could not be used, by reason, so that a file gives few lines and not one per row."""

    lines: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))

    def add(self, reason: str, line: int) -> None:
        self.lines[reason].append(line)

    def reasons(self) -> list[str]:
        return [_where(lines) + reason for reason, lines in self.lines.items()]


def _where(lines: list[int]) -> str:
    if not any(lines):
        return ""
    others = f" and {len(lines) - 1} more" if len(lines) > 1 else ""
    return f"line {lines[0]}{others}: "


def read_evaluations(file: Path, metric: str) -> tuple[list[Evaluation], list[str]]:
    """The evaluations in `file` in order, with the values of column `metric`, and what was wrong.

    Never raises: a file that is missing, empty, torn or without the columns gives fewer evaluations.
    """
    evaluations: list[Evaluation] = []
    flaws = _Flaws()
    try:
        with file.open(encoding="utf-8-sig", errors="replace", newline="") as handle:
            rows = csv.reader(_complete_lines(handle, flaws), strict=True)
            for evaluation in _evaluations(rows, metric, flaws):
                evaluations.append(evaluation)  # one by one, so that they stay if a later row raises
            if not evaluations and not flaws.lines:
                flaws.add("has no evaluation, only a header", 0)
    except FileNotFoundError:
        flaws.add("is missing: the run ended before its first evaluation", 0)
    except (OSError, csv.Error) as error:
        flaws.add(f"cannot be read: {error}", 0)
    return evaluations, flaws.reasons()


def _complete_lines(handle: Iterable[str], flaws: _Flaws) -> Iterator[str]:
    """All lines but one without a line end: its last number may be cut, and would still be a number."""
    for number, line in enumerate(handle, start=1):
        if line.endswith("\n"):
            yield line
        else:
            flaws.add("row ignored: it is torn, the file ends within it", number)


def _evaluations(rows: Iterator[list[str]], metric: str, flaws: _Flaws) -> Iterator[Evaluation]:
    header = next(rows, None)
    if header is None:
        flaws.add("is empty", 0)
        return
    missing = [column for column in (TIME_COLUMN, metric) if column not in header]
    if missing:
        flaws.add(f"has no column {' and no column '.join(missing)}", 0)
        return
    time_index, metric_index = header.index(TIME_COLUMN), header.index(metric)
    for line, row in enumerate(rows, start=2):
        if len(row) != len(header):
            flaws.add(f"row ignored: {len(row)} fields instead of {len(header)}", line)
            continue
        seconds, value = _number(row[time_index]), _number(row[metric_index])
        if not 0 <= seconds < math.inf:
            flaws.add(f"row ignored: no time in column {TIME_COLUMN}", line)
            continue
        if math.isnan(value):
            flaws.add(f"no number in column {metric}", line)
        yield Evaluation(seconds, value)


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan
