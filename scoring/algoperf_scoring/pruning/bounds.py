"""The exact rules: which runs cannot change the median over studies, and so no score.

The time of a study lies between its best time so far, or the time its open runs have already used if that is less, and
its best time so far. The median grows with every study's time. So it lies between the medians of all lower and of all
upper ends, and a run is of no use once nothing that it can still do moves the median within these. docs/pruning.md has
the proof, and the cases in which a rule would not be exact.

| rule    | a run need not go on, because                                                                       |
|---------|-----------------------------------------------------------------------------------------------------|
| reached | it has reached the validation target: nothing after that counts                                     |
| beaten  | it has used as much time as the fastest trial of its study needed                                   |
| settled | the median is known                                                                                 |
| below   | its study is not above the median, whatever the others do: how far below does not matter            |
| above   | it has used as much time as the median is at most: its study would not be below the median          |
| cut     | it has used more than the largest ratio times the fastest known median of all submissions           |
| void    | it is on a held-out variant, and the submission has failed on the workload itself                   |
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from algoperf_scoring.pruning.state import NOTHING_KNOWN, Known, Run, Verdict


@dataclass(frozen=True, slots=True)
class Bounds:
    """What is known about the median over the studies of a cell.

    Attributes:
      best: by study, the fastest time to target so far; infinity if there is none.
      floor: a study's time up to this acts like 0. It is the least that the lower middle value can be.
      ceiling: a study's time from this on acts like infinity. It is the most that the upper middle value can be.
      lower, upper: the least and the most that the median can be.
      cap_factor: by how much a study's time may exceed a limit on the median before it cannot matter.
    """

    best: dict[int, float]
    floor: float
    ceiling: float
    lower: float
    upper: float
    cap_factor: float

    @property
    def is_settled(self) -> bool:
        """Whether the median is known."""
        return self.lower == self.upper

    @property
    def has_failed(self) -> bool:
        """Whether the median is certainly infinite."""
        return math.isinf(self.lower)


def bounds(runs: Iterable[Run]) -> Bounds:
    """The bounds of a cell whose runs, planned ones included, are `runs`. There must be one."""
    best: dict[int, float] = {}
    least: dict[int, float] = {}
    for run in runs:
        hit = math.inf if run.hit is None else run.hit
        best[run.study] = min(best.get(run.study, math.inf), hit)
        least[run.study] = min(least.get(run.study, math.inf), run.seconds if run.is_open else hit)
    lows, highs = sorted(map(min, least.values(), best.values())), sorted(best.values())
    lower_rank, upper_rank = (len(highs) - 1) // 2, len(highs) // 2
    return Bounds(
        best=best,
        floor=lows[lower_rank],
        ceiling=highs[upper_rank],
        lower=_middle(lows),
        upper=_middle(highs),
        # The mean of two middle values is at most a limit only if the larger is at most twice the limit.
        cap_factor=1.0 if lower_rank == upper_rank else 2.0,
    )


def _middle(ordered: Sequence[float]) -> float:
    """The median of ordered values, as `results.medians` has it."""
    lower, upper = ordered[(len(ordered) - 1) // 2], ordered[len(ordered) // 2]
    return lower if lower == upper else (lower + upper) / 2


def deadline(run: Run, found: Bounds, known: Known = NOTHING_KNOWN) -> float:
    """Submission time by which a run must reach the target for that to change anything."""
    return min(found.best[run.study], found.ceiling, known.cut_sec * found.cap_factor)


def verdict(run: Run, found: Bounds, known: Known = NOTHING_KNOWN) -> Verdict | None:
    """Why a run that has not ended need not go on; None if it may change a score."""
    if run.hit is not None:
        return Verdict("reached", f"It reached the validation target at {run.hit:.6g} s; nothing after that counts.")
    if known.is_void:
        return Verdict("void", "The submission failed on the workload itself, so its held-out variant does not count.")
    if found.is_settled:
        words = "infinite" if math.isinf(found.upper) else f"{found.upper:.6g} s"
        return Verdict("settled", f"The median over studies is {words}, whatever this run does.")
    best = found.best[run.study]
    if best <= found.floor:
        return Verdict("below", f"Its study has {best:.6g} s, and is not above the median whatever the others do.")
    if run.seconds >= best:
        return Verdict("beaten", f"It has used {run.seconds:.6g} s; another trial of its study needed {best:.6g} s.")
    if run.seconds >= found.ceiling:
        return Verdict(
            "above", f"It has used {run.seconds:.6g} s; the median over studies is at most {found.ceiling:.6g} s."
        )
    cut_sec = known.cut_sec * found.cap_factor
    if run.seconds > cut_sec:
        return Verdict("cut", f"It has used {run.seconds:.6g} s; more than {cut_sec:.6g} s gives no credit.")
    return None
