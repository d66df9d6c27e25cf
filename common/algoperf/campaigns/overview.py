"""Where a campaign stands, as plain data: for tables and for other programs."""

from __future__ import annotations

import contextlib
import dataclasses
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from algoperf.campaigns.changes import Changes, changed_in_words
from algoperf.campaigns.folder import LOG, Campaign
from algoperf.campaigns.ladder import standings
from algoperf.campaigns.news import silent_sec
from algoperf.campaigns.states import Phase, RunState, waited_sec
from algoperf.records.csv_file import CsvFile
from algoperf.records.layout import EVAL_FILE
from algoperf.records.status import read_status

QUEUED = "queued"
"""Live runs that an engine has in its queue: no machine works on them."""
PHASES = ("waiting", QUEUED, *(phase.value for phase in Phase if phase is not Phase.WAITING))
RARE = (QUEUED, Phase.CHANGED.value, Phase.FAILED.value, Phase.NOT_RUN.value, Phase.LATER.value, Phase.DROPPED.value)
"""Phases that a table leaves out if no run is in them."""
_PENDING = "pending"  # as Slurm and SkyPilot call it
_FOR_DEVICES = "waiting for devices"
_TAIL_BYTES = 4096


def overview(campaign: Campaign, live: Mapping[str, str], known: bool = True) -> dict[str, Any]:
    """Counts, hours, and what there is to say about single runs; `known` is False if the engine did not answer.

    Hours are those that machines were used, without those in which they waited for devices; a live attempt counts up to
    now.
    """
    states = [_seen(campaign, state) for state in Changes(campaign).hold(campaign.states(live))]
    groups: dict[tuple[str, str], dict[str, Any]] = {}
    for state in states:
        run = state.run
        row = groups.setdefault(
            (run.submission, run.place),
            {"submission": run.submission, "workload": run.place, **dict.fromkeys(PHASES, 0), "hours": 0.0,
             "hours_left": 0.0},
        )  # fmt: skip
        row[_phase(state)] += 1
        row["hours"] += _hours(campaign, state)
        row["hours_left"] += _hours_left(campaign, state)
    return {
        "campaign": campaign.manifest.campaign,
        "folder": str(campaign.path),
        "cancelled": campaign.is_cancelled,
        "ended": all(state.phase.is_final for state in states),
        "engine_answers": known,
        "silent_runs": [] if known else [_silent(campaign, state) for state in states if _has_begun(state)],
        "runs": len(states),
        **{phase: sum(_phase(state) == phase for state in states) for phase in PHASES},
        "hours": sum(row["hours"] for row in groups.values()),
        "hours_left": sum(row["hours_left"] for row in groups.values()),
        "ladder": _ladder(campaign, states),
        "groups": list(groups.values()),
        "live_runs": [_live(campaign, state) for state in states if _phase(state) == Phase.LIVE.value],
        "queued_because": Counter(state.reason for state in states if _phase(state) == QUEUED),
        "changed_submissions": list(changed_in_words(states).values()),
        **{
            f"{phase.value}_runs": [_ended(state) for state in states if state.phase is phase]
            for phase in (Phase.STOPPED, Phase.FAILED)
        },
        "not_run_because": Counter(state.reason for state in states if state.phase is Phase.NOT_RUN),
    }


def _seen(campaign: Campaign, state: RunState) -> RunState:
    """A live run whose trial waits in the line for the machine's devices says so, instead of the engine's word."""
    if _phase(state) != Phase.LIVE.value:
        return state
    with contextlib.suppress(OSError), (campaign.job(state.run) / LOG).open("rb") as log:
        log.seek(max(0, os.fstat(log.fileno()).st_size - _TAIL_BYTES))
        lines = log.read().splitlines()
        if lines and lines[-1].startswith(b"waiting for "):
            return dataclasses.replace(state, reason=_FOR_DEVICES)
    return state


def _phase(state: RunState) -> str:
    """Where a run stands, as it is counted."""
    return QUEUED if state.phase is Phase.LIVE and state.reason.startswith(_PENDING) else state.phase.value


def _ladder(campaign: Campaign, states: Sequence[RunState]) -> list[dict[str, Any]]:
    """The steps of the ladder, each with its numbers and how submissions stand there; empty without a ladder."""
    ladder = campaign.manifest.ladder
    if not ladder:
        return []
    found = standings(ladder, states)
    return [
        {**step, "submissions": {name: each[place].as_dict() for name, each in found.items()}}
        for place, step in enumerate(ladder["steps"])
    ]


def _hours(campaign: Campaign, state: RunState) -> float:
    """Hours of all attempts without those in which they waited for devices; of one without an end, only if it is
    live.
    """
    seconds = 0.0
    for attempt in state.attempts:
        if "ended" in attempt:
            seconds += _between(attempt["began"], attempt["ended"]) - float(attempt.get("waited_sec") or 0.0)
    last = state.last
    if _phase(state) == Phase.LIVE.value and state.reason != _FOR_DEVICES and "began" in last and "ended" not in last:
        seconds += (datetime.now(UTC) - datetime.fromisoformat(last["began"])).total_seconds()
        known = sum(float(attempt.get("waited_sec") or 0.0) for attempt in state.attempts)
        seconds -= max(0.0, waited_sec(read_status(campaign.records(state.run)) or {}) - known)
    return max(0.0, seconds) / 3600


def _between(began: str, ended: str) -> float:
    return (datetime.fromisoformat(ended) - datetime.fromisoformat(began)).total_seconds()


def _hours_left(campaign: Campaign, state: RunState) -> float:
    """What the estimate leaves for a run of which more is to come."""
    if state.phase.is_final:
        return 0.0
    seconds = campaign.manifest.workload_of(state.run)["seconds"][state.run.framework]["probably"]
    return max(0.0, float(seconds) / 3600 - _hours(campaign, state))


def _live(campaign: Campaign, state: RunState) -> dict[str, Any]:
    """What a run that is carried out has reached, as its last evaluation has it."""
    folder = campaign.records(state.run)
    rows = CsvFile.read(folder / EVAL_FILE)
    last = rows[-1] if rows else {}
    status = read_status(folder) or {}
    targets: Mapping[str, Any] = status.get("targets") or {}
    metric = f"validation/{targets['metric']}" if "metric" in targets else ""
    return {
        "run": state.run.id,
        "engine_says": state.reason,
        "attempt": len(state.attempts),
        "host": state.last.get("host", ""),
        "step": int(last["global_step"]) if last else 0,
        "submission_sec": float(last["accumulated_submission_time"]) if last else 0.0,
        "budget_sec": status.get("budget_sec"),
        "metric": metric,
        "value": float(last[metric]) if last.get(metric) else None,
        "target": targets.get("validation"),
    }


def _has_begun(state: RunState) -> bool:
    """Whether an attempt at a run has no end: a machine works on it, or was lost."""
    return bool(state.attempts) and "ended" not in state.last


def _silent(campaign: Campaign, state: RunState) -> dict[str, Any]:
    run = state.run
    return {"run": run.id, "host": state.last.get("host", ""), "silent_sec": silent_sec(campaign, run)}


def _ended(state: RunState) -> dict[str, Any]:
    return {"run": state.run.id, "exit_code": state.last.get("exit_code"), "attempts": len(state.attempts),
            "cause": state.reason}  # fmt: skip


def counted(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """One row for several groups."""
    return {key: sum(row[key] for row in rows) for key in (*PHASES, "hours", "hours_left")}
