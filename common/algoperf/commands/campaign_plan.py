"""`algoperf campaign plan`: all runs of a campaign, fixed."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from algoperf.commands import campaign_options, options
from algoperf.commands.train import train
from algoperf.commands.train_all import plan_trial, split_workloads
from algoperf.make_words import CALLED_BY_MAKE
from algoperf.system import in_short

if TYPE_CHECKING:
    from algoperf.campaigns.manifest import Manifest
    from algoperf.campaigns.plan import Trial
    from algoperf.campaigns.site import Site
    from algoperf.workload.definition import Framework


@click.command("plan")
@click.option(
    "--submissions",
    required=True,
    help="Folders of submissions, or .py files, comma-separated. With --track model: folders of models, and "
    "'published' for the benchmark's own, which speedups refer to.",
)
@click.option("--workloads", help="Names or folders of cubes, comma-separated.  [default: the scored ones]")
@options.studies
@options.trials
@click.option("--track", type=options.Choice(["algorithm", "model"]), default="algorithm", show_default=True,
              help="algorithm: training algorithms on fixed models. model: models on fixed data.")  # fmt: skip
@options.framework
@click.option(
    "--ruleset",
    type=options.Choice(["external", "self"]),
    default="self",
    show_default=True,
    help="external: the harness chooses hyperparameters from a search space. self: the submission does.",
)
@click.option(
    "--seed", type=options.Whole(0, options.MOST), default=0, show_default=True, help="All randomness follows from it."
)
@options.scale
@options.version
@options.raw_dir
@options.data_dir
@click.option(
    "--output",
    type=options.Place(file_okay=False),
    default="campaign",
    show_default=True,
    help="Folder of the campaign.",
)
@click.option(
    "--launcher",
    type=options.Choice(["process", "docker", "podman", "apptainer", "mlcube"]),
    default="process",
    show_default=True,
    help="What every run is started in; only containers protect the machine from submissions.",
)
@click.option("--accelerator", default="cpu", show_default=True, help="Which image of a cube: cpu, cu126, cu130.")
@click.option("--retries", type=options.Whole(0, 100), default=2, show_default=True,
              help="How often a run is tried again after a failure that may pass.")  # fmt: skip
@click.option(
    "--ladder",
    is_flag=False,
    flag_value="",
    metavar="[mini=N,qualification=N]",
    help="First scale mini, then the qualification set, then everything; each step only for submissions that reach N "
    "targets of the step before.  [default: no ladder; N is half of the targets at scale mini, and 1]",
)
@click.option(
    "--qualification",
    help="Workloads of the ladder's second step, comma-separated.  [default: the version's qualification set]",
)
@click.option("--max-global-steps", type=options.Whole(1), help="Stop runs after this many steps (unofficial).")
@click.option("--eval-every-steps", type=options.Whole(1),
              help="Evaluate by steps instead of by time (unofficial).")  # fmt: skip
@click.option(
    "--logs",
    type=options.Place(file_okay=False),
    multiple=True,
    help="Recorded runs to estimate times from; may be given several times.  [default: the recorded baselines]",
)
@campaign_options.planned_engine
@campaign_options.site
def campaign_plan(
    submissions: str, workloads: str | None, studies: int, trials: int, output: Path, engine_name: str | None,
    site: Path | None, **given: Any,
) -> None:  # fmt: skip
    """Fix every run of a campaign, and say how long they take: at most, and probably.

    Writes OUTPUT/manifest.json. Nothing is trained and no data is needed. The same plan may be made again; a plan that
    differs from the one in OUTPUT is refused with the difference once a run has begun.
    """
    from algoperf.campaigns.folder import MANIFEST, place_plan
    from algoperf.campaigns.manifest import read_manifest
    from algoperf.campaigns.site import read_site

    settings = read_site(site)
    manifest = _manifest(split_paths(submissions), workloads, studies, trials, output, given)
    file = output / MANIFEST
    conflict = f"{output} holds a campaign whose first run has begun:"
    remedy = "Undo the change, or give the new plan another folder: --output FOLDER"
    is_begun = place_plan(output, manifest, conflict, remedy)
    _show(read_manifest(file), settings)
    # make runs it
    then = "" if os.environ.get(CALLED_BY_MAKE) else f". Next: {_next_command(output, engine_name, site, settings)}"
    click.echo(f"{'As planned before: ' if is_begun else ''}{file}{then}")


def _next_command(output: Path, engine: str | None, site: Path | None, settings: Site) -> str:
    """The command that carries the plan out, with the engine that is asked for, or that alone has settings."""
    from algoperf.campaigns.site import Site
    from algoperf.text import typed

    known = [name for name in ("slurm", "skypilot") if getattr(settings, name) != getattr(Site(), name)]
    engine = engine or (known[0] if len(known) == 1 else None)
    words = [f"--engine {engine}"] if engine else []
    words += [f"--site {typed(site)}"] if site is not None else []
    return " ".join(["algoperf campaign run", typed(output), *words])


def split_paths(text: str) -> list[Path]:
    """The paths in a comma-separated list, each once. Raises UserError if there is none."""
    from algoperf.errors import UserError

    parts = [part.strip().rstrip("/") for part in text.split(",") if part.strip()]
    if not parts:
        raise UserError("No submission is given. Name at least one, such as submissions/template.")
    return [Path(part) for part in dict.fromkeys(parts)]


def _manifest(
    submissions: list[Path], workloads: str | None, studies: int, trials: int, output: Path, given: dict[str, Any]
) -> Manifest:
    from algoperf.campaigns.folder import runs_dir
    from algoperf.campaigns.ladder import climb, parse_needed
    from algoperf.campaigns.manifest import MINI
    from algoperf.campaigns.outcomes import Rules
    from algoperf.campaigns.plan import PlanRequest, Trial, in_turn, make_manifest
    from algoperf.errors import UserError

    request = PlanRequest(
        version=given["version_name"],
        ruleset=given["ruleset"],
        scale=given["scale"],
        launcher=given["launcher"],
        accelerator=given["accelerator"],
        rules=Rules(retries=given["retries"]),
        data_dir=given["data_dir"],
        raw_dir=given["raw_dir"],
        logs=_logs(given),
        track=given["track"],
    )
    # Options of `algoperf train` that a campaign does not have keep their defaults.
    defaults = train.make_context("train", ["--workload", "-", "--submission", "-", "--ruleset", "self"]).params
    options_of_train = {
        **defaults,
        "share": False,
        **{name: given[name] for name in ("ruleset", "seed", "scale", "version_name", "data_dir", "max_global_steps",
                                          "eval_every_steps")},
        "num_studies": max(studies, _version_studies(request.version)) if given["ruleset"] == "external" else None,
        "num_trials": None if trials <= _version_trials(request.version) else trials,
        "framework": None,
    }  # fmt: skip
    frameworks = _frameworks(submissions, given["track"], given["framework"])
    named = "submission" if given["track"] == "algorithm" else "model"

    def planned(studies: int, scale: str, step: str = "") -> list[Trial]:
        options = {**options_of_train, "scale": scale, "output_dir": runs_dir(output, step)}
        found = in_turn(
            submissions,
            _workloads(workloads, request.version),
            studies,
            1 if given["ruleset"] == "self" else trials,
            lambda submission, workload, study, trial: plan_trial(
                {**options, "submission": None, named: submission}, workload, study, trial, frameworks[submission]
            ),
        )
        return [Trial(each.settings, in_short(each.command)) for each in found]

    if given["ladder"] is None:
        if given["qualification"] is not None:
            raise UserError("--qualification is for --ladder.")
        return make_manifest(request, planned(studies, request.scale), {})
    mini = [] if request.scale == "mini" else planned(1, "mini", MINI)
    qualifying = _qualifying(given["qualification"], request.version)
    return make_manifest(
        request, *climb(mini, planned(studies, request.scale), qualifying, parse_needed(given["ladder"]))
    )


def _frameworks(submissions: list[Path], track: str, asked: Framework | None) -> dict[Path, Framework]:
    """What each submission is trained in. The published model is trained in the framework of the submitted ones.

    Raises UserError if a submission is not of the track, or if its framework cannot be known.
    """
    from algoperf.errors import UserError
    from algoperf.submission.framework import framework_to_train
    from algoperf.submission.model import find_model, model_framework
    from algoperf.submission.track import is_model

    if track == "algorithm":
        if given := [str(path) for path in submissions if is_model(path)]:
            raise UserError(
                f"{', '.join(given)}: models are the model track's, and never compared with training algorithms. "
                "Plan them in a campaign of their own, with --track model."
            )
        return {path: framework_to_train(path, asked) for path in submissions}
    models = {path: find_model(path) for path in submissions}
    found = {path: model_framework(model, asked) for path, model in models.items() if model is not None}
    others = set(found.values())
    reference = asked or (others.pop() if len(others) == 1 else None)
    return {path: found.get(path) or model_framework(None, reference) for path in submissions}


def _workloads(given: str | None, version: str) -> list[str]:
    """The workloads that are given, or else all scored ones."""
    from algoperf.versions import load_version

    return split_workloads(given) if given is not None else list(load_version(version).scored)


def _qualifying(given: str | None, version: str) -> list[str]:
    """The workloads of the ladder's second step, by name."""
    from algoperf.versions import load_version
    from algoperf.workload.registry import find_workload

    if given is None:
        return list(load_version(version).qualification)
    return [find_workload(name).name for name in split_workloads(given)]


