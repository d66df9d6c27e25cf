"""Compares times and steps of two submissions that were trained in turn on one machine, study by study."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from algoperf.records.layout import trial_dir
from algoperf.records.status import read_status
from algoperf.records.verification import REFUTED, verification
from algoperf.text import counted

CONFIDENCE = 0.95
FEWEST_PAIRS = 6  # of fewer pairs, even the whole range has less than that confidence


@dataclass(frozen=True)
class Side:
    """One of the two submissions: its name and its framework."""

    name: str
    framework: str


@dataclass(frozen=True, order=True)
class Reached:
    """When a submission reached the validation target, in seconds on the clock and in steps."""

    seconds: float
    steps: int

    def __str__(self) -> str:
        return f"{self.seconds:.2f} ({self.steps})"


NEVER = Reached(math.inf, 0)
"""Of a study whose trials have ended without the target, or with one that was refuted."""


@dataclass(frozen=True)
class Pair:
    """What both submissions needed in one study; NEVER: target not reached; None: no finished trial."""

    study: int
    first: Reached | None
    second: Reached | None

    @property
    def ratio(self) -> float | None:
        """The first one's time in units of the second one's, if both have reached the target."""
        both = self._both()
        return None if both is None else both[0].seconds / both[1].seconds

    @property
    def steps_ratio(self) -> float | None:
        """The first one's steps in units of the second one's, if both have reached the target."""
        both = self._both()
        return None if both is None else both[0].steps / both[1].steps

    def _both(self) -> tuple[Reached, Reached] | None:
        if self.first is None or self.second is None or NEVER in (self.first, self.second):
            return None
        return self.first, self.second


def read_pairs(root: Path, sides: tuple[Side, Side], workload: str, studies: int, trials: int) -> list[Pair]:
    """What a folder of runs says. Of a study counts its fastest trial."""
    return [
        Pair(study, *(_study(root, side, workload, study, trials) for side in sides)) for study in range(1, studies + 1)
    ]


def hosts(root: Path, sides: tuple[Side, Side], workload: str, studies: int, trials: int) -> set[str]:
    """The processors of the runs compared."""
    found = (status.get("hardware") for status in statuses(root, sides, workload, studies, trials))
    return {f"{each.get('cpu_count')}x {each.get('cpu_model_name')}" for each in found if isinstance(each, Mapping)}


def statuses(
    root: Path, sides: tuple[Side, Side], workload: str, studies: int, trials: int
) -> Iterator[dict[str, Any]]:
    """What status.json says of each of the runs compared."""
    for side in sides:
        for study in range(1, studies + 1):
            for trial in range(1, trials + 1):
                status = read_status(trial_dir(root, side.name, study, workload, side.framework, trial))
                if status is not None:
                    yield status


def _study(root: Path, side: Side, workload: str, study: int, trials: int) -> Reached | None:
    folders = [trial_dir(root, side.name, study, workload, side.framework, trial) for trial in range(1, trials + 1)]
    found = [_trial(folder) for folder in folders]
    return None if None in found else min(trial for trial in found if trial is not None)


def _trial(folder: Path) -> Reached | None:
    status = read_status(folder)
    if status is None or not status.get("finished"):
        return None
    reached = status.get("target_reached_at")
    if not isinstance(reached, Mapping) or verification(folder, reached) in REFUTED:
        return NEVER
    return Reached(float(reached["submission_sec"]), int(reached["global_step"]))


def median_interval(values: Sequence[float]) -> tuple[float, float] | None:
    """An interval that holds the median with `CONFIDENCE`, whatever the distribution; None if values are too few.

    It ends at two of the values: the k-th from below and from above, for the largest k that a binomial distribution
    allows.
    """
    ordered, count = sorted(values), len(values)
    found, outside = None, 0.0
    for k in range(1, count // 2 + 1):
        outside += 2 * math.comb(count, k - 1) * 0.5**count
        if outside > 1 - CONFIDENCE:
            break
        found = (ordered[k - 1], ordered[count - k])
    return found


def describe(workload: str, pairs: Sequence[Pair], first: str, second: str) -> list[str]:
    """Times and steps of both submissions on a workload, and what they tell, in plain words."""
    lines = [f"{workload}: seconds (steps) to target, {first} and {second}"]
    lines += [
        f"  study {pair.study}: {_in_words(pair.first)} and {_in_words(pair.second)}"
        + ("" if pair.ratio is None else f", ratio {pair.ratio:.3f}")
        for pair in pairs
    ]
    ratios = [pair.ratio for pair in pairs if pair.ratio is not None]
    lines.append(f"  {_verdict(ratios, first, second)}")
    if steps := [pair.steps_ratio for pair in pairs if pair.steps_ratio is not None]:
        median = f" (median of {counted(len(steps), 'pair')})" if len(steps) > 1 else ""
        lines.append(f"  {first} took {statistics.median(steps):.3f} of the steps of {second}{median}.")
    for name, sides in ((first, [pair.first for pair in pairs]), (second, [pair.second for pair in pairs])):
        missed = sides.count(NEVER)
        if missed:
            lines.append(f"  {name} did not reach the target in {missed} of {counted(len(pairs), 'study', 'studies')}.")
    return lines


def _in_words(side: Reached | None) -> str:
    return "unfinished" if side is None else "not reached" if side == NEVER else str(side)


def _verdict(ratios: Sequence[float], first: str, second: str) -> str:
    if not ratios:
        return "There is no study in which both reached the target, so there is no ratio of times."
    ratio = f"{first} took {statistics.median(ratios):.3f} of the time of {second}"
    interval = median_interval(ratios)
    if interval is not None:
        low, high = interval
        tells = "faster" if high < 1 else "slower" if low > 1 else None
        found = f"{first} is {tells}" if tells else "No difference can be told"
        return f"{found}: {ratio} (median of {counted(len(ratios), 'pair')}, 95 % interval {low:.3f} to {high:.3f})."
    if len(ratios) == 1:
        return f"{ratio} in one pair, which tells nothing about chance. Train {FEWEST_PAIRS} studies or more."
    faster = sum(value < 1 for value in ratios)
    text = f"{ratio} (median of {counted(len(ratios), 'pair')}, from {min(ratios):.3f} to {max(ratios):.3f})"
    if 0 < faster < len(ratios):
        return f"{text}, and was faster in {faster} of them: no difference can be told."
    return (
        f"{text}, and was {'faster' if faster else 'slower'} in all of them. Two equal ones would look like that in "
        f"1 of {2 ** (len(ratios) - 1)} comparisons: {FEWEST_PAIRS} pairs or more can tell."
    )
