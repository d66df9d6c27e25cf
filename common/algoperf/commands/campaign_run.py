"""`algoperf campaign run`: carries a campaign out."""

from __future__ import annotations

import itertools
import sys
from pathlib import Path

import click

from algoperf.commands import campaign_options, campaign_pruning, options
from algoperf.make_words import in_words_of_the_caller

_ALL = "*"
"""Value of `--again` without a name: all."""


class _Command(click.Command):
    """A command whose option `--again` may have a value; before the campaign's folder, it has none."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Click would take the folder in `--again FOLDER` for what to begin again."""
        for place, (word, value) in enumerate(itertools.pairwise(args)):
            if word == "--again" and (Path(value) / "manifest.json").is_file():
                args = [*args[:place], value, word, *args[place + 2 :]]
                break
        return super().parse_args(ctx, args)


@click.command("run", cls=_Command)
@campaign_options.folder
@campaign_options.engine
@campaign_options.site
@click.option("--at-once", type=options.Whole(1, 10_000), help="Runs at the same time, instead of the site's number.")
@campaign_pruning.prune
@campaign_pruning.error
@campaign_pruning.references
@click.option(
    "--again",
    multiple=True,
    is_flag=False,
    flag_value=_ALL,
    metavar="[NAME]",
    help="Begin those again that were stopped: all, or those of a run, submission or workload. May be repeated.",
)
def campaign_run(
    folder: Path,
    engine_name: str | None,
    site: Path | None,
    at_once: int | None,
    prune: str | None,
    error: float | None,
    references: Path | None,
    again: tuple[str, ...],
) -> None:
    """Carry out all runs of the campaign in FOLDER that have not ended.

    Call it again after any accident: finished runs are not repeated, interrupted ones go on where they were. Those of a
    submission whose code is not what was planned wait until it is restored, and the others are carried out. A signal
    stops the runs of this machine, which save their state; those of a cluster or a cloud go on. Exit code 0 if all runs
    have ended by the rules, 130 after a signal.
    """
    from algoperf.campaigns import schedule, staging
    from algoperf.campaigns.again import ask_again
    from algoperf.campaigns.folder import CANCELLED, STAGING, Campaign
    from algoperf.campaigns.used_engine import choose, remember

    campaign = Campaign(folder)
    campaign.require_unchanged()
    with campaign.locked():
        pruning = campaign_pruning.choose(campaign, prune, error, references)
        name, settings = choose(campaign, engine_name, site, at_once)
        engine = remember(campaign, name, settings)
        if again:
            say(ask_again(campaign, () if _ALL in again else again))
        for earlier in (CANCELLED, STAGING):
            (campaign.path / earlier).unlink(missing_ok=True)
        if not engine.stages_itself:
            staging.stage(campaign, say)
        code = schedule.carry_out(campaign, engine, say, pruning)
    sys.exit(code)


def say(text: str) -> None:
    """A line for whoever watches."""
    click.echo(in_words_of_the_caller(text))
    sys.stdout.flush()
