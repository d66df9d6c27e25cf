"""`algoperf campaign status`: where all runs stand."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from algoperf.commands import campaign_options
from algoperf.make_words import in_words_of_the_caller

if TYPE_CHECKING:
    from rich.console import RenderableType

    from algoperf.campaigns.folder import Campaign

_REFRESH_SEC = 2.0
_LISTED = 20


@click.command("status")
@campaign_options.folder
@click.option("--json", "as_json", is_flag=True, help="Write one object for programs.")
@click.option("--once", is_flag=True, help="On a terminal, too, show it once instead of keeping it up to date.")
def campaign_status(folder: Path, as_json: bool, once: bool) -> None:
    """Show where all runs of the campaign in FOLDER stand: on a terminal until they have ended, or Ctrl-C.

    Exit code 0, or 1 if runs were stopped, have failed, or wait because their submission's code is not what was
    planned.
    """
    from algoperf.campaigns.folder import Campaign

    campaign = Campaign(folder)
    content = look(campaign)
    if as_json:
        click.echo(json.dumps(content, indent=2))
    elif once or not sys.stdout.isatty():
        click.echo(in_words_of_the_caller(_plain(content)))
    else:
        content = _follow(campaign, content)
    sys.exit(1 if content["stopped"] or content["failed"] or content["changed"] else 0)


def look(campaign: Campaign) -> dict[str, Any]:
    """The overview, with what the last engine says; its silence is noted."""
    from algoperf.campaigns.engines.base import EngineAway
    from algoperf.campaigns.overview import overview
    from algoperf.campaigns.used_engine import last_engine

    try:
        engine = last_engine(campaign)
        return overview(campaign, engine.live() if engine is not None else {})
    except EngineAway:
        return overview(campaign, {}, known=False)


def _follow(campaign: Campaign, content: dict[str, Any]) -> dict[str, Any]:
    from rich.live import Live

    with Live(_table(content), auto_refresh=False) as shown:
        try:
            while content["waiting"] or content["queued"] or content["live"]:
                time.sleep(_REFRESH_SEC)
                content = look(campaign)
                shown.update(_table(content), refresh=True)
        except KeyboardInterrupt:
            pass
    return content


def _plain(content: dict[str, Any]) -> str:
    """The table as text, without colours and as wide as it is."""
    from rich.console import Console

    console = Console(width=200, no_color=True, highlight=False)
    with console.capture() as captured:
        console.print(_table(content))
    return "\n".join(line.rstrip() for line in captured.get().splitlines())


def _table(content: dict[str, Any]) -> RenderableType:
    from rich.console import Group
    from rich.markup import escape
    from rich.table import Table

    from algoperf.campaigns.overview import PHASES, RARE, counted
    from algoperf.text import duration

    table = Table(box=None, pad_edge=False)
    for name in ("submission", "workload"):
        table.add_column(name)
    phases = [phase for phase in PHASES if content[phase] or phase not in RARE]
    for name in (*phases, "time used", "left"):
        table.add_column(name.replace("_", " "), justify="right")
    rows = [*content["groups"]]
    if len(rows) > 1:
        rows.insert(0, {"submission": "all", "workload": "", **counted(rows)})
    for row in rows:
        counts = [str(row[phase] or "") for phase in phases]
        times = [duration(3600 * row[name]) if row[name] else "" for name in ("hours", "hours_left")]
        table.add_row(escape(row["submission"]), escape(row["workload"]), *counts, *times)
    lines = [escape(line) for line in _remarks(content)]
    return Group(*lines, table)  # a long table is cut off at the end of a terminal


def _ladder_line(step: dict[str, Any]) -> str:
    """What a step asks for, and who has passed or failed it."""
    from algoperf.campaigns.ladder import step_text

    said = []
    for verdict in ("passed", "failed"):
        names = [name for name, each in step["submissions"].items() if step["reach"] and each["verdict"] == verdict]
        said += [f"{verdict}: {', '.join(names)}"] if names else []
    return ". ".join([f"ladder, {step_text(step)}", *said])


def _remarks(content: dict[str, Any]) -> list[str]:
    """What is said above the table."""
    from algoperf.campaigns.outcomes import ENDED, advice
    from algoperf.text import counted, duration, typed

    folder = typed(Path(content["folder"]))
    lines = []
    if not content["engine_answers"]:
        lines.append("The engine does not answer: whether runs are carried out now is not known.")
    for run in content["silent_runs"][:_LISTED]:
        on = f" on {run['host']}" if run["host"] else ""
        lines.append(f"running or lost: {run['run']}{on}: no news for {duration(run['silent_sec'])}")
    if content["cancelled"]:
        lines.append(f"Cancelled. To go on: algoperf campaign run {folder}")
    lines += [_ladder_line(step) for step in content["ladder"]]
    for run in content["live_runs"][:_LISTED]:
        value = "" if run["value"] is None else f", {run['metric']} {run['value']:.5g} (target {run['target']:.5g})"
        clock = "" if not run["budget_sec"] else f", clock {run['submission_sec']:.0f} of {run['budget_sec']:.0f} s"
        where = f" on {run['host']}" if run["host"] else ""
        step = f", step {run['step']}" if run["step"] or not run["engine_says"].startswith("waiting") else ""
        lines.append(f"live: {run['run']}: {run['engine_says']}{where}{step}{value}{clock}")
    if len(content["live_runs"]) > _LISTED:
        lines.append(f"  ... and {len(content['live_runs']) - _LISTED} more")
    lines += [f"queued: {counted(number, 'run')}, {why}" for why, number in content["queued_because"].items()]
    lines += content["changed_submissions"]
    lines += [
        f"{phase.upper()}: {run['run']}: exit code {run['exit_code']} after {counted(run['attempts'], 'attempt')}, "
        f"{run['cause']}"
        for phase in ("stopped", "failed")
        for run in content[f"{phase}_runs"]
    ]
    lines += [f"not run: {counted(number, 'run')}, {why}" for why, number in content["not_run_because"].items()]
    lines += [ENDED] if content["ended"] and content["failed"] else []
    codes = [run["exit_code"] for run in content["failed_runs"]]
    return lines + advice(bool(content["stopped_runs"]), codes, f"algoperf campaign run {folder}")
