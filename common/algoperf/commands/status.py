"""`algoperf status`: where the runs in a folder stand."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from algoperf.commands import options
from algoperf.make_words import in_words_of_the_caller

if TYPE_CHECKING:
    from algoperf.campaigns.standing import Expected
    from algoperf.tuning.ruleset import Ruleset
    from algoperf.versions import Scale, Version

_LISTED = 20
_WIDTH_OF_FILES = 200
_SHOWN_CHARACTERS = 200


@click.command()
@click.argument("path", type=options.Place())
@click.option("--workloads", help="Expect these workloads, comma-separated.  [default: those of the runs in PATH]")
@click.option("--studies", type=options.Whole(1, options.MOST), help="Expect so many.  [default: the version's]")
@click.option("--trials", type=options.Whole(1, options.MOST), help="Expect so many.  [default: the ruleset's]")
@click.option(
    "--ruleset",
    type=options.Choice(["external", "self"]),
    help="Expect runs of this ruleset and, without --workloads, of all workloads that the version scores.  [default: "
    "as the runs say]",
)
@click.option(
    "--scale", type=options.Choice(["full", "mini"]), help="The scale for forecasts.  [default: as the runs say]"
)
@options.version
@click.option("--json", "as_json", is_flag=True, help="Write one object for programs.")
def status(
    path: Path,
    workloads: str | None,
    studies: int | None,
    trials: int | None,
    ruleset: Ruleset | None,
    scale: Scale | None,
    version_name: str,
    as_json: bool,
) -> None:
    """Show where the runs in PATH stand: finished, running, interrupted, failed, missing; hours so far and to go.

    PATH holds one folder per submission: SUBMISSION/study_K/WORKLOAD_FRAMEWORK/trial_J/. Missing are the runs of
    every submission that have not begun: for all workloads that PATH has runs of, in as many studies and trials as
    the version has. Exit code 0, or 1 if runs failed.
    """
    from algoperf.campaigns.standing import belongs_to_campaign, overview_of, standings
    from algoperf.commands.scoring_options import load_version_with_cubes
    from algoperf.waiting import waiting

    version = load_version_with_cubes(version_name)
    expected = _expected(version, ruleset, workloads, studies, trials, scale or "full")
    is_planned = ruleset is workloads is studies is trials is None and belongs_to_campaign(path)
    with waiting(f"reading the runs in {path}"):
        found = standings(path, version, ruleset, scale, None if is_planned else expected)
        content = overview_of(path, found)
    if as_json:
        click.echo(json.dumps(content, indent=2))
    else:
        _print(content)
        if note := _note(content, path, expected, version, is_planned):
            click.echo(in_words_of_the_caller(note))
    sys.exit(1 if content["failed"] else 0)


def _expected(
    version: Version,
    ruleset: Ruleset | None,
    workloads: str | None,
    studies: int | None,
    trials: int | None,
    scale: Scale,
) -> Expected:
    """What a complete set has. Raises UserError for an unknown workload."""
    from algoperf.campaigns.standing import Expected
    from algoperf.commands.scoring_options import listed

    names = listed(workloads) or (None if ruleset is None else list(version.scored))
    for name in names or ():
        version.limits(name, scale)
    return Expected(workloads=names, studies=studies, trials=trials)


def _note(content: dict[str, Any], path: Path, expected: Expected, version: Version, is_planned: bool) -> str:
    """What "missing" means here, a line; "" if nothing is."""
    from algoperf.text import counted, typed

    if is_planned:
        return f"What its campaign still has to run: algoperf campaign status {typed(path.parent)}"
    if not content["missing"]:
        return ""
    names = dict.fromkeys(one["workload"] for one in content["trials"])
    studies = counted(expected.studies or version.num_studies, "study", "studies")
    return (
        f"Missing: not begun, of {studies} on {', '.join(expected.workloads or names)} for every submission. If you "
        "planned others, say so: --workloads, --studies, --trials."
    )


def _print(content: dict[str, Any]) -> None:
    """A table, and what there is to say about single runs."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from algoperf.campaigns.standing import PHASES

    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = _WIDTH_OF_FILES
    table = Table(box=None, pad_edge=False)
    for name in ("submission", "workload"):
        table.add_column(name, overflow="fold")
    shown = [phase for phase in PHASES if content[phase]]
    for name in (*shown, "reached", "time", "to go", "at most"):
        table.add_column(name, justify="right")
    rows = [*content["groups"]]
    if len(rows) > 1:
        rows.append({"submission": "all", "workload": "", **content})
    for row in rows:
        times = [_time(row[name]) for name in ("hours", "hours_left", "hours_left_at_most")]
        counts = [str(row[name] or "") for name in (*shown, "reached")]
        table.add_row(escape(row["submission"]), escape(row["workload"]), *counts, *times)
    for line in _remarks(content["trials"]):
        console.print(line, markup=False, soft_wrap=True)
    console.print(table)


def _time(hours: float) -> str:
    from algoperf.text import duration

    return duration(3600 * hours) if hours else ""


def _remarks(trials: list[dict[str, Any]]) -> list[str]:
    """A line for each trial that is not simply finished or missing, worst first."""
    lines = []
    for phase in ("failed", "interrupted", "running"):
        found = [one for one in trials if one["phase"] == phase]
        lines += [_remark(one) for one in found[:_LISTED]]
        lines += [f"  ... and {len(found) - _LISTED} more {phase}"] if len(found) > _LISTED else []
    return lines


def _remark(one: dict[str, Any]) -> str:
    where = f"{one['submission']} on {one['workload']}, study {one['study']}, trial {one['trial']}"
    parts = [f"step {one['step']:,}, clock {one['submission_sec']:.0f} s"]
    if one["value"] is not None and one["target"] is not None:
        parts.append(f"{one['metric']} {one['value']:.5g} (target {one['target']:.5g})")
    if one["phase"] == "failed":
        parts = [(one["message"].splitlines() or [""])[0][:_SHOWN_CHARACTERS]]
        parts += [f"see {one['log']}"] if one["log"] else []
    elif one["phase"] == "interrupted":
        parts.append("the same command resumes it")
    elif one["silent_sec"] is not None:
        parts.append(f"last record {one['silent_sec']:.0f} s ago")
    how = one["phase"] if one["label"] in ("", one["phase"]) else f"{one['phase']} ({one['label']})"
    return f"{how}: {where}: {', '.join(parts)}"
