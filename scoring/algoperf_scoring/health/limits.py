"""Whether a run had the version's limits, and kept them."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from algoperf.records.status import Status
from algoperf_scoring.health.check import RunCheck, Verdict, fail, not_checked, warn
from algoperf_scoring.health.clock import SCORE
from algoperf_scoring.health.evidence import Evidence, lookup, number


def within_budget(run: Evidence) -> Iterator[Verdict]:
    """Check that no evaluation after the budget counts.

    Under v0.5, the step in which the budget ran out was still evaluated. Such a single last evaluation is a warning,
    and a failure only if it is the one that reached the target.
    """
    columns = run.columns(SCORE)
    if run.budget_sec is None:
        yield not_checked("the ruleset is not known" if run.limits else "the version has no limits for this scale")
        return
    if columns is None:
        yield not_checked("no evaluation with a time")
        return
    budget, times = run.budget_sec, columns[0]
    late = [row for row, seconds in enumerate(times) if seconds > budget]
    if not late:
        return
    hit = _first_reached(run)
    excess = f"line {run.table.lines[late[0]]}: evaluated at {times[late[0]]:.1f} s, the budget is {budget:g} s"
    if hit is not None and hit >= late[0]:
        yield fail(f"{excess}; the target was reached only after it, at {times[hit]:.1f} s")
    elif len(late) > 1:
        yield fail(f"{excess}; {len(late) - 1} more evaluations follow")
    else:
        yield warn(f"{excess}; it is the last one and reached nothing new")


def _first_reached(run: Evidence) -> int | None:
    assert run.limits is not None
    columns = run.columns(f"validation/{run.limits.metric}")
    values = columns[0] if columns else []
    return next((row for row, value in enumerate(values) if run.limits.reached(value)), None)


def same_limits(run: Evidence) -> Iterator[Verdict]:
    """Compare the recorded budget and targets with the version's."""
    if run.limits is None:
        yield warn(f"the version has no limits for {run.trial.workload} at scale {run.trial.facts.scale}")
        return
    limits, meta = run.limits, run.meta_data
    stated: list[tuple[str, Any, float | None]] = [
        ("budget", run.status.get("budget_sec"), run.budget_sec),
        ("budget before tuning rules", meta.get("workload.max_allowed_runtime_sec"), limits.max_runtime_sec),
        ("validation target", lookup(run.status, "targets", "validation"), limits.validation_target),
        ("validation target", meta.get("workload.validation_target_value"), limits.validation_target),
        ("test target", lookup(run.status, "targets", "test"), limits.test_target),
        ("test target", meta.get("workload.test_target_value"), limits.test_target),
    ]
    known = [(name, number(value), due) for name, value, due in stated if number(value) is not None]
    if not known:
        yield not_checked("the records do not say budget and targets")
        return
    seen = set()
    for name, value, due in known:
        if due is not None and _differ(value, due) and name not in seen:
            seen.add(name)
            yield _wrong_limit(run, name, value, due)
    for key, due in (("eval_period_time_sec", limits.eval_period_sec), ("step_hint", limits.step_hint)):
        value = number(meta.get(f"workload.{key}"))
        if value is not None and _differ(value, due):
            yield warn(f"{key} {value:g} instead of {due:g}")


def _wrong_limit(run: Evidence, name: str, value: Any, due: float) -> Verdict:
    """A wrong limit fails. Only a smaller budget is harmless if it did not end the run."""
    told = f"{name} {value:g} instead of {due:g}"
    ended = number(lookup(run.status, "seconds", "submission"))
    is_harmless = run.status.get("status") == Status.TARGET_REACHED.label and ended is not None and ended <= value < due
    if not name.startswith("budget") or not is_harmless:
        return fail(told)
    return warn(f"{told}; both targets were reached at {ended:.1f} s, within either")


def _differ(value: float | None, due: float) -> bool:
    return value is None or not math.isclose(value, due, rel_tol=1e-9)


def official(run: Evidence) -> Iterator[Verdict]:
    """Check for options that official runs do not have."""
    if not run.status:
        yield not_checked("no status.json")
        return
    for option in ("max_global_steps", "eval_every_steps"):
        if run.status.get(option) is not None:
            yield warn(f"{option} was {run.status[option]}")
    if run.status.get("skip_evals") is True:
        yield warn("skip_evals: nothing was evaluated")


CHECKS = (
    RunCheck("budget", "no evaluation was made after the budget", within_budget),
    RunCheck("limits", "budget, targets, evaluation period and step hint were the version's", same_limits),
    RunCheck("official-settings", "no option was used that official runs do not have", official),
)
