"""`algoperf contact-sheet`: shows the pictures of a workload."""

from __future__ import annotations

from pathlib import Path

import click

from algoperf.commands import options


@click.command()
@options.workload
@options.scale
@options.data_dir
@click.option(
    "--split",
    type=options.Choice(["train", "eval_train", "validation", "test"]),
    default="train",
    show_default=True,
    help="train: as a submission gets them, augmented. Others: as they are evaluated.",
)
@click.option(
    "--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Decides order and augmentation."
)
@click.option("--num-images", type=click.IntRange(min=1), default=64, show_default=True, help="How many pictures.")
@click.option(
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    default="sheet.png",
    show_default=True,
    help="The PNG to write.",
)
def contact_sheet(
    workload: str, scale: str, data_dir: Path, split: str, seed: int, num_images: int, output: Path
) -> None:
    """Write a PNG of the pictures that a model sees, with their classes: is the input what it should be?"""
    from algoperf.data.contracts import Shard, dataset_dir
    from algoperf.data.images.contact_sheet import draw_sheet
    from algoperf.errors import UserError
    from algoperf.workload.registry import find_workload

    definition = find_workload(workload).at(scale)  # type: ignore[arg-type]  # click has checked it
    if definition.input_stats is None or getattr(definition.example_batch()["inputs"], "ndim", 0) != 4:
        raise UserError(f"The inputs of {definition.name} are not normalised pictures.")
    dataset = definition.dataset.open(dataset_dir(data_dir, definition.dataset, scale))
    if split == "train":
        batch = dataset.training(seed=seed, batch_size=num_images, shard=Shard()).batch(0)
    else:
        [batch] = dataset.evaluation(
            split,  # type: ignore[arg-type]
            num_examples=num_images, batch_size=num_images, shard=Shard(), seed=seed,
        )  # fmt: skip
    draw_sheet(batch["inputs"], batch["targets"], *definition.input_stats).save(output)
    click.echo(f"{num_images} pictures of {definition.name}, {split}: {output}")
