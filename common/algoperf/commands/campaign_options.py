"""Arguments that several commands of campaigns share. Imports only click."""

from __future__ import annotations

from pathlib import Path

import click

from algoperf.commands import options

folder = click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
engine = click.option(
    "--engine",
    "engine_name",
    type=options.Choice(["local", "slurm", "skypilot"]),
    help="What carries the runs out.  [default: the one that did so before, else local]",
)
site = click.option(
    "--site",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Settings of your machines, a TOML file: see docs/campaigns.md.  [default: as before, else none]",
)
