"""`algoperf report`: one HTML page to explore a comparison of runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from algoperf.commands import options
from algoperf.commands.scoring_options import ScoringOptions, checked, page_options, score_runs, scoring_options
from algoperf.make_words import as_callable


@click.command()
@click.argument("path", type=options.Place())
@scoring_options
@click.option(
    "--output",
    type=options.Place(dir_okay=False),
    help="Write this file.  [default: report/report.html in PATH; models: report/model/report.html]",
)
@page_options
def report(path: Path, output: Path | None, no_checks: bool, logs_url: str | None, **options: Any) -> None:
    """Write scores, profiles, times, curves, cost and health of the runs in PATH as one HTML page to explore.

    The page needs no server and no network. PATH holds one folder per submission:
    SUBMISSION/study_K/WORKLOAD_FRAMEWORK/trial_J/. `algoperf score --output` writes the same page, and tables.
    """
    chosen = ScoringOptions(**options)
    board = score_runs(path, chosen)
    from algoperf.waiting import waiting
    from algoperf_scoring.outputs import PAGE, report_folder
    from algoperf_scoring.report import write_report

    file = output or report_folder(path, board) / PAGE
    with waiting(f"checking the runs in {path}") as say:
        health = None if no_checks else checked(path, board, chosen)
        say(f"writing {click.format_filename(file)}")
        write_report(board, file, health, logs_url)
    if health is not None and health.unchecked:
        click.echo(as_callable(health.unchecked))
    click.echo(f"Wrote {click.format_filename(file)} ({file.stat().st_size / 1e6:.1f} MB). Open it in a browser.")
