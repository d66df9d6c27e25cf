"""What was planned: the runs of the campaign that a folder of runs belongs to, and which of them have not ended.

Those who call the scoring hand it in as plain data, because it reads files of runs only.
"""

from __future__ import annotations

import dataclasses
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

from algoperf.text import counted, duration

Phase = Literal[
    "ended", "failed", "not_run", "dropped", "running", "lost", "silent", "waiting", "stopped", "held", "later"
]
PHASES: tuple[Phase, ...] = get_args(Phase)
"""Where a planned run stands: ended by the rules; failed by an error of the submission, which is a result; not run, as
another run of the submission on the workload has failed so; left out by the campaign's ladder. The others are open:
running; lost with its machine, to go on; one of both, nobody knows, and it has written nothing for a while; not begun;
stopped by another error; held by such a run; or later on the ladder."""
FAILURES: tuple[Phase, ...] = ("failed", "not_run")

_OPEN = ("running", "lost", "silent", "waiting", "stopped", "held", "later")
_WORDS: Mapping[Phase, str] = {
    "failed": "failed by an error of the submission",
    "not_run": "not run: same error",
    "dropped": "left out by the ladder",
    "lost": "lost with the machine",
    "stopped": "stopped by an error",
    "later": "later on the ladder",
}


@dataclass(frozen=True)
class RunProgress:
    """A run that was planned: which one it is, and where it stands; of a silent one, for how many seconds."""

    submission: str
    workload: str
    framework: str
    study: int
    trial: int
    phase: Phase
    silent_sec: float = 0.0

    @property
    def is_open(self) -> bool:
        """Whether its result is still to come."""
        return self.phase in _OPEN


@dataclass(frozen=True)
class Plan:
    """All planned runs.

    Attributes:
      runs: in the order of the plan.
      is_cancelled: whether somebody has asked for an end.
      unreadable: why it is not known which runs were planned; "" if it is.
    """

    runs: tuple[RunProgress, ...]
    is_cancelled: bool = False
    unreadable: str = ""

    @property
    def is_final(self) -> bool:
        """Whether no result is still to come."""
        return not self.unreadable and not any(run.is_open for run in self.runs)

    def renamed(self, names: Mapping[tuple[str, str], str]) -> Plan:
        """The plan with names of entries, by submission and framework."""
        runs = (
            dataclasses.replace(run, submission=names.get((run.submission, run.framework), run.submission))
            for run in self.runs
        )
        return dataclasses.replace(self, runs=tuple(runs))

    def studies(self) -> dict[tuple[str, str], set[int]]:
        """Numbers of the planned studies, by submission and workload."""
        found: dict[tuple[str, str], set[int]] = defaultdict(set)
        for run in self.runs:
            found[run.submission, run.workload].add(run.study)
        return found

    def find(self, submission: str, workload: str, study: int, trial: int) -> RunProgress | None:
        """A run by its place; None if it was not planned."""
        place = (submission, workload, study, trial)
        return next((run for run in self.runs if (run.submission, run.workload, run.study, run.trial) == place), None)

    def num_open(self, submission: str, workload: str) -> int:
        """Number of runs without a result so far."""
        return sum(run.is_open and (run.submission, run.workload) == (submission, workload) for run in self.runs)

    def in_words(self) -> str:
        """What has to be known before any number is read; "" if no run is open or has failed."""
        if self.unreadable:
            return f"Whether the campaign of these runs is finished is not known: {self.unreadable}"
        phases = Counter(run.phase for run in self.runs)
        planned = counted(len(self.runs), "planned run")
        others = phases_in_words(run for run in self.runs if run.phase != "ended")
        counts = f"{phases['ended']} of {planned} ended by the rules"
        if self.is_final:
            has_failed = any(phases[phase] for phase in FAILURES)
            return f"Campaign ended with errors of submissions: {counts} ({others})." if has_failed else ""
        cancelled = "; cancelled" if self.is_cancelled else ""
        return f"UNFINISHED CAMPAIGN: {counts} ({others}{cancelled}). This ranking is not final."

    def to_json(self) -> dict[str, Any]:
        """The plan as JSON values: numbers of runs by phase, and the open ones."""
        return {
            "runs": len(self.runs),
            "phases": {phase: sum(run.phase == phase for run in self.runs) for phase in PHASES},
            "cancelled": self.is_cancelled,
            "unreadable": self.unreadable or None,
            "final": self.is_final,
            "open": [dataclasses.asdict(run) for run in self.runs if run.is_open],
        }


def phases_in_words(runs: Iterable[RunProgress]) -> str:
    """Numbers of runs by phase, such as "3 waiting, 1 held"."""
    by_phase: dict[Phase, list[RunProgress]] = defaultdict(list)
    for run in runs:
        by_phase[run.phase].append(run)
    return ", ".join(
        f"{len(by_phase[phase])} {phase_in_words(phase, by_phase[phase])}" for phase in PHASES if by_phase[phase]
    )


def phase_in_words(phase: Phase, runs: Sequence[RunProgress]) -> str:
    """Where runs of one phase stand."""
    if phase != "silent":
        return _WORDS.get(phase, phase)
    least = duration(min(run.silent_sec for run in runs))
    return f"running or lost: no news for {least}{' or more' if len(runs) > 1 else ''}"
