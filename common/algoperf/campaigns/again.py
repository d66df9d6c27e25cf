"""Runs that were stopped and are to be begun again: all of them, or those that somebody names."""

from __future__ import annotations

from collections.abc import Sequence

from algoperf.campaigns.folder import Campaign
from algoperf.campaigns.manifest import Manifest, PlannedRun
from algoperf.campaigns.states import Phase, RunState
from algoperf.errors import UserError, did_you_mean
from algoperf.records.json_file import write_json
from algoperf.text import counted


def ask_again(campaign: Campaign, names: Sequence[str] = ()) -> str:
    """Let runs that were stopped be begun again; returns how many, and which names ask for none. Nothing may work on
    them.

    A name is that of a run, a submission or a workload; without names, all stopped runs are asked for. Raises UserError
    for a name that the campaign does not have, before anything is changed.
    """
    for name in names:
        _require_known(name, campaign.manifest)
    states = campaign.states({})
    asked = [state for state in states if _was_stopped(state) and (not names or _is_named(state.run, names))]
    for state in asked:
        number = state.last["number"]
        write_json(campaign.job(state.run) / f"attempt_{number}.json", {**state.last, "asked_again": True})
    in_vain = [name for name in names if not any(_is_named(state.run, [name]) for state in asked)]
    return "\n".join(
        [f"To be begun again: {counted(len(asked), 'run')}.", *(_why_none(name, states) for name in in_vain)]
    )


def _was_stopped(state: RunState) -> bool:
    return state.phase in (Phase.STOPPED, Phase.FAILED)


def _is_named(run: PlannedRun, names: Sequence[str]) -> bool:
    return not {run.id, run.submission, run.place}.isdisjoint(names)


def _require_known(name: str, manifest: Manifest) -> None:
    """Raise UserError, with the nearest name, if a name is that of no run, submission or workload."""
    if any(_is_named(run, [name]) for run in manifest.runs):
        return
    kinds = {"submissions": manifest.submissions, "workloads": manifest.workloads}
    allowed = "; ".join(f"{kind} {', '.join(sorted(names))}" for kind, names in kinds.items())
    near = did_you_mean(name, [*manifest.submissions, *manifest.workloads, *manifest.by_id])
    raise UserError(
        f"--again {name!r}: the campaign has no such run, submission or workload.{near} Allowed: {allowed}; or a run "
        "as `algoperf campaign status` names it. Without a name, all stopped runs are begun again."
    )


def _why_none(name: str, states: Sequence[RunState]) -> str:
    """Why a name asks for no run: none of its runs was stopped, but another one may hold them back."""
    held = [state for state in states if state.phase in (Phase.HELD, Phase.NOT_RUN)]
    reasons = {state.reason: None for state in held if _is_named(state.run, [name])}
    why = f" ({'; '.join(reasons)})" if reasons else ""
    return f"  {name}: none of its runs was stopped{why}."
