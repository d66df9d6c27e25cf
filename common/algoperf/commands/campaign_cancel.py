"""`algoperf campaign cancel`: ends everything."""

from __future__ import annotations

from pathlib import Path

import click

from algoperf.commands import campaign_options


@click.command("cancel")
@campaign_options.folder
def campaign_cancel(folder: Path) -> None:
    """End all runs of the campaign in FOLDER, waiting ones too, and return when nothing is left.

    They save their state first, and `algoperf campaign run` would go on with them.
    """
    from algoperf.campaigns.folder import CANCELLED, Campaign
    from algoperf.campaigns.used_engine import last_engine
    from algoperf.records.json_file import write_json

    campaign = Campaign(folder)
    engine = last_engine(campaign)
    if engine is None:
        click.echo("Nothing of this campaign has begun yet.")
        return
    write_json(campaign.path / CANCELLED, {})
    before = len(engine.live())
    engine.cancel()
    click.echo(f"{before} runs were ended; {len(engine.live())} are left. To go on: algoperf campaign run {folder}")
