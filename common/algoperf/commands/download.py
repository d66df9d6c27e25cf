"""`algoperf download`: the task that needs a network."""

from __future__ import annotations

from pathlib import Path

import click

from algoperf.commands import options


@click.command()
@options.workload
@options.scale
@options.raw_dir
def download(workload: str, scale: str, raw_dir: Path) -> None:
    """Fetch the raw data of a workload, or generate it at scale mini.

    Resumes interrupted downloads. Complete files are only checked.
    """
    from algoperf.data.contracts import dataset_dir
    from algoperf.waiting import waiting
    from algoperf.workload.registry import find_workload

    dataset = find_workload(workload).at(scale).dataset  # type: ignore[arg-type]  # click has checked it
    target = dataset_dir(raw_dir, dataset, scale)
    with waiting(f"{'making' if scale == 'mini' else 'downloading'} raw data of {dataset.name} ({scale})"):
        (dataset.miniature if scale == "mini" else dataset.download)(target)
    click.echo(f"Raw data of {dataset.name} ({scale}): {target}")
