"""Whether the files of a run are complete, consistent, and record how it ended."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

from algoperf.records.layout import EVAL_FILE, MEASUREMENTS_FILE
from algoperf.records.status import Status
from algoperf_scoring.health.check import RunCheck, Verdict, fail, not_checked, warn
from algoperf_scoring.health.clock import EVALUATION, LOGGING, PREEMPTIONS, SCORE, STEP, SUBMISSION, TOTAL
from algoperf_scoring.health.evidence import Evidence, lookup, whole

# Statuses of runs that did not end according to the rules. Errors of the submission are a valid result.
_BAD_ENDS: Mapping[str, tuple[str, str]] = {
    "running": ("fail", "still running, or killed without warning"),
    "interrupted": ("fail", "it did not come to its end; the same command resumes it"),
    "evaluation_error": ("fail", "an evaluation failed; the same command resumes it"),
    "submission_error": ("warn", "an error in the submission"),
    "out_of_memory": ("warn", "out of memory"),
    "pruned": ("warn", "stopped or not begun because it was not needed"),
    "rule_breach": ("fail", "the submission broke the rules; the run counts as not reached"),
}


def readable(run: Evidence) -> Iterator[Verdict]:
    """Check that every file is readable, and that an evaluation has the columns for scoring and checks."""
    yield from map(fail, run.damage)
    if EVAL_FILE not in run.files and run.status.get("status") == Status.PRUNED.label:
        yield not_checked("it was pruned before its first evaluation")
        return
    if EVAL_FILE not in run.files:
        yield warn(f"no {EVAL_FILE}: it ended before its first evaluation")
        return
    for flaw in run.table.flaws:
        header_only = not run.table.num_rows and "only a header" in flaw
        yield Verdict("warn" if header_only else "fail", f"{EVAL_FILE}: {flaw}")
    if not run.table.num_rows:
        return
    needed = [STEP] if run.limits is None else [STEP, f"validation/{run.limits.metric}"]
    missing = [name for name in needed if name not in run.table.columns]
    if missing:
        yield fail(f"{EVAL_FILE} has no column {', '.join(missing)}")
    lacking = [name for name in (SUBMISSION, EVALUATION, LOGGING, TOTAL) if name not in run.table.columns]
    if lacking:
        yield warn(f"{EVAL_FILE} has no column {', '.join(lacking)}")
    for name in (STEP, SUBMISSION, EVALUATION, LOGGING, TOTAL):
        values = run.table.columns.get(name, ())
        row = next((row for row, value in enumerate(values) if not math.isfinite(value)), None)
        if row is not None:
            yield fail(f"{EVAL_FILE}: line {run.table.lines[row]}: no number in column {name}")


def ended(run: Evidence) -> Iterator[Verdict]:
    """Check how the run ended, from its status, or, in published logs, from the last row of measurements.csv."""
    label = run.status.get("status")
    if isinstance(label, str):
        if run.status.get("finished") is True and label != Status.PRUNED.label:
            return
        level, meaning = _BAD_ENDS.get(label, ("fail", "not ended by the rules"))
        message = run.status.get("message")
        detail = f": {message.splitlines()[0]}" if isinstance(message, str) and message else ""
        text = f"{label}, {meaning}{detail}"
        yield fail(text) if level == "fail" else warn(text)
    elif MEASUREMENTS_FILE not in run.files:
        yield not_checked(f"neither status.json nor {MEASUREMENTS_FILE}")
    elif run.final_sec is None:
        yield warn(
            f"{MEASUREMENTS_FILE} does not end with the row of a run that ended by the rules: it was interrupted"
        )


def agree(run: Evidence) -> Iterator[Verdict]:
    """Compare status.json with the folder's path, the evaluations and hparams.json."""
    if not run.status:
        yield not_checked("no status.json")
        return
    trial, status = run.trial, run.status
    place = {
        "submission": trial.submission,
        "study": trial.study,
        "workload": trial.workload,
        "framework": trial.framework,
        "trial": trial.number,
    }
    for name, expected in place.items():
        if status.get(name, expected) != expected:
            yield fail(f"status.json is of {name} {status[name]}, the folder of {name} {expected}")
    if "hyperparameters" in status and run.hyperparameters != status["hyperparameters"]:
        yield fail("hparams.json has other hyperparameters than status.json")
    if status.get("finished") is True:  # a killed process may not have written both
        yield from _evaluations_agree(run)


def _evaluations_agree(run: Evidence) -> Iterator[Verdict]:
    rows = run.table.num_rows
    counted = whole(run.status.get("num_evaluations"))
    if counted is not None and counted != rows:
        yield fail(f"status.json counts {counted} evaluations, {EVAL_FILE} has {rows}")
        return
    for column, keys in ((STEP, ("last_evaluation", "global_step")), (PREEMPTIONS, ("preemption_count",))):
        values, stated = run.columns(column), whole(lookup(run.status, *keys))
        # The run may have been resumed after its last evaluation.
        if values and stated is not None and (stated != values[0][-1] if column == STEP else stated < values[0][-1]):
            yield fail(f"{keys[0]} is {stated} in status.json, {values[0][-1]:.0f} in {EVAL_FILE}")
    yield from _target_agrees(run)


def _target_agrees(run: Evidence) -> Iterator[Verdict]:
    if run.limits is None or "target_reached_at" not in run.status:
        return
    columns = run.columns(f"validation/{run.limits.metric}", STEP, SCORE)
    if columns is None and run.table.num_rows:
        return  # a column is missing, which another check reports
    rows = zip(*columns, strict=True) if columns else ()
    step = next((step for value, step, _ in rows if run.limits.reached(value)), None)
    stated = lookup(run.status, "target_reached_at", "global_step")
    if stated != step:
        yield fail(f"target reached at step {stated} by status.json, at step {step} by {EVAL_FILE}")


CHECKS = (
    RunCheck("files", "every file is complete, and evaluations have the required columns", readable),
    RunCheck("ended", "the run ended by the rules", ended),
    RunCheck("records-agree", "status.json, the evaluations and the folder's place say the same", agree),
)
