"""`algoperf campaign stage`: data and images, before the first run."""

from __future__ import annotations

from pathlib import Path

import click

from algoperf.commands import campaign_options


@click.command("stage")
@campaign_options.folder
def campaign_stage(folder: Path) -> None:
    """Make the data that the campaign in FOLDER lacks, find its images, and complete its manifest.

    `algoperf campaign run` does this first; on a cluster, a job may do it instead.
    """
    from algoperf.campaigns import staging
    from algoperf.campaigns.changes import difference
    from algoperf.campaigns.folder import Campaign

    campaign = Campaign(folder)
    campaign.require_unchanged()
    for name in campaign.manifest.submissions:
        if changed := difference(campaign, name):
            click.echo(changed)
    staging.stage(campaign, click.echo)
