"""What the campaigns planned that folders of runs belong to, for the scoring."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from algoperf.campaigns.folder import Campaign
    from algoperf.campaigns.news import News
    from algoperf.campaigns.states import RunState
    from algoperf_scoring.plan import Phase, Plan, RunProgress
    from algoperf_scoring.sources import Source

_OTHERS: dict[str, Phase] = {
    "waiting": "waiting", "live": "running", "failed": "failed", "not_run": "not_run", "held": "held",
    "later": "later", "dropped": "dropped",
}  # fmt: skip


def plan_of(sources: Sequence[Source]) -> Plan | None:
    """What was planned to be in these folders; None if none of them has the runs of a campaign."""
    from algoperf_scoring.plan import Plan

    plans = [plan for source in sources if (plan := _plan(source)) is not None]
    if not plans:
        return None
    return Plan(
        tuple(run for plan in plans for run in plan.runs),
        any(plan.is_cancelled for plan in plans),
        " ".join(plan.unreadable for plan in plans if plan.unreadable),
    )


def _plan(source: Source) -> Plan | None:
    from algoperf.campaigns.folder import MANIFEST, Campaign
    from algoperf.campaigns.news import news_of
    from algoperf.errors import UserError
    from algoperf.records.json_file import read_object
    from algoperf_scoring.plan import Plan

    folder = source.root.resolve()
    file = folder.parent / MANIFEST
    if not file.is_file():
        return None
    content = read_object(file)
    if content is not None and "campaign" not in content:
        return None  # the manifest of something else
    try:
        campaign = Campaign(folder.parent)
    except UserError as error:
        return Plan((), unreadable=str(error))
    states = [
        state
        for state in campaign.states({})
        if campaign.runs_dir(state.run).resolve() == folder and source.takes(state.run.submission)
    ]
    news = news_of(campaign, states)
    runs = [_planned(campaign, state, news.get(state.run.id)) for state in states]
    return Plan(tuple(runs), campaign.is_cancelled) if runs else None


def _planned(campaign: Campaign, state: RunState, news: News | None) -> RunProgress:
    from algoperf_scoring.plan import RunProgress

    run, phase = state.run, _phase(campaign, state, news)
    silent_sec = news.silent_sec if news is not None and phase == "silent" else 0.0
    return RunProgress(run.submission, run.workload, run.framework, run.study, run.trial, phase, silent_sec)


def _phase(campaign: Campaign, state: RunState, news: News | None) -> Phase:
    """Where a run stands; `news` are of one that has begun and has not ended."""
    from algoperf.campaigns.states import Phase
    from algoperf.records.status import read_status
    from algoperf_scoring.facts import RESULTS

    if state.phase is Phase.STOPPED:
        status = read_status(campaign.records(state.run)) or {}
        return "failed" if status.get("status") in RESULTS else "stopped"
    if state.phase is Phase.WAITING and news is not None:
        return news.where
    return "ended" if state.phase is Phase.FINISHED else _OTHERS[state.phase.value]
