"""How a trial ended, in the lines that the user sees last."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from algoperf.records.csv_file import CsvFile
from algoperf.records.layout import EVAL_FILE
from algoperf.records.status import Status, read_status
from algoperf.records.verification import REFUTED, verification
from algoperf.text import counted, duration
from algoperf.trial.settings import TrialSettings


def summary(settings: TrialSettings) -> list[str]:
    """Time, metrics with targets, what to do about NaN, and the records' folder; none of a trial without records."""
    status = read_status(settings.directory)
    if status is None:
        return []
    reached = status.get("target_reached_at") or {}
    seconds = status.get("seconds") or {}
    timed, total = float(seconds.get("submission") or 0.0), float(seconds.get("total") or 0.0)
    if why := REFUTED.get(verification(settings.directory, status.get("target_reached_at"))):
        what = f"evaluated again without the submission, step {reached['global_step']} {why}"
        time = f"NOT COUNTED ({what}): clock {reached['submission_sec']:.2f}"
    elif reached:
        when = f"at step {reached['global_step']}, clock {reached['submission_sec']:.2f}"
        time = f"what counts: validation target reached {when}"
    else:
        time = f"validation target not reached in {counted(status['global_step'], 'step')}, clock {timed:.2f}"
    if settings.to_the_end:
        lines = [
            f"  {counted(status['global_step'], 'step')}, clock {timed:.2f} s ({duration(total)} with evaluations)"
        ]
    else:
        lines = [f"  {time} of {settings.budget_sec:.6g} s ({duration(total)} with evaluations)"]
    lines += [f"  {text}" for text in [_metrics(settings, status), _advice(settings, status)] if text]
    return [*lines, f"  records: {settings.directory}"]


def _advice(settings: TrialSettings, status: dict[str, Any]) -> str:
    """What to do about training that diverged; "" for a trial that ended otherwise."""
    if status.get("status") != Status.NAN.label:
        return ""
    finite = [row["global_step"] for row in CsvFile.read(settings.directory / EVAL_FILE) if _is_finite(row)]
    last = f"the last finite evaluation was at step {finite[-1]}" if finite else "no evaluation had only finite metrics"
    return f"Training diverged; {last}. Try a smaller learning rate, a longer warm-up, or gradient clipping."


def _is_finite(row: Mapping[str, str]) -> bool:
    return all(math.isfinite(float(text or "nan")) for name, text in row.items() if name.startswith("validation/"))


def _metrics(settings: TrialSettings, status: dict[str, Any]) -> str:
    """The last values of the metric, each beside its target; "" without an evaluation."""
    limits = settings.version.limits(settings.definition.name, settings.definition.scale)
    last = (status.get("last_evaluation") or {}).get("metrics") or {}
    sign = "<=" if limits.goal == "min" else ">="
    targets = {"validation": limits.validation_target, "test": limits.test_target}
    found = {split: last.get(f"{split}/{limits.metric}") for split in targets}

    def goal(split: str) -> str:
        return "" if settings.to_the_end else f" (target {sign} {targets[split]:.6g})"

    return ", ".join(
        f"{split}/{limits.metric} {value:.6g}{goal(split)}"
        for split, value in found.items()
        if isinstance(value, int | float)
    )
