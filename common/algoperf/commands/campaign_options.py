"""Arguments that several commands of campaigns share. Imports only click."""

from __future__ import annotations

import click

from algoperf.commands import options

folder = click.argument("folder", type=options.Place(file_okay=False))
_ENGINES = options.Choice(["local", "slurm", "skypilot"])
engine = click.option(
    "--engine",
    "engine_name",
    type=_ENGINES,
    help="What carries the runs out.  [default: the one that did so before, else local]",
)
planned_engine = click.option(
    "--engine",
    "engine_name",
    type=_ENGINES,
    help="What will carry the runs out, for the next command; not part of the plan.  [default: the only one that the "
    "site's file has settings for]",
)
site = click.option(
    "--site",
    type=options.Place(dir_okay=False),
    help="Settings of your machines, a TOML file: see docs/campaigns.md.  [default: as before, else none]",
)
