"""`algoperf campaign`: many runs of many submissions."""

from __future__ import annotations

import click

from algoperf.commands.campaign_replay import campaign_replay


@click.group()
def campaign() -> None:
    """Plan and run whole benchmarks, and see what pruning would have saved."""


campaign.add_command(campaign_replay)
