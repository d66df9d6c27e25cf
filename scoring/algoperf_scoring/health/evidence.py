"""The content of a run's records, for the checks. A damaged file is a finding, never an exception."""

from __future__ import annotations

import dataclasses
import json
import math
import os
import re
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from algoperf.errors import UserError
from algoperf.records.layout import (
    EVAL_FILE,
    EVALUATION_FILE,
    HPARAMS_FILE,
    MEASUREMENTS_FILE,
    REFEREE_FILE,
    STATUS_FILE,
)
from algoperf.versions import Limits, Version
from algoperf_scoring.copies import marks
from algoperf_scoring.evaluations import TIME_COLUMN, EvaluationTable, read_evaluations
from algoperf_scoring.health.measurements import read_final_sec
from algoperf_scoring.runs import RecordedTrial

NO_ROWS = EvaluationTable({}, [], ())


@dataclass(frozen=True)
class Evidence:
    """One run's records.

    Attributes:
      trial: the run's folder and identity.
      path: the folder relative to the checked one, with slashes.
      limits: target and budget under the version; None if it has none at the run's scale.
      ruleset: "external" or "self"; None if neither the run's files nor the caller say.
      budget_sec: seconds of submission time allowed; None if limits or ruleset are unknown.
      files: names of the files in the folder.
      table: the evaluations, all columns; no row if there is no file.
      final_sec: submission time at the end by the last row of measurements.csv; None without such a row.
      status, meta_data, flags, evaluation, referee: the JSON files, or empty; of numbered files the newest.
      hyperparameters: from hparams.json; None without that file.
      damage: unreadable files, with the reason.
      marks: what the run shares with copies of it; see `copies.marks`.
    """

    trial: RecordedTrial
    path: str
    limits: Limits | None
    ruleset: str | None
    budget_sec: float | None
    files: frozenset[str]
    table: EvaluationTable
    final_sec: float | None
    status: Mapping[str, Any]
    meta_data: Mapping[str, Any]
    flags: Mapping[str, Any]
    evaluation: Mapping[str, Any]
    referee: Mapping[str, Any]
    hyperparameters: Mapping[str, Any] | None
    damage: tuple[str, ...]
    marks: tuple[Hashable, ...]

    def columns(self, *names: str) -> tuple[list[float], ...] | None:
        """The given columns of the evaluations; None if one is missing or there are no rows."""
        known = self.table.columns
        if not self.table.num_rows or not known.keys() >= set(names):
            return None
        return tuple(known[name] for name in names)

    def recorded(self, *keys: str) -> Any:
        """The value at a path of keys in status.json, else in meta_data_<p>.json, else None."""
        found = lookup(self.status, *keys)
        return lookup(self.meta_data, *keys) if found is None else found

    def without_rows(self) -> Evidence:
        """A copy without evaluations, which take much memory."""
        return dataclasses.replace(self, table=NO_ROWS)


def lookup(content: Any, *keys: str) -> Any:
    """The value at a path of keys in nested objects; None if missing."""
    for key in keys:
        content = content.get(key) if isinstance(content, Mapping) else None
    return content


def number(value: Any) -> float | None:
    """`value` if it is a number, else None; JSON may hold integers that are too large for a float."""
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        return None
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def whole(value: Any) -> int | None:
    """`value` if it is a whole number, else None."""
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def read_evidence(trial: RecordedTrial, path: str, version: Version, ruleset: str | None) -> Evidence:
    """Read the records of a run. `ruleset` is for runs that do not record it."""
    damage: list[str] = []
    files = _listing(trial.folder, damage)
    ruleset = trial.facts.ruleset or ruleset
    limits, budget_sec = _limits(trial, version, ruleset)
    hyperparameters = _read_object(trial.folder, HPARAMS_FILE, files, damage)
    table = read_evaluations(trial.folder / EVAL_FILE, (), None, as_written=True) if EVAL_FILE in files else NO_ROWS
    return Evidence(
        trial=trial,
        path=path,
        limits=limits,
        ruleset=ruleset,
        budget_sec=budget_sec,
        files=files,
        table=table,
        final_sec=read_final_sec(trial.folder / MEASUREMENTS_FILE) if MEASUREMENTS_FILE in files else None,
        status=_read_object(trial.folder, STATUS_FILE, files, damage) or {},
        meta_data=_read_object(trial.folder, _newest("meta_data", files), files, damage) or {},
        flags=_read_object(trial.folder, _newest("flags", files), files, damage) or {},
        evaluation=_read_object(trial.folder, EVALUATION_FILE, files, damage) or {},
        referee=_read_object(trial.folder, REFEREE_FILE, files, damage) or {},
        hyperparameters=hyperparameters,
        damage=tuple(damage),
        marks=tuple(marks(trial.folder / EVAL_FILE, table.columns[TIME_COLUMN])) if table.num_rows else (),
    )


def _listing(folder: Path, damage: list[str]) -> frozenset[str]:
    try:
        return frozenset(os.listdir(folder))
    except OSError as error:
        damage.append(f"the folder cannot be listed: {error.strerror}")
        return frozenset()


def _limits(trial: RecordedTrial, version: Version, ruleset: str | None) -> tuple[Limits | None, float | None]:
    scale = trial.facts.scale
    try:
        limits = version.limits(trial.workload, scale)
    except UserError:  # the version has no limits for this workload at this scale
        return None, None
    return limits, None if ruleset is None else version.max_runtime_sec(trial.workload, ruleset, scale)


def _newest(name: str, files: frozenset[str]) -> str:
    """The file of the run's last process: the number in its name counts preemptions."""
    counts = [int(match[1]) for file in files if (match := re.fullmatch(rf"{name}_(\d{{1,9}})\.json", file))]
    return f"{name}_{max(counts, default=0)}.json"


def _read_object(folder: Path, name: str, files: frozenset[str], damage: list[str]) -> dict[str, Any] | None:
    if name not in files:
        return None
    try:
        content = json.loads((folder / name).read_bytes())
    except OSError as error:
        damage.append(f"{name} cannot be read: {error.strerror}")
    except (ValueError, RecursionError) as error:
        damage.append(f"{name} is not JSON: {error}")
    else:
        if isinstance(content, dict):
            return content
        damage.append(f"{name} is not a JSON object")
    return None
