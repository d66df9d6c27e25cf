"""Reads a trial's evaluations. From a damaged file, it returns what is readable, and the reasons."""

from __future__ import annotations

import csv
import math
from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from algoperf.records.allowance import charges

_T = TypeVar("_T")

TIME_COLUMN = "score"
STEP_COLUMN = "global_step"

_SHORTER = 3
"""Of numbers with 16 digits, one in a thousand is this much shorter, since it ends with zeros."""


@dataclass(frozen=True, slots=True)
class EvaluationTable:
    """The rows of a file that have a time, in file order.

    Attributes:
      columns: values by column, all of equal length; NaN where a field is empty or not a number.
      lines: line number of each row in the file, from 1.
      flaws: errors in the file, one sentence per kind.
    """

    columns: dict[str, list[float]]
    lines: list[int]
    flaws: tuple[str, ...]

    @property
    def num_rows(self) -> int:
        """Number of evaluations."""
        return len(self.lines)


@dataclass
class _Flaws:
    """Unusable rows, grouped by reason: this makes a few lines per file, instead of one per row."""

    lines: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))

    def add(self, reason: str, line: int = 0) -> None:
        self.lines[reason].append(line)

    def reasons(self) -> tuple[str, ...]:
        return tuple(_where(lines) + reason for reason, lines in self.lines.items())


def _where(lines: list[int]) -> str:
    if not any(lines):
        return ""
    others = f" and {len(lines) - 1} more" if len(lines) > 1 else ""
    return f"line {lines[0]}{others}: "


def read_evaluations(
    file: Path, required: Sequence[str] = (), optional: Collection[str] | None = (), as_written: bool = False
) -> EvaluationTable:
    """The evaluations in `file`, with the time of each in column `score`.

    Evaluations that took longer than allowed are charged to later times, unless the file is wanted `as_written`.

    Never raises: a file that is missing, empty, truncated or without the columns gives fewer evaluations.

    Args:
      file: `eval_measurements.csv` of a trial.
      required: columns that an evaluation needs to count; a field without a number is a flaw.
      optional: further columns to read if present; None for all.
    """
    flaws = _Flaws()
    rows = _read_rows(file, flaws)
    if not rows:
        return EvaluationTable({}, [], flaws.reasons())
    header = rows[0]
    needed = (TIME_COLUMN, *required)
    missing = [column for column in needed if column not in header]
    if missing:
        flaws.add(f"has no column {' and no column '.join(missing)}")
    repeated = [column for column, times in Counter(header).items() if times > 1]
    if repeated:
        flaws.add(f"has column {' and column '.join(map(repr, repeated))} twice: which one counts is not known")
    if missing or set(repeated) & set(needed):
        return EvaluationTable({}, [], flaws.reasons())
    lines, rows = _whole_rows(rows, flaws)
    if not lines and not flaws.lines:
        flaws.add("has no evaluation, only a header")
    others = [name for name in header if (optional is None or name in optional) and name not in repeated]
    columns = {}
    for name in dict.fromkeys((*needed, *others)):
        index = header.index(name)
        columns[name] = _numbers([row[index] for row in rows])
    if not as_written:
        _charge(columns, header, rows, charges(file.parent))
    return _timed(columns, lines, required, flaws)


def _charge(
    columns: dict[str, list[float]], header: list[str], rows: list[list[str]], due: Mapping[int, float]
) -> None:
    """Add what is `due`, by step, to the times."""
    if due and STEP_COLUMN in header:
        index, seconds = header.index(STEP_COLUMN), columns[TIME_COLUMN]
        extra = [due.get(int(step), 0.0) if (step := row[index]).isdecimal() else 0.0 for row in rows]
        columns[TIME_COLUMN] = [time + more for time, more in zip(seconds, extra, strict=True)]


