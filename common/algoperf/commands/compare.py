"""`algoperf compare`: trains two submissions in turn on this machine, and compares their times."""

from __future__ import annotations

import sys
from collections.abc import Collection
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from algoperf.commands import baselines, options
from algoperf.commands.entry import complete
from algoperf.commands.train import train
from algoperf.commands.train_all import ONE_TRIAL, Planning, plan_trial, split_workloads
from algoperf.make_words import as_callable, in_words_of_the_caller
from algoperf.submission.track import PUBLISHED

if TYPE_CHECKING:
    from algoperf.sequence import PlannedTrial
    from algoperf.workload.definition import Framework
    from algoperf_scoring.disturbance import Kind

DEFAULT_BASELINE = "nadamw"
_FIXED = {"skip_evals": False, "to_the_end": False}


@click.command()
@click.option(
    "--with",
    "baseline",
    help="A baseline by name (by itself, in the submission's framework), or a path.  [default: "
    f"{DEFAULT_BASELINE}; with --model: {PUBLISHED}, the benchmark's model and NAdamW]",
)
@options.workloads
@options.studies
@options.trials
@options.raw_dir
@click.option(
    "--output-dir",
    type=options.Place(file_okay=False),
    default="comparison",
    show_default=True,
    help="Root of the run folders of both.",
)
def compare(
    baseline: str | None, workloads: str, studies: int, trials: int, raw_dir: Path, output_dir: Path, **given: Any
) -> None:
    """Train a submission and a baseline on this machine, in turn, and compare their times to target.

    In the model track, --model: a model and the published one, or another model.

    Study 1 of one is followed by study 1 of the other, then come both studies 2, and so on; which one begins
    alternates. So what the machine does meanwhile meets both. The same command goes on after an interruption; with
    --no-resume both start over, and their earlier runs are kept aside. Runs of other code are refused.
    """
    from algoperf import sequence
    from algoperf.commands.scoring_options import require_scoring
    from algoperf.errors import UserError
    from algoperf.trial import folder

    require_scoring()
    mine, other = _sides({**given, "output_dir": output_dir, "resume": True}, baseline)
    trials = 1 if mine["ruleset"] == "self" else trials
    plans = [
        partial(plan_trial, side, workload, study, trial)
        for workload in split_workloads(workloads)
        for study in range(1, studies + 1)
        for side in ((mine, other) if study % 2 else (other, mine))
        for trial in range(1, trials + 1)
    ]
    planning = Planning(plans)
    planned, identities = planning.trials, planning.identities
    names = {trial.settings.submission for trial in planned}
    if len(names) == 1:
        raise UserError(f"Both submissions are called {names.pop()!r}, the name of their run folders. Rename one.")
    if not given["resume"]:  # all at once: an interrupted comparison must not mix runs of old and new code
        folder.set_aside(trial.settings.directory for trial in planned)
    sequence.refuse_other_code(planned, identities)
    outcome = sequence.run(planned, sequence.DataPlace(given["scale"], raw_dir, given["data_dir"]), planning.edits)
    click.echo(f"{outcome.summary()}\n")
    planning.refuse_edited(outcome)
    sequence.refuse_other_code(planned, identities)  # it may have been edited while one of the trials began
    click.echo(as_callable("\n".join(_lines(planned, output_dir, studies, trials))))
    sys.exit(outcome.exit_code)


compare.params += [option for option in train.params if option.name not in (*ONE_TRIAL, *_FIXED, "output_dir")]


def _sides(given: dict[str, Any], baseline: str | None) -> tuple[dict[str, Any], dict[str, Any]]:
    """The options of `algoperf train` for both submissions. The framework and the search space are the first one's."""
    mine = complete({**given, **_FIXED}, compare)
    if mine["model"] is not None:
        model = Path(baseline or PUBLISHED)
        return mine, {**mine, "model": model, "framework": _framework(model, mine["framework"])}
    other = {
        "submission": baselines.find(baseline or DEFAULT_BASELINE, mine["framework"]),
        "framework": None,
        "search_space": None,
    }
    return mine, {**mine, **other}


def _framework(other: Path, wanted: Framework) -> Framework | None:
    """What another model is trained in: the same if it is written in that; None for what it is written in."""
    from algoperf.submission.model import find_model

    model = find_model(other)
    return wanted if model is None or wanted in model.frameworks else None


def _lines(planned: list[PlannedTrial], root: Path, studies: int, trials: int) -> list[str]:
    """What the comparison found on each workload."""
    from algoperf_scoring.disturbance import disturbances, in_words
    from algoperf_scoring.paired import Side, describe, hosts, read_pairs, statuses

    sides = [Side(trial.settings.submission, trial.settings.framework) for trial in planned]
    first = sides[0]
    second = next(side for side in sides if side != first)
    lines: list[str] = []
    disturbed: list[Collection[Kind]] = []
    num_runs = 0
    for workload in dict.fromkeys(trial.settings.definition.name for trial in planned):
        place = (root, (first, second), workload, studies, trials)
        found = hosts(*place)
        if len(found) > 1:
            lines.append(f"Not one machine: {', '.join(sorted(found))}. Times from different hardware do not compare.")
        lines += describe(workload, read_pairs(*place), first.name, second.name)
        recorded = [disturbances(status) for status in statuses(*place)]
        disturbed += [kinds for kinds in recorded if kinds]
        num_runs += len(recorded)
    if disturbed:
        remedy = "Seconds that decide come from an idle machine: start over there with --no-resume."
        lines += ["", in_words_of_the_caller(f"{in_words(disturbed, num_runs)} {remedy}")]
    return [*lines, "", f"Runs: {root}. The same command goes on; `algoperf score {root}` has all numbers."]
