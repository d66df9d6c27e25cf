"""Whether a run's own times are those that the parent of the trial measured, and its evaluations those it was told."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from algoperf.records.allowance import charges
from algoperf.records.layout import REFEREE_FILE
from algoperf_scoring.health.check import RunCheck, Verdict, fail, not_checked, warn
from algoperf_scoring.health.clock import SCORE, STEP
from algoperf_scoring.health.evidence import Evidence, lookup, number
from algoperf_scoring.referee import allowed_sec, changed_files


def same_times(run: Evidence) -> Iterator[Verdict]:
    """Compare the submission time of evaluations and at the end with the parent's account."""
    account = run.referee
    if not account:
        yield not_checked(f"no {REFEREE_FILE}: the trial had no parent")
        return
    problems = account.get("problems")
    for problem in problems if isinstance(problems, Sequence) and not isinstance(problems, str) else ():
        yield fail(str(problem))
    if run.status.get("referee") is False:
        yield not_checked("the last process of the trial had no parent")
        return
    for name in changed_files(account, run.trial.folder):
        yield fail(f"{name} was changed after the trial")
    if number(account.get("known_from")):
        yield not_checked(f"an earlier process, up to step {account['known_from']}, had no parent")
        return
    if charged := charges(run.trial.folder):
        step, seconds = max(charged.items())
        yield warn(f"up to step {step}, evaluations took {seconds:.1f} s longer than allowed, which is charged")
    for place, own, measured, allowed in _pairs(run, account):
        if abs(own - measured) > allowed:
            told = f"{place}: {own:.2f} s by its own clock, {measured:.2f} s by its parent's"
            yield fail(told) if own < measured else warn(told)
            return


def _pairs(run: Evidence, account: Mapping[str, Any]) -> Iterator[tuple[str, float, float, float]]:
    """Place, own and measured seconds, and how much they may differ, for each evaluation and for the end."""
    columns, found = run.columns(STEP, SCORE), account.get("evaluations")
    evaluations = found if isinstance(found, list) else []
    count = 0
    if columns is not None:
        for line, own, evaluation in zip(run.table.lines, columns[1], evaluations, strict=False):
            measured, by_trial = (number(lookup(evaluation, name)) for name in ("submission_sec", "trial_sec"))
            if measured is not None:
                count += 1
                by_trial = own if by_trial is None else by_trial
                yield f"line {line}", by_trial, measured, allowed_sec(count, measured, run.status)
    seconds = "trial_seconds" if "trial_seconds" in run.status else "seconds"
    own_end, measured_end = number(lookup(run.status, seconds, "submission")), number(account.get("submission_sec"))
    if own_end is not None and measured_end is not None:
        yield "at the end", own_end, measured_end, allowed_sec(count, measured_end, run.status)


CHECKS = (RunCheck("referee", "the parent of the trial measured the same times and was told the same", same_times),)
