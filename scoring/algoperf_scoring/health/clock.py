"""Whether the times of a run are plausible: charged time has really passed, and steps take time."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence
from itertools import pairwise

from algoperf.records.layout import MEASUREMENTS_FILE, STATUS_FILE
from algoperf.text import counted
from algoperf_scoring.health.check import RunCheck, Verdict, fail, not_checked, warn
from algoperf_scoring.health.evidence import Evidence, lookup, number

SUBMISSION, EVALUATION = "accumulated_submission_time", "accumulated_eval_time"
LOGGING, TOTAL = "accumulated_logging_time", "total_duration"
STEP, SCORE, PREEMPTIONS = "global_step", "score", "preemption_count"
TRIAL_SUBMISSION = "trial_submission_time"

ROUNDING_SEC = 0.05
"""Published logs also exist with times rounded to 0.01 s. Then four clocks, each read twice, differ by up to 0.02 s in
2 of 1000 intervals."""

UNACCOUNTED_SEC, UNACCOUNTED_SHARE = 60.0, 0.02
"""Time that is not charged is bookkeeping between steps. In the v0.5 logs it is at most 0.5 % of a run of hours, and
1165 of 4099 runs have more than 60 s of it."""

SLOW_SHARE, SLOW_SEC, SLOW_INTERVALS = 0.25, 10.0, 5
"""In the v0.5 logs, only last intervals have steps that take less than 0.57 of the run's median."""


def adds_up(run: Evidence) -> Iterator[Verdict]:
    """Compare submission, evaluation and logging time, between evaluations and in total, with the time that passed.

    Logging time is read before a row's evaluation, the other times after it, so intervals between rows are complete.
    Skips intervals in which another process took over, because published runs restart `total_duration`.
    """
    columns = run.columns(SUBMISSION, EVALUATION, LOGGING, TOTAL)
    if columns is None:
        yield not_checked("no evaluation with all times")
        return
    rows = [(0.0, 0.0, 0.0, 0.0), *zip(*columns, strict=True)]
    lines, counts = [1, *run.table.lines], [0.0, *_preemptions(run)]
    passed = unaccounted = 0.0
    for place in range(1, len(rows)):
        if counts[place] != counts[place - 1]:
            continue
        *accounts, total = (now - before for now, before in zip(rows[place], rows[place - 1], strict=True))
        if (rest := total - sum(accounts)) < -ROUNDING_SEC:
            yield fail(
                f"lines {lines[place - 1]} to {lines[place]}: {sum(accounts):.2f} s are accounted for, "
                f"but only {total:.2f} s passed"
            )
            return
        passed += total
        unaccounted += rest
    if unaccounted < -ROUNDING_SEC:
        yield fail(f"{passed - unaccounted:.2f} s are accounted for, but only {passed:.2f} s passed")
    elif unaccounted > max(UNACCOUNTED_SEC, UNACCOUNTED_SHARE * passed):
        share = unaccounted / passed
        yield warn(f"{unaccounted:.1f} s of {passed:.1f} s ({share:.1%}) are neither training, evaluation nor logging")


def _preemptions(run: Evidence) -> Sequence[float]:
    columns = run.columns(PREEMPTIONS)
    return columns[0] if columns else [0.0] * run.table.num_rows


def score_is_time(run: Evidence) -> Iterator[Verdict]:
    """Compare the scored column with the column of the clock."""
    columns = run.columns(SCORE, SUBMISSION)
    if columns is None:
        yield not_checked("no evaluation with both columns")
        return
    for line, score, seconds in zip(run.table.lines, *columns, strict=True):
        if not abs(score - seconds) <= ROUNDING_SEC:
            yield fail(f"line {line}: score is {score:.2f} s, but the submission time is {seconds:.2f} s")
            return


def ends_later(run: Evidence) -> Iterator[Verdict]:
    """Compare the submission time at the end, from both files that have it, with that of the last evaluation."""
    status_sec = number(lookup(run.status, "seconds", "submission"))
    ends = {STATUS_FILE: status_sec, MEASUREMENTS_FILE: run.final_sec}
    known = {file: seconds for file, seconds in ends.items() if seconds is not None}
    if not known:
        yield not_checked("the records do not say the submission time at the end")
        return
    if len(known) == 2 and abs(known[STATUS_FILE] - known[MEASUREMENTS_FILE]) > ROUNDING_SEC:
        yield fail(" but ".join(f"{file} ends at {seconds:.2f} s" for file, seconds in known.items()))
    columns = run.columns(SCORE)
    for file, seconds in known.items():
        if columns and seconds < columns[0][-1] - ROUNDING_SEC:
            yield fail(f"{file} ends at {seconds:.2f} s, before the last evaluation at {columns[0][-1]:.2f} s")


def steps_take_time(run: Evidence) -> Iterator[Verdict]:
    """Compare submission time with steps. A stopped clock makes steps look fast.

    The parent of a trial measures by the arrival of messages. On a busy machine it can hear that steps began and that
    they ended in the same moment; the trial's own clock, which the check `referee` compares with it, then went on.
    """
    columns = run.columns(STEP, SUBMISSION)
    if columns is None:
        yield not_checked("no evaluation with steps and submission time")
        return
    marks = list(zip([1, *run.table.lines], [0.0, *columns[0]], [0.0, *columns[1]], strict=True))
    intervals = [(b, steps - before, sec - since) for (_, before, since), (b, steps, sec) in pairwise(marks)]
    went_on = _own_clock_went_on(run)
    for line, steps, seconds in intervals:
        if steps > 0 and seconds <= 0 and not (seconds == 0 and line in went_on):
            yield fail(
                f"line {line}: {counted(steps, 'step was', 'steps were')} made in {seconds:.2f} s of submission time"
            )
            return
    yield from _much_faster(intervals)


def _own_clock_went_on(run: Evidence) -> set[int]:
    """The lines before which the trial's own clock went on; none without a parent, which measures the official time."""
    columns = run.columns(TRIAL_SUBMISSION)
    if columns is None or not run.referee:
        return set()
    pairs = zip(run.table.lines, pairwise([0.0, *columns[0]]), strict=True)
    return {line for line, (before, now) in pairs if now > before}


def _much_faster(intervals: Sequence[tuple[int, float, float]]) -> Iterator[Verdict]:
    """Compare the pace of intervals, each a line, steps and seconds, with the usual one of the run."""
    paces = [seconds / steps for _, steps, seconds in intervals[1:] if steps > 0]
    if len(paces) < SLOW_INTERVALS:
        return
    usual = statistics.median(paces)
    for line, steps, seconds in intervals[1:-1]:  # the first includes compilation, the last may be short
        if seconds < SLOW_SHARE * usual * steps and usual * steps - seconds > SLOW_SEC:
            yield warn(
                f"line {line}: {counted(steps, 'step')} took {seconds:.1f} s; at the run's usual {usual:.3g} s "
                f"per step they take {usual * steps:.1f} s"
            )
            return


CHECKS = (
    RunCheck("clock-adds-up", "training, evaluation and logging time add up to the time that passed", adds_up),
    RunCheck("score-is-time", "the scored time is the accumulated submission time", score_is_time),
    RunCheck("final-time", "the submission time at the end is not before that of the last evaluation", ends_later),
    RunCheck("steps-take-time", "submission time increases with steps", steps_take_time),
)
