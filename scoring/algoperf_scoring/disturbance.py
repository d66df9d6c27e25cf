"""What disturbed a run on its machine, so that its times are longer than they should be, as its status.json says."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Literal

from algoperf.text import counted

Kind = Literal["shared", "others", "heat", "quota", "stopped"]
IN_WORDS: Mapping[Kind, str] = {
    "shared": "shared devices with other trials (--share)",
    "others": "ran beside other programs",
    "heat": "had cores slowed down for heat",
    "quota": "had a limit on processor time",
    "stopped": "stood still for some time",
}
_OTHER_CORES = (0.25, 0.05)  # others disturb if they use more cores than this, and more than this part of them
_LOST_PART = 0.05  # of the time: what a limit on processor time may take


def sessions(status: Any) -> list[Mapping[str, Any]]:
    """What each process that worked on the trial found on the machine; empty if nothing is recorded."""
    found = _within(_within(status, "machine"), "sessions")
    return [each for each in found if isinstance(each, Mapping)] if isinstance(found, list) else []


def disturbances(status: Any) -> dict[Kind, str]:
    """What disturbed the run with this status.json, with a sentence about each; empty also if nothing is recorded."""
    recorded = sessions(status)
    if not recorded:
        return {}
    found: dict[Kind, str] = {}
    if any(each.get("shared") is True for each in recorded):
        found["shared"] = "it shared its devices with other trials (--share)"
    cores = _number(_within(_within(status, "hardware"), "cpus_usable"))
    least, part = _OTHER_CORES
    other = max(_number(each.get("other_cores")) for each in recorded)
    if other > max(least, part * cores):
        found["others"] = f"others kept {other:.1f} of {cores:.0f} cores busy"
    heat = sum(_number(each.get("thermal_throttles")) for each in recorded)
    if heat:
        found["heat"] = f"cores were slowed down for heat {counted(heat, 'time')}"
    lost = sum(_number(each.get("quota_throttled_sec")) for each in recorded)
    if lost > _LOST_PART * _number(_within(_within(status, "seconds"), "total")) > 0:
        found["quota"] = f"a limit on processor time stopped threads for {lost:.1f} s in all"
    stopped = _number(_within(_within(status, "machine"), "stopped_sec"))
    if stopped > 0:
        found["stopped"] = f"for {stopped:.1f} s nothing could run: the trial was stopped, or the machine paused"
    return found


def in_words(disturbed: Sequence[Collection[Kind]], num_runs: int) -> str:
    """How many of so many runs were disturbed, and by what; `disturbed` has the kinds of each that was."""
    counts = Counter(kind for kinds in disturbed for kind in kinds)
    parts = [f"{counts[kind]} {words}" for kind, words in IN_WORDS.items() if counts[kind]]
    said = f"Times of {len(disturbed)} of {counted(num_runs, 'run')} were disturbed, and may be too long"
    return f"{said}: {', '.join(parts)}."


def _within(content: Any, name: str) -> Any:
    return content.get(name) if isinstance(content, Mapping) else None


def _number(value: Any) -> float:
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        return 0.0
    try:
        return float(value)
    except OverflowError:  # JSON may hold integers of any length
        return math.inf
