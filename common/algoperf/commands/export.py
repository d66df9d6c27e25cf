"""`algoperf export`: runs in TensorBoard or Weights & Biases."""

from __future__ import annotations

from pathlib import Path

import click

from algoperf.commands import options
from algoperf.text import counted


@click.command()
@click.argument("path", type=options.Place())
@click.option("--to", "names", required=True, help="tensorboard or wandb, or both, comma-separated.")
@click.option(
    "--output",
    type=options.Place(file_okay=False),
    default="build/export",
    show_default=True,
    help="Where their files go: tensorboard --logdir build/export/tensorboard",
)
@click.option("--follow", is_flag=True, help="Go on while runs go on, until Ctrl-C.")
def export(path: Path, names: str, output: Path, follow: bool) -> None:
    """Show the runs in PATH in TensorBoard or Weights & Biases, from their records.

    Start it beside the training, with --follow, or when all is over. It is a process of its own and takes no time of
    a submission. Everything in measurements.csv is shown by step: evaluations, and what the submission logs.
    """
    from algoperf import export as exporting
    from algoperf.errors import unknown

    sinks = list(dict.fromkeys(name.strip() for name in names.split(",") if name.strip()))
    for name in sinks or [""]:
        if name not in exporting.SINKS:
            raise unknown("place to show runs:", name, exporting.SINKS)
    count = exporting.export(path, sinks, output, follow, click.echo)
    click.echo(f"Shown: {counted(count, 'run')} in {', '.join(sinks)}. Files are in {click.format_filename(output)}.")
