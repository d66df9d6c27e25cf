"""The command line, `algoperf`. Commands are imported on use, so that help is fast."""

from __future__ import annotations

import os
import sys

import click

from algoperf.commands.lazy_group import LazyGroup

COMMANDS = {
    "new": "Write a submission to start from.",
    "workloads": "List the workloads and their targets.",
    "download": "Fetch the raw data of a workload.",
    "preprocess": "Turn raw data into a store that training reads.",
    "contact-sheet": "Draw the pictures that a model sees.",
    "check": "Check whether a submission keeps the rules.",
    "train": "Train a submission on a workload, under the clock.",
    "train-all": "Train a submission on several workloads, studies and trials.",
    "compare": "Train a submission and a baseline here, in turn, and compare.",
    "campaign": "Plan many runs, and carry them out here, on a cluster or in clouds.",
    "targets": "Find the targets of a workload by the benchmark's protocol.",
    "status": "Show where the runs in a folder stand.",
    "smoke": "Train a submission on every workload at scale mini.",
    "evaluate": "Evaluate checkpoints again, without the submission.",
    "score": "Compare the runs of submissions.",
    "export": "Show runs in TensorBoard or Weights & Biases.",
    "report": "Write a comparison as one HTML page to explore.",
    "check-runs": "Check the records of runs against the rules and against each other.",
}


_INTERRUPTED = 130  # as `Status.INTERRUPTED`, and as shells have it


class _Commands(LazyGroup):
    table = COMMANDS


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="algoperf")
def cli() -> None:
    """AlgoPerf: which training algorithm reaches a fixed target fastest?"""


def main(arguments: list[str] | None = None) -> None:
    """Run the command line; an AlgoperfError becomes a message and an exit code, without a traceback."""
    try:
        from algoperf.errors import AlgoperfError, explaining_bad_paths, explaining_full_disk
        from algoperf.make_words import CALLED_BY_MAKE, in_words_of_the_caller
        from algoperf.system import follow_caller
    except KeyboardInterrupt:
        sys.exit(_INTERRUPTED)
    follow_caller()
    try:
        with explaining_bad_paths(), explaining_full_disk():
            sys.exit(cli.main(args=arguments, prog_name="algoperf", standalone_mode=False) or 0)
    except AlgoperfError as error:
        click.echo(f"error: {in_words_of_the_caller(str(error))}", err=True)
        sys.exit(error.exit_code)
    except click.ClickException as error:
        if os.environ.get(CALLED_BY_MAKE):
            click.echo(f"error: {in_words_of_the_caller(error.format_message())}", err=True)
        else:
            error.show()
        sys.exit(error.exit_code)
    except click.Abort:
        click.echo("interrupted", err=True)
        sys.exit(_INTERRUPTED)
