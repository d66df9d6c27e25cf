"""`algoperf smoke`: a submission on all workloads at scale mini, in minutes."""

from __future__ import annotations

import sys

import click

from algoperf.commands import options
from algoperf.errors import counted
from algoperf.make_words import in_words_of_the_caller


@click.command()
@click.option("--submission", type=options.Place(), required=True, help="A folder, or a .py file.")
@options.framework
@click.option(
    "--ruleset",
    type=options.Choice(["external", "self"]),
    default="self",
    show_default=True,
    help="external: the first point of the search space.",
)
@click.option("--workloads", help="Only these workloads, comma-separated.  [default: all that have a scale mini]")
@click.option("--seed", type=options.Whole(0), default=0, show_default=True, help="All randomness follows from it.")
@options.version
@options.raw_dir
@options.data_dir
@click.option(
    "--output-dir",
    type=options.Place(file_okay=False),
    default="build/smoke",
    show_default=True,
    help="Root of the run folders; earlier smoke runs of the submission there are removed.",
)
def smoke(workloads: str | None, version_name: str, **given: object) -> None:
    """Train a submission on every workload at scale mini: small models, generated data, own targets.

    Prints a line per workload: the time to target, or why it was not reached. Exit code 0 if all
    targets were reached, 1 if not.
    """
    from algoperf import smoke as runs
    from algoperf.submission.framework import choose_framework
    from algoperf.submission.loading import submission_file
    from algoperf.versions import load_version
    from algoperf.waiting import waiting

    version = load_version(version_name)
    file = submission_file(given["submission"])  # type: ignore[arg-type]
    given["framework"] = choose_framework(file, given["framework"])  # type: ignore[arg-type]
    names = None if workloads is None else [part.strip() for part in workloads.split(",") if part.strip()]
    settings = runs.SmokeSettings(version=version, **given)  # type: ignore[arg-type]
    chosen = runs.choose(names, version)
    results: list[runs.SmokeRun] = []
    width = max(len(definition.name) for definition in chosen)
    for number, definition in enumerate(chosen, start=1):
        with waiting(f"{number} of {len(chosen)}, {definition.name}") as say:
            runs.prepare(definition, settings)
            result = runs.run(definition, settings, say)
        if not any(earlier.warnings for earlier in results):
            for text in result.warnings:
                click.echo(in_words_of_the_caller(f"warning: {text}"), err=True)
        results.append(result)
        click.echo(f"{definition.name:{width}}  {result.verdict}{'' if result.reached else f'; see {result.log}'}")
    missed = sum(not result.reached for result in results)
    click.echo(f"{len(results) - missed} of {counted(len(results), 'target')} reached.")
    sys.exit(1 if missed else 0)
