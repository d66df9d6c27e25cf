"""`algoperf campaign`: many submissions on many workloads, planned before the first run begins."""

from __future__ import annotations

import click

from algoperf.commands.lazy_group import LazyGroup

SUBCOMMANDS = {
    "plan": "Fix all runs of a campaign, and say how long they take.",
    "run": "Carry a campaign out: again after any accident.",
    "status": "Show where all runs stand.",
    "cancel": "End everything: nothing keeps running or costing.",
    "replay": "Replay recorded runs, and say what pruning would have saved.",
    "stage": "Make missing data, and check those that are there.",
    "execute": "Carry out one run: what engines call.",
}


class _Subcommands(LazyGroup):
    table = SUBCOMMANDS
    prefix = "campaign_"
    program = "algoperf campaign"


@click.group(cls=_Subcommands)
def campaign() -> None:
    """Plan many runs, and carry them out here, on a cluster or in clouds. See docs/campaigns.md."""
