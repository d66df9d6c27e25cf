"""`algoperf score`: compare the runs of submissions."""

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
@click.option("--json", "json_file", type=options.Place(), help="Write the leaderboard as JSON.")
@click.option("--output", type=options.Place(), help="Write report.html and leaderboard.md, .csv and .json here.")
@click.option("--report", is_flag=True, help="Write these files to PATH/report, or PATH/report/model for models.")
@page_options
def score(
    path: Path,
    json_file: Path | None,
    output: Path | None,
    report: bool,
    no_checks: bool,
    logs_url: str | None,
    **options: Any,
) -> None:
    """Score the submissions in PATH against each other: times to target, scores, ranks, and how sure they are.

    PATH holds one folder per submission: SUBMISSION/study_K/WORKLOAD_FRAMEWORK/trial_J/.
    """
    chosen = ScoringOptions(**options)
    board = score_runs(path, chosen)
    from algoperf_scoring.terminal import print_leaderboard

    print_leaderboard(board, in_words=as_callable)
    if json_file is not None or output is not None or report:
        from algoperf.waiting import waiting
        from algoperf_scoring import outputs
        from algoperf_scoring.files import write_whole

        if json_file is not None:
            write_whole(json_file, outputs.json_text(board))
        beside = outputs.report_folder(path, board) if report else None
        folders = [folder for folder in (output, beside) if folder is not None]
        if not folders:
            return
        with waiting(f"checking the runs in {path}") as say:
            health = None if no_checks else checked(path, board, chosen)
            say(f"writing {' and '.join(map(click.format_filename, folders))}")
            written = [file for one in folders for file in outputs.write_leaderboard(board, one, health, logs_url)]
        if health is not None and health.unchecked:
            click.echo(as_callable(health.unchecked))
        for file in written:
            click.echo(f"Wrote {click.format_filename(file)}")
