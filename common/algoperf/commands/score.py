"""`algoperf score`: compare the runs of submissions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from algoperf.commands import options
from algoperf.commands.scoring_options import ScoringOptions, score_runs, scoring_options


@click.command()
@click.argument("path", type=options.Place())
@scoring_options
@click.option("--json", "json_file", type=options.Place(), help="Write the leaderboard as JSON.")
@click.option("--output", type=options.Place(), help="Write leaderboard.md, .html and .json in this folder.")
def score(path: Path, json_file: Path | None, output: Path | None, **options: Any) -> None:
    """Score the submissions in PATH against each other: times to target, scores, ranks, and how sure they are.

    PATH holds one folder per submission: SUBMISSION/study_K/WORKLOAD_FRAMEWORK/trial_J/.
    """
    board = score_runs(path, ScoringOptions(**options))
    from algoperf_scoring.terminal import print_leaderboard

    print_leaderboard(board)
    if json_file is not None or output is not None:
        from algoperf_scoring import files

        if json_file is not None:
            files.write_whole(json_file, files.json_text(board))
        for file in files.write_leaderboard(board, output) if output is not None else ():
            click.echo(f"Wrote {click.format_filename(file)}")
