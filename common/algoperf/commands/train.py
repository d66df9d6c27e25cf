"""`algoperf train`: one trial."""

from __future__ import annotations

import sys
from typing import Any

import click

from algoperf.commands import options
from algoperf.commands.entry import complete


@click.command()
@options.workload
@options.framework
@click.option("--submission", type=options.Place(), help="A folder with a submission.py, or a .py file.")
@click.option(
    "--model",
    type=options.Place(),
    help="The model track, instead of --submission: a folder with model_jax.py or model_torch.py, or 'published'.",
)
@click.option(
    "--ruleset",
    type=options.Choice(["external", "self"]),
    help="external: the harness chooses hyperparameters from a search space. self: the submission does, as in the "
    "model track.",
)
@click.option(
    "--search-space",
    type=options.Place(),
    help="External ruleset only.  [default: tuning_search_space.json in the submission's folder]",
)
@click.option("--study", type=options.Whole(0), default=1, show_default=True, help="Number of the study.")
@click.option("--trial", type=options.Whole(1), default=1, show_default=True, help="Number of the trial.")
@click.option("--num-studies", type=options.Whole(1), help="Studies in all.  [default: the version's]")
@click.option("--num-trials", type=options.Whole(1), help="Trials per study.  [default: the version's]")
@click.option("--seed", type=options.Whole(0), default=0, show_default=True, help="All randomness follows from it.")
@options.scale
@options.version
@options.data_dir
@options.output_dir
@click.option("--max-global-steps", type=options.Whole(1), help="Stop after this many steps.")
@click.option(
    "--eval-every-steps",
    type=options.Whole(1),
    help="Evaluate by steps instead of by time (unofficial).",
)
@click.option("--skip-evals", is_flag=True, help="Never evaluate.")
@click.option(
    "--to-the-end",
    is_flag=True,
    help="Let neither targets nor a budget end the trial, only --max-global-steps, which is the step hint as well "
    "(unofficial).",
)
@click.option("--resume/--no-resume", default=True, show_default=True, help="Resume the trial found, or start over.")
@click.option(
    "--checkpoints",
    type=options.Choice(["last", "all", "none"]),
    default="last",
    show_default=True,
    help="Which checkpoints to keep.",
)
@click.option(
    "--torch-compile",
    "compile_policy",
    type=options.Choice(["auto", "on", "off"]),
    default="auto",
    show_default=True,
    help="auto: as published, on GPUs only.",
)
@click.option(
    "--num-processes",
    type=options.Whole(1),
    help="PyTorch only: data-parallel processes.  [default: one per visible GPU]",
)
@click.option(
    "--share",
    is_flag=True,
    envvar="ALGOPERF_SHARE",
    help="Train beside other trials instead of waiting for the devices; marks the runs, whose times are longer.",
)
@click.option(
    "--verify/--no-verify",
    default=True,
    show_default=True,
    help="If the target was reached, evaluate its checkpoint again in a process without the submission's code.",
)
@click.option(
    "--evaluation",
    type=options.Choice(["auto", "apart", "together"]),
    default="auto",
    show_default=True,
    envvar="ALGOPERF_EVALUATION",
    help="apart: in a process without the submission's code, while all processes of the trial stand still; together: "
    "in the trial. auto: apart on the CPU, if the trial has one process and is not of the model track.",
)
@click.pass_context
def train(ctx: click.Context, **given: Any) -> None:
    """Train a submission on a workload until its targets are reached or its budget is spent.

    Records go to OUTPUT_DIR/SUBMISSION/study_K/WORKLOAD_FRAMEWORK/trial_J. A finished trial is not
    repeated; an interrupted one is resumed. The exit code says how the trial ended: 0 by the rules, 3 an error
    in the submission, 4 out of memory, 7 an evaluation failed, 130 interrupted, 2 bad input.
    """
    from algoperf.records.status import Status

    try:
        from algoperf.trial import launch
        from algoperf.trial.request import Request

        ctx.params.update(complete(given, ctx.command))
        code = launch.train(Request(**ctx.params), ["train", *arguments(ctx)])
    except KeyboardInterrupt:  # before there was anything to stop
        code = Status.INTERRUPTED.exit_code
    sys.exit(code)


def arguments(ctx: click.Context) -> list[str]:
    """The options of a command line, to start further processes with."""
    arguments = []
    for option in ctx.command.params:
        value = ctx.params.get(option.name or "")
        if value is None:
            continue
        if isinstance(value, bool):
            arguments += (
                [(option.opts if value else option.secondary_opts)[0]] if value or option.secondary_opts else []
            )
        else:
            arguments += [option.opts[0], str(value)]
    return arguments
