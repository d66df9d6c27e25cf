"""Arguments that several commands of campaigns share. Imports only click."""

from __future__ import annotations

import click

from algoperf.commands import options

folder = click.argument("folder", type=options.Place(file_okay=False))
engine = click.option(
    "--engine",
    "engine_name",
    type=options.Choice(["local", "slurm", "skypilot"]),
    help="What carries the runs out.  [default: the one that did so before, else local]",
)
site = click.option(
    "--site",
    type=options.Place(dir_okay=False),
    help="Settings of your machines, a TOML file: see docs/campaigns.md.  [default: as before, else none]",
)
