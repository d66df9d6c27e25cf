"""`algoperf new`: writes a submission to start from."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from algoperf.commands import options

if TYPE_CHECKING:
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
    required=True,
    help="external: the harness chooses hyperparameters from a search space. self: the submission does.",
)
@click.option("--authors", help="For the leaderboard.  [default: your name in git, else your login]")
@click.option(
    "--output-dir",
    type=options.Place(file_okay=False),
    default="submissions",
    show_default=True,
    help="Folder above external_tuning and self_tuning.",
)
def new(name: str, framework: Framework, ruleset: Ruleset, authors: str | None, output_dir: Path) -> None:
    """Write a small submission that runs unchanged: OUTPUT_DIR/{external,self}_tuning/NAME/.

    NAME is the name under which runs are filed: lower-case letters, digits and _.
    """
    from algoperf.submission.new import NewSubmission, create, default_authors
    from algoperf.tuning.ruleset import RULESET_FOLDERS

    folder = output_dir / RULESET_FOLDERS[ruleset] / name
    authors = authors or default_authors()
    wanted = NewSubmission(folder=folder, framework=framework, ruleset=ruleset, authors=authors)
    for file in create(wanted, output_dir):
        click.echo(f"Wrote {file}")
    click.echo(
        "Next:\n"
        f"  make train SUBMISSION={folder} FRAMEWORK={framework} RULESET={ruleset} WORKLOADS=digits\n"
        f"  make smoke SUBMISSION={folder} FRAMEWORK={framework} RULESET={ruleset}\n"
        "From here to the leaderboard: docs/submitting.md"
    )
