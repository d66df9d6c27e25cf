"""How a trial ended, in the lines that the user sees last."""

from __future__ import annotations

from typing import Any

from algoperf.errors import counted
from algoperf.records.status import read_status
from algoperf.records.verification import REFUTED, verification
from algoperf.trial.live_line import duration
from algoperf.trial.settings import TrialSettings


def summary(settings: TrialSettings) -> list[str]:
    """Time, metrics with targets, and where the records are; none of a trial that has left no records."""
    status = read_status(settings.directory)
    if status is None:
        return []
    reached = status.get("target_reached_at") or {}
    seconds = status.get("seconds") or {}
    timed, total = float(seconds.get("submission") or 0.0), float(seconds.get("total") or 0.0)
    if why := REFUTED.get(verification(settings.directory, status.get("target_reached_at"))):
        what = f"evaluated again without the submission, step {reached['global_step']} {why}"
        time = f"NOT COUNTED ({what}): clock {reached['submission_sec']:.2f} s"
    elif reached:
        time = f"validation target reached at step {reached['global_step']}, clock {reached['submission_sec']:.2f} s"
    else:
        time = f"validation target not reached in {counted(status['global_step'], 'step')}, clock {timed:.2f} s"
    if settings.to_the_end:
        lines = [
            f"  {counted(status['global_step'], 'step')}, clock {timed:.2f} s ({duration(total)} with evaluations)"
        ]
    else:
        lines = [f"  {time} of {settings.budget_sec:.6g} s ({duration(total)} with evaluations)"]
    lines += [f"  {text}" for text in [_metrics(settings, status)] if text]
    return [*lines, f"  records: {settings.directory}"]


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