def _read_rows(file: Path, flaws: _Flaws) -> list[list[str]]:
    """The fields of all complete lines, the header first."""
    try:
        text = file.read_bytes().decode("utf-8-sig", errors="replace")
    except FileNotFoundError:
        flaws.add("is missing: the run ended before its first evaluation")
        return []
    except OSError as error:
        flaws.add(f"cannot be read: {error.strerror}")
        return []
    if not text:
        flaws.add("is empty")
        return []
    *lines, rest = text.split("\n")
    if rest and _is_torn(lines, rest):
        flaws.add("row ignored: it is torn, the file ends within it", len(lines) + 1)
    elif rest:
        lines.append(rest)
    rows: list[list[str]] = []
    try:
        rows.extend(csv.reader(lines, strict=True))  # keeps the rows before one that raises
    except csv.Error as error:
        flaws.add(f"cannot be read: {error}", len(rows) + 1)
    return rows


def _is_torn(lines: list[str], rest: str) -> bool:
    """Whether the last line, which has no end, is cut off: it lacks fields, or its last number lacks digits.

    A number that was cut may still be one. Then it is clearly shorter than all those above it.
    """
    if not lines or rest.count(",") != lines[0].count(","):
        return True
    above = [len(line.rstrip("\r").rpartition(",")[2]) for line in lines[1:]]
    last = rest.rpartition(",")[2].strip()
    if last in ("nan", "inf", "-inf"):
        return False
    return not math.isfinite(_number(last)) or len(last) < min(above, default=0) - _SHORTER


def _whole_rows(rows: list[list[str]], flaws: _Flaws) -> tuple[list[int], list[list[str]]]:
    """The rows with as many fields as the header, and their line numbers."""
    lines, below, length = list(range(2, len(rows) + 1)), rows[1:], len(rows[0])
    whole = [len(row) == length for row in below]
    if all(whole):
        return lines, below
    for line, row, good in zip(lines, below, whole, strict=True):
        if not good:
            flaws.add(f"row ignored: {len(row)} fields instead of {length}", line)
    return _kept(lines, whole), _kept(below, whole)


def _timed(
    columns: dict[str, list[float]], lines: list[int], required: Sequence[str], flaws: _Flaws
) -> EvaluationTable:
    """The rows that have a time. Records rows without, missing required numbers, and times that go back."""
    timed = [0 < seconds < math.inf for seconds in columns[TIME_COLUMN]]
    if not all(timed):
        for line, good, time in zip(lines, timed, columns[TIME_COLUMN], strict=True):
            if not good:
                what = "0 seconds are no time" if time == 0 else "no time"
                flaws.add(f"row ignored: {what} in column {TIME_COLUMN}", line)
        columns = {name: _kept(values, timed) for name, values in columns.items()}
        lines = _kept(lines, timed)
    for name in required:
        if any(map(math.isnan, columns[name])):
            for line, value in zip(lines, columns[name], strict=True):
                if math.isnan(value):
                    flaws.add(f"no number in column {name}", line)
    seconds = columns[TIME_COLUMN]
    if seconds != sorted(seconds):
        for line, before, after in zip(lines[1:], seconds, seconds[1:], strict=False):
            if after < before:
                flaws.add(f"time in column {TIME_COLUMN} is before that of the row above", line)
    return EvaluationTable(columns, lines, flaws.reasons())


def _numbers(fields: list[str]) -> list[float]:
    joined = "".join(fields)
    if joined.isascii() and "_" not in joined:
        try:
            return list(map(float, fields))
        except ValueError:
            pass
    return list(map(_number, fields))


def _number(text: str) -> float:
    """The number that a field is; NaN if it is none. Python alone reads 1_0 and digits of other scripts as numbers."""
    if not text.isascii() or "_" in text:
        return math.nan
    try:
        return float(text)
    except ValueError:
        return math.nan


def _kept(values: list[_T], which: list[bool]) -> list[_T]:
    return [value for value, keep in zip(values, which, strict=True) if keep]
