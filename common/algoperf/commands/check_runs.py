"""`algoperf check-runs`: are the records of runs complete, plausible, within the rules, and comparable?"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Literal

import click

from algoperf.commands import options
from algoperf.commands.planned import plan_of
from algoperf.commands.scoring_options import load_version_with_cubes, require_scoring
from algoperf.make_words import as_callable
from algoperf.text import counted

_FOLDER = options.Place()


@click.command("check-runs")
@click.argument("path", type=_FOLDER)
@click.option("--version", "version_name", default="v0.6", show_default=True, help="Benchmark version.")
@click.option(
    "--ruleset",
    type=options.Choice(["external", "self"]),
    help="Check only runs of this ruleset; also that of runs whose files do not say.  [default: all; external if some "
    "have hyperparameters]",
)
@click.option("--scale", type=options.Choice(["full", "mini"]), help="Check only runs of this scale.  [default: all]")
@click.option(
    "--track", type=options.Choice(["algorithm", "model"]), help="Check only runs of this track.  [default: all]"
)
@click.option(
    "--submissions",
    "submissions_dirs",
    type=_FOLDER,
    multiple=True,
    help="Folder with the submissions, for search spaces that runs did not record; may be given several times.",
)
@click.option("--json", "json_file", type=_FOLDER, help="Write the result as JSON.")
@click.option("--all", "show_all", is_flag=True, help="Show all warnings and failures, not only the first of a check.")
@click.option("--strict", is_flag=True, help="Also fail on warnings.")
def check_runs(
    path: Path,
    version_name: str,
    ruleset: Literal["external", "self"] | None,
    scale: Literal["full", "mini"] | None,
    track: Literal["algorithm", "model"] | None,
    submissions_dirs: tuple[Path, ...],
    json_file: Path | None,
    show_all: bool,
    strict: bool,
) -> None:
    """Check the records of all runs in PATH against the rules and against each other.

    PATH holds one folder per submission: SUBMISSION/study_K/WORKLOAD_FRAMEWORK/trial_J/. Exit code 8 if a check
    failed.
    """
    require_scoring()
    from algoperf.data.files import write_file
    from algoperf.errors import ChecksFailed
    from algoperf.waiting import waiting
    from algoperf_scoring import health, sources
    from algoperf_scoring.health.text import SHOWN

    where = (ruleset, submissions_dirs, scale, track)
    with waiting(f"checking the runs in {path}"):
        result = health.check_runs(path, load_version_with_cubes(version_name), *where, plan=plan_of(sources(path)))
    click.echo(as_callable(health.render(result, None if show_all else SHOWN)))
    if json_file is not None:
        write_file(json_file, (json.dumps(result.to_json(), indent=2) + "\n").encode())
        click.echo(f"Wrote {json_file}")
    bad = ("fail", "warn") if strict else ("fail",)
    failed = [check.id for check in result.checks if check.level in bad]
    if failed:
        raise ChecksFailed(f"{len(failed)} of {counted(len(result.checks), 'check')} did not pass: {', '.join(failed)}")
