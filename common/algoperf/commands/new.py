"""`algoperf new`: writes a submission to start from."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from algoperf.commands import options

if TYPE_CHECKING:
    from algoperf.submission.track import Track
    from algoperf.tuning.ruleset import Ruleset
    from algoperf.workload.definition import Framework


@click.command()
@click.argument("name")
@click.option(
    "--framework", type=options.Choice(["jax", "pytorch"]), required=True, help="Framework of the submission."
)
@click.option(
    "--ruleset",
    type=options.Choice(["external", "self"]),
    help="external: the harness chooses hyperparameters from a search space. self: the submission does, as in the "
    "model track.",
)
@click.option(
    "--track",
    type=options.Choice(["algorithm", "model"]),
    default="algorithm",
    show_default=True,
    help="model: a model for fixed data instead of an algorithm for fixed models.",
)
@click.option("--workload", help="The model track only: the data set that the model is for.  [default: digits]")
@click.option("--authors", help="For the leaderboard.  [default: your name in git, else your login]")
@click.option(
    "--output-dir",
    type=options.Place(file_okay=False),
    default="submissions",
    show_default=True,
    help="Folder above external_tuning, self_tuning and models.",
)
def new(
    name: str, framework: Framework, ruleset: Ruleset | None, track: Track, workload: str | None, authors: str | None,
    output_dir: Path,
) -> None:  # fmt: skip
    """Write a small submission that runs unchanged, in external_tuning, self_tuning or models below OUTPUT_DIR.

    NAME is the name under which runs are filed: lower-case letters, digits and _.
    """
    from algoperf.errors import UserError
    from algoperf.submission.new import FIRST_WORKLOAD, NewSubmission, create, default_authors
    from algoperf.submission.track import MODELS_FOLDER
    from algoperf.tuning.ruleset import RULESET_FOLDERS

    if track == "model" and ruleset == "external":
        raise UserError("The model track has no search spaces: leave --ruleset out, or say --ruleset self.")
    if track == "algorithm" and ruleset is None:
        raise click.MissingParameter(param=next(option for option in new.params if option.name == "ruleset"))
    if track == "algorithm" and workload is not None:
        raise UserError("--workload is for --track model: an algorithm is written for all workloads. Leave it out.")
    ruleset, workload = ruleset or "self", workload or FIRST_WORKLOAD
    folder = output_dir / (MODELS_FOLDER if track == "model" else RULESET_FOLDERS[ruleset]) / name
    wanted = NewSubmission(
        folder=folder, framework=framework, ruleset=ruleset, authors=authors or default_authors(), track=track,
        workload=workload,
    )  # fmt: skip
    for file in create(wanted, output_dir):
        click.echo(f"Wrote {file}")
    if track == "model":
        entry = f"MODEL={folder}"
        data = f"{entry} SCALE=mini" if workload == FIRST_WORKLOAD else f"{entry} WORKLOADS={workload} SCALE=mini"
        commands = [f"train {data}", f"compare {data}", f"smoke {entry}", f"check {entry}"]
        more = "Without SCALE=mini, the whole data set is used. The rules: docs/model-track.md"
    else:
        entry = f"SUBMISSION={folder}" if ruleset == "self" else f"SUBMISSION={folder} RULESET={ruleset}"
        commands = [f"{target} {entry}" for target in ("train", "compare", "smoke", "check")]
        more = "From here to the leaderboard: docs/submitting.md"
    click.echo("\n".join(["Next:", *(f"  make {command}" for command in commands), more]))
