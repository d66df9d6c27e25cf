"""What is known of runs that have begun and have not ended: whether a machine still works on them.

An attempt without an end may be going on, or was lost with its machine. Slurm knows that of its jobs, and a lock tells
it of runs of this machine. Of all others it is only known how long ago they last wrote something.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from algoperf.campaigns.engines.base import EngineAway
from algoperf.campaigns.engines.slurm import Slurm
from algoperf.campaigns.folder import LOG, Campaign
from algoperf.campaigns.manifest import PlannedRun
from algoperf.campaigns.states import RunState
from algoperf.campaigns.used_engine import last_site
from algoperf.errors import UserError
from algoperf.records.layout import EVAL_FILE, LOG_FILE, STATUS_FILE

_AT_WORK = {"RUNNING", "COMPLETING", "CONFIGURING", "RESIZING", "SIGNALING", "STAGE_OUT", "STOPPED", "SUSPENDED"}


@dataclass(frozen=True)
class News:
    """What is known of a run that has begun and has not ended.

    Attributes:
      where: running: a machine works on it. lost: none does. silent: nobody knows.
      silent_sec: how long ago it last wrote something.
    """

    where: Literal["running", "lost", "silent"]
    silent_sec: float


def news_of(campaign: Campaign, states: Iterable[RunState]) -> dict[str, News]:
    """What is known of those runs that have begun and have not ended, by their names."""
    begun = [state for state in states if state.attempts and "ended" not in state.last]
    jobs = [str(state.last["job"]) for state in begun if state.last.get("engine") == "slurm" and state.last.get("job")]
    said = _states_of_jobs(campaign, jobs) if jobs else {}
    return {state.run.id: News(_where(campaign, state, said), silent_sec(campaign, state.run)) for state in begun}


def silent_sec(campaign: Campaign, run: PlannedRun) -> float:
    """Seconds since a run last wrote something, its attempts included; 0 if it never has."""
    folder, job = campaign.records(run), campaign.job(run)
    files = [*(folder / name for name in (STATUS_FILE, EVAL_FILE, LOG_FILE)), job / LOG, *job.glob("attempt_*.json")]
    written = [file.stat().st_mtime for file in files if file.exists()]
    return max(0.0, time.time() - max(written)) if written else 0.0


def _states_of_jobs(campaign: Campaign, jobs: Sequence[str]) -> Mapping[str, str]:
    try:
        return Slurm(campaign, last_site(campaign)).states_of(jobs)
    except (UserError, EngineAway):  # this machine has no Slurm, or it is away: then nothing is known
        return {}


def _where(campaign: Campaign, state: RunState, said: Mapping[str, str]) -> Literal["running", "lost", "silent"]:
    last = state.last
    if last.get("engine") == "local" and last.get("host") == os.uname().nodename:
        return "running" if campaign.is_worked_on(state.run) else "lost"
    job = said.get(str(last.get("job")))
    if job is None:
        return "silent"
    return "running" if job in _AT_WORK else "lost"
