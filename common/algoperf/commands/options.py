"""Options that several commands share. Imports only click."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]

workload = click.option("--workload", required=True, help="A workload or variant by name, or the folder of a cube.")
scale = click.option(
    "--scale",
    type=click.Choice(["full", "mini"]),
    default="full",
    show_default=True,
    help="mini: a small model on generated data, with its own target.",
)
version = click.option(
    "--version",
    "version_name",
    default="v0.6",
    show_default=True,
    help="Benchmark version: targets and budgets.",
)
raw_dir = click.option(
    "--raw-dir",
    type=click.Path(file_okay=False, path_type=Path),
    default="data/raw",
    show_default=True,
    help="Raw data of all datasets.",
)
data_dir = click.option(
    "--data-dir",
    type=click.Path(file_okay=False, path_type=Path),
    default="data",
    show_default=True,
    help="Preprocessed data of all datasets.",
)
output_dir = click.option(
    "--output-dir",
    type=click.Path(file_okay=False, path_type=Path),
    default="runs",
    show_default=True,
    help="Root of the run folders.",
)
