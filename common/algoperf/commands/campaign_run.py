"""`algoperf campaign run`: carries a campaign out."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from algoperf.commands import campaign_options, campaign_pruning, options
from algoperf.make_words import in_words_of_the_caller


@click.command("run")
@campaign_options.folder
@campaign_options.engine
@campaign_options.site
@click.option("--at-once", type=options.Whole(1, 10_000), help="Runs at the same time, instead of the site's number.")
@campaign_pruning.prune
@campaign_pruning.error
@campaign_pruning.references
@click.option("--again", is_flag=True, help="Begin those again that were stopped.")
def campaign_run(
    folder: Path,
    engine_name: str | None,
    site: Path | None,
    at_once: int | None,
    prune: str | None,
    error: float | None,
    references: Path | None,
    again: bool,
) -> None:
    """Carry out all runs of the campaign in FOLDER that have not ended.

    Call it again after any accident: finished runs are not repeated, interrupted ones go on where they were. A signal
    stops the runs of this machine, which save their state; those of a cluster or a cloud go on. Exit code 0 if all runs
    have ended by the rules, 130 after a signal.
    """
    from algoperf.campaigns import schedule, staging
    from algoperf.campaigns.folder import CANCELLED, STAGING, Campaign
    from algoperf.campaigns.used_engine import choose, remember
    from algoperf.text import counted

    campaign = Campaign(folder)
    campaign.require_unchanged()
    staging.require_submissions(campaign)
    with campaign.locked():
        pruning = campaign_pruning.choose(campaign, prune, error, references)
        name, settings = choose(campaign, engine_name, site, at_once)
        for earlier in (CANCELLED, STAGING):
            (campaign.path / earlier).unlink(missing_ok=True)
        engine = remember(campaign, name, settings)
        if again:
            say(f"To be begun again: {counted(schedule.ask_again(campaign), 'run')}.")
        if not engine.stages_itself:
            staging.stage(campaign, say)
        code = schedule.carry_out(campaign, engine, say, pruning)
    sys.exit(code)


def say(text: str) -> None:
    """A line for whoever watches."""
    click.echo(in_words_of_the_caller(text))
    sys.stdout.flush()
