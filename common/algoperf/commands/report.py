"""`algoperf report`: one HTML page to explore a comparison of runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from algoperf.commands import options
from algoperf.commands.scoring_options import ScoringOptions, score_runs, scoring_options


@click.command()
@click.argument("path", type=options.Place())
@scoring_options
@click.option(
    "--output",
    type=options.Place(dir_okay=False),
    help="Write this file.  [default: report/report.html in PATH]",
)
@click.option("--no-checks", is_flag=True, help="Leave out the health checks of the runs.")
def report(path: Path, output: Path | None, no_checks: bool, **options: Any) -> None:
    """Write scores, profiles, times, curves, cost and health of the runs in PATH as one HTML page to explore.

    The page needs no server and no network. PATH holds one folder per submission:
    SUBMISSION/study_K/WORKLOAD_FRAMEWORK/trial_J/.
    """
    chosen = ScoringOptions(**options)
    board = score_runs(path, chosen)
    from algoperf.waiting import waiting
    from algoperf_scoring.report import write_report

    health = None
    file = output or path / "report" / "report.html"
    with waiting(f"checking the runs in {path}") as say:
        if not no_checks:
            from algoperf_scoring.health import check_runs

            compared = board.comparison
            kind = compared.ruleset, chosen.info_folders, compared.scale, compared.track
            health = check_runs(path, compared.version, *kind)
        say(f"writing {click.format_filename(file)}")
        write_report(board, file, health)
    click.echo(f"Wrote {click.format_filename(file)} ({file.stat().st_size / 1e6:.1f} MB). Open it in a browser.")
