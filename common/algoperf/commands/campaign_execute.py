"""`algoperf campaign execute`: one run, on the machine that shall carry it out."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

import click

from algoperf.commands import campaign_options, options


@click.command("execute")
@campaign_options.folder
@click.option("--run", "run_id", required=True, help="Name of the run, as the manifest has it.")
@click.option("--engine", default="local", show_default=True, help="Whose job this is, for the records.")
@click.option("--job", default="", help="The engine's name for the job, for the records.")
@click.option("--slot", type=options.Whole(0), help="Number of the local slot, for the records.")
@click.option("--cores", help="Numbers of the cores that the run keeps to, comma-separated.")
@click.option("--gpus", help="GPUs that the run keeps to, comma-separated.")
@click.option("--patience", "patience_sec", type=options.Number(0, example="10"), default=10.0, show_default=True,
              help="Seconds to wait for another process that still works on the run.")  # fmt: skip
@click.option("--when-interrupted", help="A command to call once the run was stopped by a signal.")
@click.option("--share", is_flag=True, help="Train beside other trials of the machine, and mark the run.")
def campaign_execute(
    folder: Path, run_id: str, cores: str | None, gpus: str | None, engine: str, job: str, slot: int | None,
    patience_sec: float, when_interrupted: str | None, share: bool,
) -> None:  # fmt: skip
    """Carry out one run of the campaign in FOLDER, or what is left of it; engines call this.

    The exit code is that of `algoperf train`; 75 if another process works on the run, 76 if another run of the kind was
    stopped or failed, 77 if the submission's code is not what was planned.
    """
    from algoperf.campaigns.attempt import Place, work
    from algoperf.campaigns.folder import Campaign
    from algoperf.campaigns.used_engine import last_site

    campaign = Campaign(folder)
    campaign.require_unchanged()
    site = last_site(campaign)
    place = Place(
        engine=engine,
        job=job,
        slot=slot,
        cores=None if cores is None else [int(core) for core in cores.split(",")],
        gpus=None if gpus is None else gpus.split(","),
        patience_sec=patience_sec,
        share=share,
        when_interrupted=shlex.split(when_interrupted or ""),
        container_arguments=site.container_arguments,
        scratch=site.scratch,
    )
    sys.exit(work(campaign, campaign.find(run_id), place))
