"""`algoperf smoke`: a submission on all workloads at scale mini, in minutes."""

from __future__ import annotations

import sys
from typing import Any

import click

from algoperf.commands import options
from algoperf.commands.entry import complete
from algoperf.make_words import in_words_of_the_caller
from algoperf.text import counted


@click.command()
@click.option("--submission", type=options.Place(), help="A folder, or a .py file.")
@click.option(
    "--model", type=options.Place(), help="The model track, instead of --submission: a model's folder, or 'published'."
)
@options.framework
@click.option(
    "--ruleset",
    type=options.Choice(["external", "self"]),
    default="self",
    show_default=True,
    help="external: the first point of the search space; not for models.",
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
@click.option(
    "--share", is_flag=True, help="Train beside other trials instead of waiting for the devices; times are longer."
)
def smoke(workloads: str | None, version_name: str, **given: Any) -> None:
    """Train a submission, or a model, on every workload at scale mini: small models, generated data, own targets.

    Prints a line per workload: time and steps to target, or why it was not reached, and in brackets
    the steps of the NAdamW baseline, recorded on another machine. Exit code 0 if all targets were
    reached, 1 if not. The same command starts over. A model is not asked for data sets that it says
    it is not made for.
    """
    from algoperf import smoke as runs
    from algoperf.errors import UserError
    from algoperf.versions import load_version
    from algoperf.waiting import waiting

    version = load_version(version_name)
    given = complete(given, smoke)
    if given["model"] is not None and (given["submission"] is not None or given["ruleset"] != "self"):
        raise UserError(
            "--model goes with neither --submission nor --ruleset external: the model track has no search spaces, and "
            "a model brings its training algorithm along. Leave them out."
        )
    names = None if workloads is None else [part.strip() for part in workloads.split(",") if part.strip()]
    settings = runs.SmokeSettings(version=version, **given)
    chosen = runs.choose(names, version)
    if (earlier := runs.earlier_runs(settings)) is not None:
        click.echo(f"Starting over: the runs of these workloads in {earlier} are replaced.", err=True)
    known, steps = runs.baseline([definition.name for definition in chosen], settings.framework, version)
    results: list[runs.SmokeRun] = []
    width = max(len(definition.name) for definition in chosen)
    code = settings.code()
    for number, definition in enumerate(chosen, start=1):
        if settings.code() != code:
            raise UserError(
                f"The code of {settings.name} was changed meanwhile: what is said above is of the code before. Call "
                "smoke again when it is done."
            )
        with waiting(f"{number} of {len(chosen)}, {definition.name}") as say:
            runs.prepare(definition, settings)
            result = runs.run(definition, settings, say)
        if not any(earlier.warnings for earlier in results):
            for text in result.warnings:
                click.echo(in_words_of_the_caller(f"warning: {text}"), err=True)
        results.append(result)
        has_steps = result.is_asked and not result.has_failed
        beside = f" ({known}: {steps[definition.name]:,})" if has_steps and definition.name in steps else ""
        see = f"; see {result.log}" if result.is_asked and not result.reached else ""
        click.echo(f"{definition.name:{width}}  {result.verdict}{beside}{see}")
    asked = [result for result in results if result.is_asked]
    reached = sum(result.reached for result in asked)
    click.echo(f"{reached} of {counted(len(asked), 'target')} reached.")
    if any(result.workload in steps and not result.has_failed for result in asked):
        click.echo(f"In brackets: steps to target of {known}, recorded on another machine (docs/mini.md).")
    sys.exit(0 if asked and reached == len(asked) else 1)
