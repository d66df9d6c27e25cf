"""`algoperf check`: does a submission keep the rules?"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING

import click

from algoperf.commands import options
from algoperf.make_words import as_callable

if TYPE_CHECKING:
    from algoperf.submission.track import Track
    from algoperf.tuning.ruleset import Ruleset
    from algoperf.workload.definition import Framework
    from algoperf_check.findings import Finding
    from algoperf_check.report import Report
    from algoperf_check.request import CheckRequest


@click.command()
@click.argument("submission", type=options.Place())
@click.option(
    "--framework",
    type=options.Choice(["jax", "pytorch"]),
    help="The submission's framework.  [default: by its imports]",
)
@click.option(
    "--ruleset",
    type=options.Choice(["external", "self"]),
    help="[default: by its folder, else external if it has a search space]",
)
@click.option(
    "--search-space",
    type=options.Place(),
    help="External ruleset only.  [default: tuning_search_space.json in the submission's folder]",
)
@click.option(
    "--track",
    type=options.Choice(["algorithm", "model"]),
    help="[default: model if the folder has a model_jax.py or model_torch.py]",
)
@options.version
@click.option("--static-only", is_flag=True, help="Only read the code; run none of it.")
@click.option("--smoke", is_flag=True, help="Also train on all workloads at scale mini (minutes).")
@click.option("--json", "json_file", metavar="FILE", help="Write the result as JSON; - for standard output.")
@click.option("--strict", is_flag=True, help="Also fail on warnings.")
def check(
    submission: Path,
    framework: Framework | None,
    ruleset: Ruleset | None,
    search_space: Path | None,
    track: Track | None,
    version_name: str,
    static_only: bool,
    smoke: bool,
    json_file: str | None,
    strict: bool,
) -> None:
    """Check whether SUBMISSION, a folder or a .py file, keeps the rules, before any compute is spent on it.

    First its files are read without importing them. Then it trains small models in processes
    of their own. Every finding has the number of a rule in docs/rules.md. Exit code 8 if there are errors.
    """
    from algoperf.errors import ChecksFailed

    result = check_submission(
        submission, framework=framework, ruleset=ruleset, search_space=search_space, track=track,
        version_name=version_name, static_only=static_only, smoke=smoke,
    )  # fmt: skip
    if json_file == "-":
        click.echo(result.as_json())
    else:
        click.echo(as_callable(result.as_text()))
    if json_file not in (None, "-"):
        from algoperf.data.files import write_file

        write_file(Path(json_file), result.as_json().encode() + b"\n")
        click.echo(f"Wrote {json_file}")
    bad = result.findings if strict else result.errors
    if bad:
        from algoperf_check.report import in_order

        numbers = sorted({finding.rule.number for finding in bad}, key=in_order)
        raise ChecksFailed(f"{result.request.name} does not keep the rules: {', '.join(numbers)}.")


def check_submission(
    submission: Path,
    *,
    framework: Framework | None = None,
    ruleset: Ruleset | None = None,
    search_space: Path | None = None,
    track: Track | None = None,
    version_name: str,
    static_only: bool = False,
    smoke: bool = False,
) -> Report:
    """The result of checking a submission. Raises UserError for arguments that do not go together."""
    from algoperf.errors import UserError, did_you_mean_path
    from algoperf.submission.loading import submission_file
    from algoperf.submission.model import find_model, model_framework
    from algoperf.submission.track import is_model
    from algoperf.versions import load_version

    if importlib.util.find_spec("algoperf_check") is None:
        raise UserError("A cube's image has no `algoperf check`. Run it from the repository, or install the package.")
    from algoperf_check.report import Report
    from algoperf_check.request import CheckRequest, infer_ruleset
    from algoperf_check.static.framework import infer_framework

    if static_only and smoke:
        raise UserError("--smoke runs the submission and --static-only does not. Give one of them.")
    if search_space is not None and (ruleset == "self" or track == "model"):
        raise UserError("--search-space is for external tuning; self-tuning has no search space. Leave one out.")
    if search_space is not None and not search_space.is_file():
        raise UserError(f"There is no search space {search_space}.{did_you_mean_path(search_space)} Give a JSON file.")
    track = track or ("model" if is_model(submission) else "algorithm")
    model = find_model(submission) if track == "model" else None
    file = submission_file(submission) if model is None else model.file(model_framework(model, framework))
    framework = model_framework(model, framework) if model else framework
    framework = framework or infer_framework(file, required=not static_only)
    static_only = static_only or framework is None  # a submission whose code is unreadable cannot run either
    request = CheckRequest(
        submission=submission,
        framework=framework,
        ruleset="self" if model else ruleset or ("external" if search_space is not None else infer_ruleset(file)),
        track=track,
        version=load_version(version_name),
        smoke=smoke,
        given_space=search_space,
    )
    from algoperf_check import static
    from algoperf_check.static import interface

    found, missing = static.run(request), list(interface.check(request))
    if static_only or missing:
        return Report(request, True, (*found, *missing))
    return Report(request, False, (*found, *_tried(request)))


def _tried(request: CheckRequest) -> list[Finding]:
    """What is found when the submission runs."""
    from algoperf_check import probe
    from algoperf_check.probe import models

    click.echo("The code was read. Running it on small workloads; --static-only skips this.", err=True)
    return probe.run(request) if request.track == "algorithm" else models.run(request)
