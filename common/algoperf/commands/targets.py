"""`algoperf targets`: the benchmark's protocol for setting the targets of a workload."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from algoperf.commands import baselines, campaign_options, options
from algoperf.commands.campaign_run import say
from algoperf.commands.train import train
from algoperf.commands.train_all import plan_trial
from algoperf.text import counted

if TYPE_CHECKING:
    from algoperf.campaigns.folder import Campaign
    from algoperf.campaigns.schedule import Pruning
    from algoperf.sequence import PlannedTrial
    from algoperf.targets.plan import PlanTrial, Setting

ALGORITHMS = "nadamw,adamw,nesterov,momentum"
_EVALUATIONS = 20


@click.command()
@options.workload
@options.scale
@click.option("--algorithms", default=ALGORITHMS, show_default=True,
              help="Baselines by name, or paths of submissions, comma-separated.")  # fmt: skip
@click.option("--framework", type=options.Choice(["jax", "pytorch"]), default="pytorch", show_default=True,
              help="What all runs are trained in.")  # fmt: skip
@click.option("--trials", type=options.Whole(0, options.MOST), default=200, show_default=True,
              help="Quasi-random points of each algorithm's published search space; 0 needs --own-points.")  # fmt: skip
@click.option("--own-points", is_flag=True,
              help="Also try the point that each baseline comes with, for self-tuning.")  # fmt: skip
@click.option("--repeats", type=options.Whole(2, options.MOST), default=20, show_default=True,
              help="Runs of the best point, with other seeds.")  # fmt: skip
@click.option(
    "--steps", type=options.Whole(1), help="Steps of every run, and of its schedule.  [default: the step hint]"
)
@click.option("--eval-every-steps", type=options.Whole(1),
              help=f"Steps between evaluations.  [default: {_EVALUATIONS} evaluations a run]")  # fmt: skip
@click.option("--ease", type=options.Number(0, 1, example="0.05"),
              help="Move both targets back by this share of the way to an untrained model, and say so.")  # fmt: skip
@click.option("--seed", type=options.Whole(0, options.MOST), default=0, show_default=True,
              help="All randomness follows from it.")  # fmt: skip
@options.version
@options.raw_dir
@options.data_dir
@click.option("--output", type=options.Place(file_okay=False), default="targets", show_default=True,
              help="Folder for all runs and results; each workload has a folder of its own there.")  # fmt: skip
@click.option("--engine", "engine_name", type=options.Choice(["local", "slurm"]),
              help="What carries the runs out.  [default: the one that did so before, else local]")  # fmt: skip
@campaign_options.site
@click.option("--at-once", type=options.Whole(1, 10_000), help="Runs at the same time, instead of the site's number.")
def targets(
    workload: str, algorithms: str, engine_name: str | None, site: Path | None, at_once: int | None,
    ease: float | None, **given: Any,
) -> None:  # fmt: skip
    """Find the targets of a workload by the benchmark's protocol, and write them as a table for a version file.

    Every algorithm tries points of its search space, all for the same number of steps. The point with the best
    validation value is repeated with other seeds. The validation target is the median of the repeats' best values, the
    test target the worst test value of those that reached it.

    Call it again after any accident: it goes on. Writes targets.toml, targets.json and targets.html to
    OUTPUT/WORKLOAD. Exit code 130 after a signal.
    """
    from algoperf.commands.scoring_options import require_scoring
    from algoperf.targets import plan, result, runs, untrained
    from algoperf.targets.protocol import choose

    require_scoring()
    from algoperf_scoring.metric_range import RANGES
    from algoperf_scoring.report import targets_page

    setting = _setting(workload, algorithms, given)
    limits, plan_one = setting.limits, _planner(setting)
    machine = (engine_name, site, at_once)
    search = plan.search(setting, plan_one)
    say(f"Search: {counted(len(search.manifest.runs), 'run')} of {counted(setting.steps, 'step')} in {search.path}.")
    low, high = RANGES.get(limits.metric, (float("-inf"), float("inf")))
    _carry_out(search, machine, runs.Saturation(search, limits, high if limits.goal == "max" else low))
    chosen = choose(runs.read_curves(search, limits), limits.goal)
    repeats = plan.repeats(setting, chosen, plan_one)
    say(f"Best: {chosen.run}. Repeats: {counted(len(repeats.manifest.runs), 'run')} in {repeats.path}.")
    _carry_out(repeats, machine, None)
    found = result.result(setting, search, repeats, ease or 0.0, untrained.untrained(setting) if ease else None)
    files = result.write(setting.output, found)
    files.append(targets_page.write_page(found, result.provenance(found), setting.output / "targets.html"))
    say(result.table(found))
    say(f"Written: {', '.join(map(str, files))}")


def _setting(workload: str, algorithms: str, given: dict[str, Any]) -> Setting:
    """What to run. Raises UserError if it is not clear."""
    from algoperf.errors import UserError
    from algoperf.targets.plan import Setting
    from algoperf.versions import load_version
    from algoperf.versions.version import with_cube_limits
    from algoperf.workload.registry import find_workload

    if not given["trials"] and not given["own_points"]:
        raise UserError("With --trials 0 there is no point to try. Add --own-points, or allow at least one trial.")
    definition = find_workload(workload)
    version = with_cube_limits(load_version(given.pop("version_name")), definition.folder)
    limits = version.limits(definition.name, given["scale"])
    steps = given.pop("steps") or limits.step_hint
    every = given.pop("eval_every_steps") or max(1, steps // _EVALUATIONS)
    return Setting(
        workload=workload,
        version=version,
        limits=limits,
        algorithms=_algorithms(algorithms, given["framework"]),
        steps=steps,
        eval_every_steps=every,
        **{**given, "output": given["output"] / definition.name},
    )


def _algorithms(names: str, framework: str) -> tuple[Path, ...]:
    """The submissions that are meant. Raises UserError if one is for the other framework."""
    from algoperf.errors import UserError
    from algoperf.submission.framework import framework_to_train

    given = list(dict.fromkeys(name.strip() for name in names.split(",") if name.strip()))
    if not given:
        raise UserError(f"No algorithm is given. Name at least one with --algorithms, such as {ALGORITHMS}.")
    paths = [baselines.find(name if Path(name).exists() else f"{name}_{framework}") for name in given]
    for name, path in zip(given, paths, strict=True):
        if not path.exists():
            raise UserError(
                f"There is no baseline {name!r} in {framework}, and no such path. See submissions/baselines."
            )
        framework_to_train(path, framework)  # type: ignore[arg-type]
    return tuple(paths)


def _planner(setting: Setting) -> PlanTrial:
    """A function that plans a trial of the search or of the repeats."""
    from algoperf.targets.plan import train_options

    # Options of `algoperf train` that these runs do not have keep their defaults.
    defaults = train.make_context("train", ["--workload", "-", "--submission", "-", "--ruleset", "self"]).params

    def plan(name: str, more: dict[str, Any], study: int, trial: int) -> PlannedTrial:
        given = {**defaults, **train_options(setting), "output_dir": setting.output / name / "runs", **more}
        return plan_trial(given, setting.workload, study, trial, setting.framework)

    return plan


def _carry_out(
    campaign: Campaign, machine: tuple[str | None, Path | None, int | None], pruning: Pruning | None
) -> None:
    """Carry a campaign out; exit unless all of its runs end by the rules."""
    from algoperf.campaigns import schedule, staging
    from algoperf.campaigns.folder import STAGING
    from algoperf.campaigns.used_engine import choose, remember

    with campaign.locked():
        name, settings = choose(campaign, *machine)
        (campaign.path / STAGING).unlink(missing_ok=True)
        engine = remember(campaign, name, settings)
        staging.stage(campaign, say)
        code = schedule.carry_out(campaign, engine, say, pruning)
    if code:
        say("The same command goes on where this one has stopped.")
        sys.exit(code)
