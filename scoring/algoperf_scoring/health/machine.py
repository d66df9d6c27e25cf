"""Whether a run had its machine to itself, and ran all the time. Its times are longer than they should be otherwise."""

from __future__ import annotations

from collections.abc import Iterator

from algoperf_scoring.disturbance import disturbances, sessions
from algoperf_scoring.health.check import RunCheck, Verdict, not_checked, warn
from algoperf_scoring.health.evidence import Evidence

_NOT_RECORDED = "the records do not say what happened on the machine"


def undisturbed(run: Evidence) -> Iterator[Verdict]:
    """Check for trials and programs beside the run, and for cores that were slowed down."""
    yield from _found(run, stopped=False)


def never_stopped(run: Evidence) -> Iterator[Verdict]:
    """Check for seconds in which nothing could run: a stopped process, or a machine that paused."""
    yield from _found(run, stopped=True)


def _found(run: Evidence, stopped: bool) -> Iterator[Verdict]:
    if not sessions(run.status):
        yield not_checked(_NOT_RECORDED)
    for kind, text in disturbances(run.status).items():
        if (kind == "stopped") == stopped:
            yield warn(text)


CHECKS = (
    RunCheck("machine", "the run had its devices to itself", undisturbed),
    RunCheck("not-stopped", "there were no seconds in which nothing could run", never_stopped),
)
