"""`algoperf campaign replay`: recorded runs as if they had been pruned."""

from __future__ import annotations

from pathlib import Path

import click

from algoperf.commands import options
from algoperf.commands.scoring_options import choosing_options, listed, load_version_with_cubes, require_scoring


@click.command("replay")
@click.argument("logs", type=options.Place())
@click.option(
    "--prune",
    type=options.Choice(["exact", "futility"]),
    default="exact",
    show_default=True,
    help="exact: only what cannot change a score. futility: also runs that are too far behind.",
)
@click.option(
    "--error",
    type=options.Number(0, 1, example="0.05"),
    help="With futility: the share of successful runs that may be stopped.  [default: 0.05]",
)
@click.option(
    "--at-once",
    type=options.Whole(1, options.MOST),
    default=1,
    show_default=True,
    help="Runs of a submission on one workload at the same time, each on a machine of its own.",
)
@choosing_options
@click.option("--json", "json_file", type=options.Place(), help="Write the replay as JSON.")
def campaign_replay(
    logs: Path,
    prune: str,
    error: float | None,
    at_once: int,
    version_name: str,
    ruleset: str | None,
    scale: str | None,
    track: str | None,
    workloads: str | None,
    json_file: Path | None,
) -> None:
    """Replay the runs in LOGS as if they had been pruned: hours, hours saved, and the scores beside the recorded ones.

    LOGS holds one folder per submission: SUBMISSION/study_K/WORKLOAD_FRAMEWORK/trial_J/. Nothing in it is changed.
    """
    from algoperf.errors import UserError

    if error is not None and prune == "exact":
        raise UserError("--error is for --prune futility: exact pruning makes none.")
    require_scoring()
    from algoperf_scoring import read_comparison, sources
    from algoperf_scoring.pruning.replay_logs import replay_logs
    from algoperf_scoring.pruning.report import print_report, to_json

    comparison = read_comparison(
        sources(logs), load_version_with_cubes(version_name), ruleset, scale, listed(workloads), track
    )
    allowed = None if prune == "exact" else 0.05 if error is None else error
    found = replay_logs(comparison, allowed, at_once)
    print_report(found)
    if json_file is not None:
        import json

        from algoperf_scoring import files

        files.write_whole(json_file, json.dumps(to_json(found), indent=2, allow_nan=False) + "\n")
