"""`algoperf preprocess`: raw data to a store."""

from __future__ import annotations

from pathlib import Path

import click

from algoperf.commands import options


@click.command()
@options.workload
@options.scale
@options.raw_dir
@options.data_dir
def preprocess(workload: str, scale: str, raw_dir: Path, data_dir: Path) -> None:
    """Turn raw data into a store that training reads at random. Does nothing if the store exists."""
    from algoperf.data.contracts import dataset_dir
    from algoperf.waiting import waiting
    from algoperf.workload.registry import find_workload

    dataset = find_workload(workload).at(scale).dataset  # type: ignore[arg-type]  # click has checked it
    target = dataset_dir(data_dir, dataset, scale)
    with waiting(f"preprocessing data of {dataset.name} ({scale})"):
        dataset.preprocess(dataset_dir(raw_dir, dataset, scale), target)
    click.echo(f"Data of {dataset.name} ({scale}): {target}, hash {dataset.open(target).hash}")
