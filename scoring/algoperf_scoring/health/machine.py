"""Whether a run had its machine to itself, and ran all the time. Its times are longer than they should be otherwise."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from algoperf_scoring.health.check import RunCheck, Verdict, not_checked, warn
from algoperf_scoring.health.evidence import Evidence, lookup

_NOT_RECORDED = "the records do not say what happened on the machine"
_OTHER_CORES = (0.25, 0.05)  # others disturb if they use more cores than this, and more than this part of them
_LOST_PART = 0.05  # of the time: what a limit on processor time may take


def _sessions(run: Evidence) -> list[Mapping[str, Any]]:
    found = lookup(run.status, "machine", "sessions")
    return [each for each in found if isinstance(each, Mapping)] if isinstance(found, list) else []


def _number(value: Any) -> float:
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else 0.0


def undisturbed(run: Evidence) -> Iterator[Verdict]:
    """Check for trials and programs beside the run, and for cores that were slowed down."""
    sessions = _sessions(run)
    if not sessions:
        yield not_checked(_NOT_RECORDED)
        return
    if any(each.get("shared") is True for each in sessions):
        yield warn("it shared its devices with other trials (--share)")
    cores = _number(lookup(run.status, "hardware", "cpus_usable"))
    least, part = _OTHER_CORES
    other = max(_number(each.get("other_cores")) for each in sessions)
    if other > max(least, part * cores):
        yield warn(f"others kept {other:.1f} of {cores:.0f} cores busy")
    heat = sum(_number(each.get("thermal_throttles")) for each in sessions)
    if heat:
        yield warn(f"cores were slowed down for heat {heat:.0f} times")
    lost, total = (sum(_number(each.get("quota_throttled_sec")) for each in sessions), _total_sec(run))
    if lost > _LOST_PART * total > 0:
        yield warn(f"a limit on processor time stopped threads for {lost:.1f} s in all")


def _total_sec(run: Evidence) -> float:
    return _number(lookup(run.status, "seconds", "total"))


def never_stopped(run: Evidence) -> Iterator[Verdict]:
    """Check for seconds in which nothing could run: a stopped process, or a machine that paused."""
    if not _sessions(run):
        yield not_checked(_NOT_RECORDED)
        return
    stopped = _number(lookup(run.status, "machine", "stopped_sec"))
    if stopped > 0:
        yield warn(f"for {stopped:.1f} s nothing could run: the trial was stopped, or the machine paused")


CHECKS = (
    RunCheck("machine", "the run had its devices to itself", undisturbed),
    RunCheck("not-stopped", "there were no seconds in which nothing could run", never_stopped),
)
