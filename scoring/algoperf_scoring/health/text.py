"""The result of all checks, as human-readable lines."""

from __future__ import annotations

from collections.abc import Iterator

from algoperf.text import counted
from algoperf_scoring.health.check import Level
from algoperf_scoring.health.report import TOTAL_LEVELS, CheckSummary, Health

SHOWN = 10
"""Warnings and failures shown per check; --all and --json show all."""

_WORDS: dict[Level, str] = {"fail": "FAIL", "warn": "warn", "pass": "pass", "not_checked": "-"}
_REASONS = 3


def render(health: Health, shown: int | None = SHOWN) -> str:
    """All checks with the number of runs by level, then what did not pass, failures first.

    Args:
      shown: number of outcomes per check; None for all.
    """
    lines = [*_table(health), *_outcomes(health, shown), "", _verdict(health)]
    return "\n".join(lines)


def _table(health: Health) -> Iterator[str]:
    width = max(len(check.id) for check in health.checks)
    yield f"{'':4}  {'check':{width}}  {'fail':>6} {'warn':>6} {'pass':>6} {'none':>6}  passes if"
    for check in health.checks:
        counts = " ".join(f"{check.counts[level] or '':>6}" for level in TOTAL_LEVELS)
        yield f"{_WORDS[check.level]:4}  {check.id:{width}}  {counts}  {check.description}"
    yield "Numbers are runs; none: the records do not say."


def _outcomes(health: Health, shown: int | None) -> Iterator[str]:
    for level in ("fail", "warn"):
        for check in health.checks:
            yield from _of_level(check, level, shown)
    silent = [check for check in health.checks if check.level == "not_checked"]
    if silent:
        yield ""
        yield "Not checked at all:"
        for check in silent:
            yield f"  {check.id}: {'; '.join(list(check.not_checked)[:_REASONS])}"


def _of_level(check: CheckSummary, level: str, shown: int | None) -> Iterator[str]:
    found = [outcome for outcome in check.outcomes if outcome.level == level]
    if not found:
        return
    yield ""
    yield f"{'FAILED' if level == 'fail' else 'Warning'}: {check.id}"
    for outcome in found[:shown]:
        yield f"  {outcome.path}: {outcome.evidence}"
    if shown is not None and len(found) > shown:
        yield f"  ... and {len(found) - shown} more; --all or --json for all"


def _verdict(health: Health) -> str:
    by_level = {level: [check.id for check in health.checks if check.level == level] for level in ("fail", "warn")}
    found = (
        f"{counted(health.num_runs, 'run')} of {counted(len(health.submissions), 'submission')} under {health.version}"
    )
    if health.num_left_out:
        found += f" ({health.num_left_out} of another scale or ruleset left out)"
    if health.level == "pass":
        return f"PASSED: {found}."
    failed = f"{counted(len(by_level['fail']), 'check')} failed" if by_level["fail"] else "no check failed"
    return (
        f"{'FAILED' if by_level['fail'] else 'PASSED with warnings'}: {found}; {failed}, {len(by_level['warn'])} warn."
    )
