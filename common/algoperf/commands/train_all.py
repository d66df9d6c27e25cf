"""`algoperf train-all`: many trials of one submission, one after another."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from algoperf.commands import options
from algoperf.commands.entry import complete
from algoperf.commands.train import arguments, train

if TYPE_CHECKING:
    from algoperf.sequence import Outcome, PlannedTrial
    from algoperf.workload.definition import Framework

ONE_TRIAL = ("workload", "study", "trial")
"""Options of `algoperf train` that say which trial it is."""


@click.command("train-all")
@options.workloads
@options.studies
@options.trials
@options.raw_dir
def train_all(workloads: str, studies: int, trials: int, raw_dir: Path, **given: Any) -> None:
    """Train a submission on several workloads, in several studies and trials, one trial after another.

    Makes missing data first. Finished trials are not repeated, interrupted ones are resumed, and one that
    fails does not keep the others from running. A summary says what failed where. The exit code is that of the
    failed trials, or 1 if they have different ones. Nothing is trained if one of these trials is there with
    other code or settings, and no other trial begins once the submission is edited.
    """
    from algoperf import sequence

    given = complete(given, train_all)
    trials = 1 if given["ruleset"] == "self" else trials
    places = [
        (workload, study, trial)
        for workload in split_workloads(workloads)
        for study in range(1, studies + 1)
        for trial in range(1, trials + 1)
    ]
    planning = Planning([partial(plan_trial, given, *place) for place in places])
    if given["resume"]:
        sequence.refuse_other_code(planning.trials, planning.identities)
    outcome = sequence.run(
        planning.trials, sequence.DataPlace(given["scale"], raw_dir, given["data_dir"]), planning.edits
    )
    if len(planning.trials) > 1:
        click.echo(outcome.summary(), err=bool(outcome.exit_code or outcome.edits))
    planning.refuse_edited(outcome)
    sys.exit(outcome.exit_code)


train_all.params += [option for option in train.params if option.name not in ONE_TRIAL]


class Planning:
    """Planned trials, which can be planned again to see whether somebody has edited what they are of.

    Attributes:
      trials: as they were planned.
      identities: theirs, as they were then.
      edited: the submission that was looked at last, which is the edited one if there is one.
    """

    def __init__(self, plans: Sequence[Callable[[], PlannedTrial]]) -> None:
        self._plans = plans
        self.trials = [plan() for plan in plans]
        self.identities = [trial.settings.identity() for trial in self.trials]
        self.edited = ""

    def edits(self, number: int) -> list[str]:
        """What is not as it was when this trial, and the next one of any other submission, was planned; a line each."""
        following: dict[str, int] = {}
        for each, trial in enumerate(self.trials[number:], start=number):
            following.setdefault(trial.settings.submission, each)
        for self.edited, each in following.items():
            if lines := edits(self.identities[each], self._plans[each]):
                return lines
        return []

    def refuse_edited(self, outcome: Outcome) -> None:
        """Raise UserError if the sequence ended because of an edit."""
        from algoperf.errors import UserError

        if not outcome.edits:
            return
        raise UserError(
            f"The code of {self.edited} was edited while its trials went on, so no other was begun:\n"
            + "\n".join(outcome.edits)
            + "\nTo go on with the code as it was, restore it and give the same command again. For the new code, "
            "choose another --output-dir, or start over with --no-resume."
        )


def edits(identity: Mapping[str, Any], plan: Callable[[], PlannedTrial]) -> list[str]:
    """What is not as it was when a trial had this identity, a line each; it is planned anew, with its search space."""
    from algoperf.errors import AlgoperfError
    from algoperf.trial.settings import difference_in_words, identity_differences

    try:
        settings = plan().settings
    except AlgoperfError as error:
        return [f"  it cannot be read: {error}"]
    now, folder = settings.identity(), settings.submission_file.parent
    return [difference_in_words(key, identity, now, folder) for key in identity_differences(identity, now)]


def split_workloads(names: str) -> list[str]:
    """The names or folders in a comma-separated list, each once. Raises UserError if there is none."""
    from algoperf.errors import UserError

    parts = [part.strip() for part in names.split(",") if part.strip()]
    if not parts:
        raise UserError("No workload is given. Name at least one with --workloads, such as digits.")
    return list(dict.fromkeys(parts))


def plan_trial(
    given: dict[str, Any], workload: str, study: int, trial: int, framework: Framework | None = None
) -> PlannedTrial:
    """One trial of a plan with the options of `algoperf train`. Raises UserError if they do not allow it.

    `framework` is what the submission is trained in, if that has been found out already.
    """
    from algoperf.sequence import PlannedTrial
    from algoperf.system import algoperf_command
    from algoperf.trial.request import Request, settle

    given = {**given, "framework": framework} if framework else complete(given, train)
    values = {
        **{option.name: given[option.name] for option in train.params if option.name not in ONE_TRIAL},
        "workload": workload,
        "study": study,
        "trial": trial,
    }
    if given["ruleset"] == "self" and study > 1:  # any number of studies may be asked for: no points depend on it
        values["num_studies"] = max(study, given["num_studies"] or 0)
    settings = settle(Request(**values))
    number = f"study {study}" if given["ruleset"] == "self" else f"study {study}, trial {trial}"
    context = click.Context(train)
    context.params = values
    title = f"{settings.submission} on {settings.definition.name}, {number}"
    return PlannedTrial(title, settings, algoperf_command("train", *arguments(context)))