def _show(manifest: Manifest, site: Site) -> None:
    """A line per workload and framework, and one per submission."""
    from algoperf.campaigns.ladder import step_text
    from algoperf.campaigns.manifest import THREADS
    from algoperf.campaigns.plan import ALL, STEP, totals
    from algoperf.text import counted, duration

    for step in manifest.ladder.get("steps", []):
        click.echo(f"ladder: {step_text(step)}")
    for name, workload in manifest.workloads.items():
        for framework, seconds in workload["seconds"].items():
            click.echo(
                f"{name} ({framework}): a run takes at most {duration(seconds['at_most'])}, probably "
                f"{duration(seconds['probably'])} ({seconds['known_from']})"
            )
    if manifest.threads:
        click.echo(f"every run: {counted(manifest.threads, 'thread')} ({THREADS})")
    for name, row in totals(manifest).items():
        price = site.price_per_hour
        cost = "" if price is None else (
            f", {row['probably'] * price:,.2f} to {row['at_most'] * price:,.2f} {site.currency}"
        )  # fmt: skip
        title = name.removeprefix(".") if name == ALL or name.startswith(STEP) else f"submission {name}"
        click.echo(
            f"{title}: {counted(int(row['runs']), 'run')}, at most {duration(3600 * row['at_most'])} of a "
            f"machine, probably {duration(3600 * row['probably'])}{cost}"
        )
    click.echo("Times are those of training and evaluation; the start-up of every run comes on top.")


def _logs(given: dict[str, Any]) -> dict[str, tuple[Path, ...]]:
    """By scale, the recorded runs to estimate times from: those that are given for the campaign's, else baselines.

    No baseline's times are known for models of others.
    """
    if given["track"] == "model":
        return {"mini": (), "full": (), given["scale"]: given["logs"]}
    folders = {
        scale: Path("scoring/baselines", given["version_name"], given["ruleset"], scale) for scale in ("mini", "full")
    }
    found = {scale: (folder,) if folder.is_dir() else () for scale, folder in folders.items()}
    return {**found, given["scale"]: given["logs"] or found[given["scale"]]}


def _version_studies(version: str) -> int:
    from algoperf.versions import load_version

    return load_version(version).num_studies


def _version_trials(version: str) -> int:
    from algoperf.versions import load_version

    return load_version(version).num_trials
