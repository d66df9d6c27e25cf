"""Options that several commands share. Imports only click."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

MOST = 1000
"""Studies, and trials of a study, that one command may plan: more is a slip of the keyboard."""
Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]


class Choice(click.Choice[str]):
    """One of some names. The error says which one is nearest."""

    def get_invalid_choice_message(self, value: Any, ctx: click.Context | None) -> str:
        """Click's message, and the nearest of the names."""
        from algoperf.errors import did_you_mean

        return super().get_invalid_choice_message(value, ctx) + did_you_mean(str(value), self.choices)


class FiniteFloatRange(click.FloatRange):
    """A number within bounds; NaN is within none."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """The value as a finite number."""
        number: float = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value!r} is not a finite number.", param, ctx)
        return number


workload = click.option("--workload", required=True, help="A workload or variant by name, or the folder of a cube.")
workloads = click.option("--workloads", required=True, help="Names or folders of cubes, comma-separated.")
studies = click.option(
    "--studies", type=click.IntRange(1, MOST), default=3, show_default=True, help="Studies 1 to this, of each workload."
)
trials = click.option(
    "--trials",
    type=click.IntRange(1, MOST),
    default=5,
    show_default=True,
    help="Trials 1 to this of each study under external tuning; self-tuning has one.",
)
framework = click.option(
    "--framework",
    type=Choice(["jax", "pytorch"]),
    help="The submission's framework.  [default: as its submission_info.yml or its imports say]",
)
scale = click.option(
    "--scale",
    type=Choice(["full", "mini"]),
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
