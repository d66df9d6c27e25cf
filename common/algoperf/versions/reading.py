"""Reads tables of a version file into records; errors name the file, the table and the key."""

from __future__ import annotations

import dataclasses
import math
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from algoperf.errors import UserError, unknown
from algoperf.readers.text_file import TOO_DEEP, UnreadableFile, read_text
from algoperf.versions.limits import GOALS, SCALES, Limits

LimitsTable = Mapping[str, Mapping[str, Limits]]
"""Limits by workload, then by scale."""

LIKE = "like"
"""Key of a table that inherits from another workload at the same scale."""

NO_TARGET = "none"
"""Value for "no test target"; leaving the key out is an error."""


def read_toml(file: Path) -> dict[str, Any]:
    """The content of a TOML file. Raises UserError if it is missing or not TOML."""
    try:
        return tomllib.loads(read_text(file))
    except tomllib.TOMLDecodeError as error:
        raise UserError(f"Cannot read limits from {file}: {error}") from error
    except UnreadableFile as error:
        raise UserError(f"Cannot read limits. {error}") from None
    except RecursionError:
        raise UserError(f"Cannot read limits from {file}: {TOO_DEEP}.") from None


def check_keys(
    where: str, table: Mapping[str, Any], required: set[str], optional: frozenset[str] = frozenset()
) -> None:
    """Raise UserError if `table` has unknown keys or lacks required ones; `where` names file and table."""
    for key in table:
        if key not in required | optional:
            raise unknown(f"key in {where}:", key, required | optional)
    missing = sorted(required - set(table))
    if missing:
        raise UserError(f"{where} lacks the key(s) {', '.join(missing)}. Add them.")


def text(where: str, value: Any) -> str:
    """`value` if it is a non-empty string, else a UserError."""
    if not isinstance(value, str) or not value:
        raise UserError(f"{where} must be a non-empty string, not {value!r}.")
    return value


def number(where: str, value: Any) -> float:
    """`value` as a finite float, else a UserError."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise UserError(f"{where} must be a finite number, not {value!r}.")
    return float(value)


def positive(where: str, value: Any) -> float:
    """`value` as a float above 0, else a UserError."""
    if number(where, value) <= 0:
        raise UserError(f"{where} must be above 0, not {value!r}.")
    return float(value)


def count(where: str, value: Any) -> int:
    """`value` if it is a whole number above 0, else a UserError."""
    if not isinstance(value, int) or positive(where, value) != value:
        raise UserError(f"{where} must be a whole number, not {value!r}.")
    return value


def flag(where: str, value: Any) -> bool:
    """`value` if it is true or false, else a UserError."""
    if not isinstance(value, bool):
        raise UserError(f"{where} must be true or false, not {value!r}.")
    return value


def names(where: str, value: Any) -> tuple[str, ...]:
    """A list of distinct strings as a tuple, else a UserError."""
    if not isinstance(value, list) or len(set(map(str, value))) != len(value):
        raise UserError(f"{where} must be a list of distinct names, not {value!r}.")
    return tuple(text(where, item) for item in value)


def table(where: str, value: Any) -> Mapping[str, Any]:
    """`value` if it is a TOML table, else a UserError."""
    if not isinstance(value, Mapping):
        raise UserError(f"{where} must be a table, not {value!r}.")
    return value


def _goal(where: str, value: Any) -> str:
    if value not in GOALS:
        raise unknown(f"value of {where}:", str(value), GOALS)
    return value


def _test_target(where: str, value: Any) -> float | None:
    return None if value == NO_TARGET else number(where, value)


_FIELDS: dict[str, Callable[[str, Any], Any]] = {
    "metric": text,
    "goal": _goal,
    "validation_target": number,
    "test_target": _test_target,
    "max_runtime_sec": positive,
    "eval_period_sec": positive,
    "step_hint": count,
}
_OPTIONAL_FIELDS: dict[str, Callable[[str, Any], Any]] = {
    "num_validation_examples": count,
    "num_test_examples": count,
}


def read_limits(file: Path, workloads: Mapping[str, Any], known: LimitsTable) -> dict[str, dict[str, Limits]]:
    """The limits already `known`, plus the `[workloads.<name>.<scale>]` tables of a file.

    A table with the key `like` inherits missing keys from the named workload at the same scale, which must be known
    or come earlier in the file. Known limits may be repeated but not changed; optional keys need not be repeated.
    """
    limits = {name: dict(scales) for name, scales in known.items()}
    for name, scales in workloads.items():
        for scale, stated in table(f"{file}: [workloads.{name}]", scales).items():
            where = f"{file}: [workloads.{name}.{scale}]"
            if scale not in SCALES:
                raise unknown(f"scale in {file}: [workloads.{name}]:", scale, SCALES)
            new = _read_one(where, scale, table(where, stated), limits)
            if limits.setdefault(name, {}).setdefault(scale, new) != _completed(new, limits[name][scale]):
                raise UserError(f"{where} differs from the limits {name} already has. Choose another name.")
    return limits


def _completed(new: Limits, known: Limits) -> Limits:
    """`new`, with missing optional values taken from `known`."""
    missing = {key: getattr(known, key) for key in _OPTIONAL_FIELDS if getattr(new, key) is None}
    return dataclasses.replace(new, **missing)


def _read_one(where: str, scale: str, stated: Mapping[str, Any], limits: LimitsTable) -> Limits:
    required = set() if LIKE in stated else set(_FIELDS)
    fields = {**_FIELDS, **_OPTIONAL_FIELDS}
    check_keys(where, stated, required, frozenset({*fields, LIKE}))
    values = {key: fields[key](f"{where} {key}", value) for key, value in stated.items() if key != LIKE}
    if LIKE not in stated:
        return Limits(**values)
    bases = {name: scales[scale] for name, scales in limits.items() if scale in scales}
    if stated[LIKE] not in bases:
        raise unknown(f"workload in {where} {LIKE}:", str(stated[LIKE]), bases, "It must stand above.")
    return dataclasses.replace(bases[stated[LIKE]], **values)
