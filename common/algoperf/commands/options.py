"""Options that several commands share. Imports only click."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

MOST = 1000
"""Studies, and trials of a study, that one command may plan: more is a slip of the keyboard."""
_WHOLE = re.compile(r"[+-]?[0-9]{1,18}")
_LONGEST_SHOWN = 40
Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]


class Choice(click.Choice[str]):
    """One of some names. The error says which one is nearest."""

    def get_invalid_choice_message(self, value: Any, ctx: click.Context | None) -> str:
        """Click's message, and the nearest of the names."""
        from algoperf.errors import did_you_mean

        return super().get_invalid_choice_message(value, ctx) + did_you_mean(str(value), self.choices)


class Place(click.Path):
    """A file or folder. An empty path, as a variable that is not set leaves behind, is none."""

    def __init__(self, **allowed: bool) -> None:
        super().__init__(path_type=Path, **allowed)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The value as a Path."""
        if value == "":
            self.fail("the path is empty. Leave it out for the default, or name a file or folder.", param, ctx)
        return super().convert(value, param, ctx)


class Whole(click.ParamType):
    """A whole number in decimal digits, from `least` on; the error says what is allowed, with an example."""

    name = "integer"

    def __init__(self, least: int, most: int | None = None) -> None:
        self.least, self.most = least, most

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """The value as an integer."""
        if isinstance(value, int):
            return value
        number = int(value) if _WHOLE.fullmatch(value) else None
        if number is None or number < self.least or (self.most is not None and number > self.most):
            allowed = f"from {self.least:,} to {self.most:,}" if self.most is not None else f"of at least {self.least}"
            example = max(3, self.least)
            self.fail(f"{_shortened(value)!r} is not a whole number {allowed}, such as {example}.", param, ctx)
        return number


class Number(click.ParamType):
    """A finite number of at least `least`; strictly between both if there is a `most`. The error has an example."""

    name = "number"

    def __init__(self, least: float, most: float | None = None, *, example: str) -> None:
        self.least, self.most, self.example = least, most, example

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """The value as a number."""
        try:
            number = float(value)
        except ValueError:
            number = math.nan
        is_allowed = self.least <= number < math.inf if self.most is None else self.least < number < self.most
        if not is_allowed:
            allowed = f"of at least {self.least}" if self.most is None else f"between {self.least} and {self.most}"
            self.fail(f"{_shortened(value)!r} is not a number {allowed}, such as {self.example}.", param, ctx)
        return number


def _shortened(value: str) -> str:
    return value if len(value) <= _LONGEST_SHOWN else f"{value[:_LONGEST_SHOWN]}..."


workload = click.option("--workload", required=True, help="A workload or variant by name, or the folder of a cube.")
workloads = click.option("--workloads", required=True, help="Names or folders of cubes, comma-separated.")
studies = click.option(
    "--studies", type=Whole(1, MOST), default=3, show_default=True, help="Studies 1 to this, of each workload."
)
trials = click.option(
    "--trials",
    type=Whole(1, MOST),
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
    type=Place(file_okay=False),
    default="data/raw",
    show_default=True,
    help="Raw data of all datasets.",
)
data_dir = click.option(
    "--data-dir",
    type=Place(file_okay=False),
    default="data",
    show_default=True,
    help="Preprocessed data of all datasets.",
)
output_dir = click.option(
    "--output-dir",
    type=Place(file_okay=False),
    default="runs",
    show_default=True,
    help="Root of the run folders.",
)
