"""Where the runs of a campaign stand."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from algoperf.campaigns.manifest import PlannedRun


class Phase(enum.Enum):
    """Where a run stands.

    It is stopped if somebody has to see to it, and then others like it are held. It has failed if the submission's own
    error ended it, which is a result; others of the submission on the workload that have not begun are not run. It is
    changed if it waits for the code that was planned; later and dropped are those of a ladder.
    """

    WAITING = "waiting"
    CHANGED = "changed"
    LIVE = "live"
    FINISHED = "finished"
    FAILED = "failed"
    NOT_RUN = "not_run"
    STOPPED = "stopped"
    HELD = "held"
    LATER = "later"
    DROPPED = "dropped"

    @property
    def in_words(self) -> str:
        """Its name in a message or table."""
        return self.value.replace("_", " ")

    @property
    def is_final(self) -> bool:
        """Whether nothing more comes of the run, unless somebody asks for it again."""
        return self in (Phase.FINISHED, Phase.FAILED, Phase.NOT_RUN, Phase.DROPPED)


def waited_sec(status: Mapping[str, Any]) -> float:
    """Seconds that a trial has waited for its devices so far, in all of its processes, as its status says."""
    sessions = (status.get("machine") or {}).get("sessions") or []
    return sum(float(session.get("waited_sec") or 0.0) for session in sessions)


@dataclass(frozen=True)
class RunState:
    """Where a run stands, and why."""

    run: PlannedRun
    phase: Phase
    attempts: list[dict[str, Any]]
    done: dict[str, Any] | None = None
    reason: str = ""

    @property
    def last(self) -> dict[str, Any]:
        """The latest attempt; empty if there is none."""
        return self.attempts[-1] if self.attempts else {}
