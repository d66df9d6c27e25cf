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
@click.option("--submission", help="Name or path of a submission that must be among those scored.")
@click.option("--json", "json_file", type=click.Path(path_type=Path), help="Write the leaderboard as JSON.")
@click.option("--output", type=click.Path(path_type=Path), help="Write leaderboard.md and .json in this folder.")
def score(
    path: Path,
    version_name: str,
    ruleset: str | None,
    scale: str | None,
    workloads: str | None,
    submission: str | None,
    json_file: Path | None,
    output: Path | None,
) -> None:
    """Score the submissions in PATH against each other: times to target, scores, ranks.

    PATH holds one folder per submission: SUBMISSION/study_K/WORKLOAD_FRAMEWORK/trial_J/.
    """
    _require_scoring()
    import algoperf_scoring
    from algoperf.registry import cube_folders
    from algoperf.versions import load_version
    from algoperf.versions.cubes import with_cube_limits

    version = load_version(version_name)
    for cube in cube_folders().values():
        version = with_cube_limits(version, cube)
    asked = None if workloads is None else [name.strip() for name in workloads.split(",") if name.strip()]
    board = algoperf_scoring.score(path, version, ruleset, scale, asked)
    if submission is not None:
        _require_submission(submission, [entry.submission for entry in board.entries], path)
    algoperf_scoring.print_leaderboard(board)
    if json_file is not None:
        algoperf_scoring.write_json(board, json_file)
    if output is not None:
        for file in algoperf_scoring.write_reports(board, output):
            click.echo(f"Wrote {file}")


def _require_submission(given: str, scored: list[str], path: Path) -> None:
    """Raise UserError if a submission, given by name or path, has no runs in `path`."""
    from algoperf.errors import unknown
    from algoperf.submission import submission_file, submission_name

    name = submission_name(submission_file(Path(given))) if Path(given).exists() else given
    if not any(entry == name or entry.startswith(f"{name} (") for entry in scored):
        raise unknown(f"submission in {path}:", name, scored, "Train it first: make train SUBMISSION=...")


def _require_scoring() -> None:
    """Raise UserError if the scoring package is not installed, as in the image of a cube."""
    import importlib.util

    from algoperf.errors import UserError

    if importlib.util.find_spec("algoperf_scoring") is None:
        raise UserError(
            "The scoring package is not installed here: algoperf_scoring cannot be imported. "
            "Install the whole project: pip install -e . in the repository."
        )
