"""What is known of runs that have begun and have not ended: whether a machine still works on them.

An attempt without an end may be going on, or was lost with its machine. Some engines know that: Slurm of its jobs, and
by their locks the local one of runs of this machine. Of all others it is only known how long ago they last wrote
something.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from algoperf.campaigns.engines import ENGINES, load_engine
from algoperf.campaigns.engines.base import EngineAway
from algoperf.campaigns.folder import LOG, Campaign
from algoperf.campaigns.manifest import PlannedRun
from algoperf.campaigns.states import RunState
from algoperf.campaigns.used_engine import last_site
from algoperf.errors import UserError
from algoperf.records.layout import EVAL_FILE, LOG_FILE, STATUS_FILE

Where = Literal["running", "lost", "silent"]
_WHERE: Mapping[bool | None, Where] = {True: "running", False: "lost", None: "silent"}


@dataclass(frozen=True)
class News:
    """What is known of a run that has begun and has not ended.

    Attributes:
      where: running: a machine works on it. lost: none does. silent: nobody knows.
      silent_sec: how long ago it last wrote something.
    """

    where: Where
    silent_sec: float


def news_of(campaign: Campaign, states: Iterable[RunState]) -> dict[str, News]:
    """What is known of those runs that have begun and have not ended, by their names."""
    begun = [state for state in states if state.attempts and "ended" not in state.last]
    said = _at_work(campaign, begun)
    return {state.run.id: News(_WHERE[said.get(state.run.id)], silent_sec(campaign, state.run)) for state in begun}


def silent_sec(campaign: Campaign, run: PlannedRun) -> float:
    """Seconds since a run last wrote something, its attempts included; 0 if it never has."""
    folder, job = campaign.records(run), campaign.job(run)
    files = [*(folder / name for name in (STATUS_FILE, EVAL_FILE, LOG_FILE)), job / LOG, *job.glob("attempt_*.json")]
    written = [file.stat().st_mtime for file in files if file.exists()]
    return max(0.0, time.time() - max(written)) if written else 0.0


def _at_work(campaign: Campaign, begun: Sequence[RunState]) -> dict[str, bool]:
    """Whether a machine works on these runs, as far as the engines that began them know."""
    found: dict[str, bool] = {}
    for name in {str(state.last["engine"]) for state in begun if state.last.get("engine") in ENGINES}:
        own = [state for state in begun if state.last["engine"] == name]
        with contextlib.suppress(UserError, EngineAway):  # it is not on this machine, or it is away: nothing is known
            found |= load_engine(name, campaign, last_site(campaign)).at_work(own)
    return found
