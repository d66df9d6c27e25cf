"""`algoperf score`: compare the runs of submissions."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.argument("path", type=click.Path(path_type=Path))
@click.option("--version", "version_name", default="v0.6", show_default=True, help="Benchmark version.")
@click.option("--ruleset", help="external or self; by default as the runs' files say.")
@click.option("--scale", help="full or mini; needed if there are runs of both.")
@click.option("--workloads", help="Score over these, separated by commas, instead of the version's.")
@click.option("--json", "json_file", type=click.Path(path_type=Path), help="Write the leaderboard as JSON.")
@click.option("--output", type=click.Path(path_type=Path), help="Write leaderboard.md and .json in this folder.")
def score(
    path: Path,
    version_name: str,
    ruleset: str | None,
    scale: str | None,
    workloads: str | None,
    json_file: Path | None,
    output: Path | None,
) -> None:
    """Score the submissions in PATH against each other: times to target, scores, ranks.

    PATH holds one folder per submission: SUBMISSION/study_K/WORKLOAD_FRAMEWORK/trial_J/.
    """
    _require_scoring()
    import algoperf_scoring
    from algoperf.versions import load_version

    asked = None if workloads is None else [name.strip() for name in workloads.split(",") if name.strip()]
    board = algoperf_scoring.score(path, load_version(version_name), ruleset, scale, asked)
    algoperf_scoring.print_leaderboard(board)
    if json_file is not None:
        algoperf_scoring.write_json(board, json_file)
    if output is not None:
        for file in algoperf_scoring.write_reports(board, output):
            click.echo(f"Wrote {file}")


def _require_scoring() -> None:
    """Raise UserError if the scoring package is not installed, as in the image of a cube."""
    import importlib.util

    from algoperf.errors import UserError

    if importlib.util.find_spec("algoperf_scoring") is None:
        raise UserError(
            "The scoring package is not installed here: algoperf_scoring cannot be imported. "
            "Install the whole project: pip install -e . in the repository."
        )
