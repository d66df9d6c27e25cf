"""What pruning knows of the runs of one submission on one workload while they are made."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Stage = Literal["planned", "running", "ended"]
Rule = Literal["reached", "beaten", "settled", "below", "above", "cut", "void", "futile"]
"""Why a run was pruned; `bounds.py` and `futility.py` say what each means."""

KEEP_MEDIAN: tuple[Rule, ...] = ("reached", "beaten", "settled", "below", "above")
"""The rules that leave the median over studies as it is. After another, an infinite median may not be the true one."""


@dataclass(slots=True)
class Run:
    """One trial as far as it is known.

    Attributes:
      study, trial: which one it is.
      stage: "ended" also if it was pruned.
      seconds: submission time at its latest evaluation, 0 before the first.
      gap: the smallest distance to the validation target so far, in units of the metric; 0 if it was reached.
      hit: submission time at the first evaluation that reached the validation target; None if none has.
    """

    study: int
    trial: int
    stage: Stage = "planned"
    seconds: float = 0.0
    gap: float = math.inf
    hit: float | None = None

    @property
    def is_open(self) -> bool:
        """Whether it may still reach the target for the first time."""
        return self.hit is None and self.stage != "ended"


@dataclass(frozen=True)
class Cell:
    """All runs of a submission on a workload or held-out variant, those not begun included."""

    submission: str
    workload: str
    runs: Sequence[Run]


@dataclass(frozen=True)
class Verdict:
    """A run need not go on, or not begin.

    Attributes:
      rule: which rule says so.
      reason: why, in a sentence.
      deadline_sec: submission time by which the run would have had to reach the target, as far as a rule asked.
    """

    rule: Rule
    reason: str
    deadline_sec: float = math.inf


@dataclass(frozen=True)
class Known:
    """What other cells of a competition tell about one.

    Attributes:
      cut_sec: a median above this many seconds gives no credit, whatever is still found; infinity if not known.
      is_void: whether the cell is a held-out variant whose workload the submission certainly failed.
    """

    cut_sec: float = math.inf
    is_void: bool = False


NOTHING_KNOWN = Known()
