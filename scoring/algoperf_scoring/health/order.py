"""Whether steps and times only increase, and whether evaluations were on schedule."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from algoperf.text import counted
from algoperf_scoring.health.check import RunCheck, Verdict, fail, not_checked, warn
from algoperf_scoring.health.clock import (
    EVALUATION,
    LOGGING,
    PREEMPTIONS,
    ROUNDING_SEC,
    SCORE,
    STEP,
    SUBMISSION,
    TOTAL,
)
from algoperf_scoring.health.evidence import Evidence, whole

LATE_SEC, LATE_SHARE, LATE_STEPS = 10.0, 0.5, 2.0
"""An evaluation waits for the current step, and maybe for a checkpoint. In the v0.5 logs, this exceeds half of the
period only in 40 baseline runs, which were evaluated every 1200 s instead of every 120 s."""


def steps_increase(run: Evidence) -> Iterator[Verdict]:
    """Check that steps increase. Only a run that was resumed from an earlier state may repeat steps."""
    columns = run.columns(STEP)
    if columns is None:
        yield not_checked("no evaluation with a step")
        return
    counts = run.columns(PREEMPTIONS)
    preemptions = counts[0] if counts else [0.0] * run.table.num_rows
    rows = zip(run.table.lines, columns[0], preemptions, strict=True)
    for (_, before, earlier), (line, step, later) in pairwise(rows):
        if step > before:
            continue
        how = f"line {line}: step {step:.0f} follows step {before:.0f}"
        yield warn(f"{how}, after the run was resumed") if later > earlier else fail(how)
        if later <= earlier:
            return


def times_increase(run: Evidence) -> Iterator[Verdict]:
    """Check that all clocks increase. Published runs restart `total_duration` when they are resumed."""
    counts = run.columns(PREEMPTIONS)
    preemptions = counts[0] if counts else [0.0] * run.table.num_rows
    names = [name for name in (SCORE, SUBMISSION, EVALUATION, LOGGING, TOTAL) if run.columns(name)]
    if not names:
        yield not_checked("no evaluation with a time")
        return
    for name in names:
        rows = zip(run.table.lines, run.table.columns[name], preemptions, strict=True)
        for (_, before, earlier), (line, seconds, later) in pairwise(rows):
            if seconds < before:
                how = f"line {line}: {name} goes back from {before:.2f} s to {seconds:.2f} s"
                yield warn(f"{how}, where the run was resumed") if name == TOTAL and later > earlier else fail(how)
                break


def on_schedule(run: Evidence) -> Iterator[Verdict]:
    """Compare the wall time between two evaluations with the version's period.

    The last evaluation may be early, at the end of training. So may one that was due when the run was resumed.
    """
    if run.status.get("skip_evals") is True:
        yield not_checked("run without evaluations")
        return
    every = whole(run.status.get("eval_every_steps"))
    if every is not None:
        yield not_checked(f"evaluated every {counted(every, 'step')}")
        return
    columns = run.columns(TOTAL, EVALUATION, STEP, SUBMISSION)
    if columns is None or run.limits is None or run.table.num_rows < 2:
        yield not_checked("fewer than two evaluations with times")
        return
    gaps = _gaps(run, *columns)
    yield from _too_often(gaps, run.limits.eval_period_sec)
    yield from _too_seldom(run, gaps, run.limits.eval_period_sec, columns[3])


def _gaps(
    run: Evidence, total: list[float], evaluation: list[float], step: list[float], submission: list[float]
) -> list[tuple[int, float, float]]:
    """Row, seconds without the evaluation itself, and seconds per step, for each valid interval."""
    counts = run.columns(PREEMPTIONS)
    gaps = []
    for row in range(1, len(total)):
        if counts and counts[0][row] != counts[0][row - 1]:
            continue
        gap = (total[row] - total[row - 1]) - (evaluation[row] - evaluation[row - 1])
        pace = (submission[row] - submission[row - 1]) / max(1.0, step[row] - step[row - 1])
        gaps.append((row, gap, pace))
    return gaps


def _too_often(gaps: list[tuple[int, float, float]], period: float) -> Iterator[Verdict]:
    last = max((row for row, _, _ in gaps), default=0)
    early = [gap for row, gap, _ in gaps if gap < period - ROUNDING_SEC and row != last]
    if early:
        yield fail(
            f"{counted(len(early), 'evaluation')} came less than {period:g} s after the one before, "
            f"the earliest after {min(early):.1f} s"
        )


def _too_seldom(
    run: Evidence, gaps: list[tuple[int, float, float]], period: float, submission: list[float]
) -> Iterator[Verdict]:
    late = [
        (row, gap) for row, gap, pace in gaps if gap - period > max(LATE_SEC, LATE_SHARE * period, LATE_STEPS * pace)
    ]
    if late:
        coarse, row = max((submission[row] - submission[row - 1], row) for row, _ in late)
        longest = max(gap for _, gap in late)
        yield warn(
            f"{len(late)} of {counted(len(gaps) + 1, 'evaluation')} came late, up to {longest:.0f} s after the "
            "one before "
            f"instead of {period:g} s: times are coarse by up to {coarse:.0f} s{_share(run, submission, row)}"
        )


def _share(run: Evidence, submission: list[float], row: int) -> str:
    """The resolution of the time to target, if the target was reached."""
    assert run.limits is not None
    values = run.columns(f"validation/{run.limits.metric}")
    reached = [place for place, value in enumerate(values[0] if values else []) if run.limits.reached(value)]
    if not reached or not reached[0]:
        return f" of {submission[row]:.0f} s"
    interval = submission[reached[0]] - submission[reached[0] - 1]
    return f", the time to target of {submission[reached[0]]:.0f} s by {interval:.0f} s"


CHECKS = (
    RunCheck("steps-increase", "every evaluation is at a later step than the one before", steps_increase),
    RunCheck("times-increase", "no clock goes back", times_increase),
    RunCheck("evaluation-period", "evaluations are as far apart as the version requires", on_schedule),
)
