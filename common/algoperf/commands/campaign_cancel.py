"""`algoperf campaign cancel`: ends everything."""

from __future__ import annotations

from pathlib import Path

import click

from algoperf.commands import campaign_options, options


@click.command("cancel")
@campaign_options.folder
@click.option("--grace", "grace_sec", type=options.Number(0, example="120"), default=120.0, show_default=True,
              help="Seconds that runs of this machine have to save their state; then they are killed.")  # fmt: skip
def campaign_cancel(folder: Path, grace_sec: float) -> None:
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
    engine.cancel(grace_sec)
    click.echo(f"Live runs: {before} before, {len(engine.live())} now. To go on: algoperf campaign run {folder}")
