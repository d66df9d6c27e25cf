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
@click.option("--seed", type=options.Whole(0), default=0, show_default=True, help="Decides order and augmentation.")
@click.option("--num-images", type=options.Whole(1), default=64, show_default=True, help="How many pictures.")
@click.option(
    "--output",
    type=options.Place(dir_okay=False),
    default="sheet.png",
    show_default=True,
    help="The PNG to write.",
)
@click.option(
    "--checkpoint",
    type=options.Place(exists=True, file_okay=False),
    help="Where targets are pictures: a trial's checkpoint_<step>, whose model's pictures are drawn beside them.",
)
def contact_sheet(
    workload: str, scale: str, data_dir: Path, split: str, seed: int, num_images: int, output: Path,
    checkpoint: Path | None,
) -> None:  # fmt: skip
    """Write a PNG of the pictures that a model sees, with their classes: is the input what it should be?

    Where targets are pictures, they stand beside the inputs.
    """
    from algoperf.data.contracts import Shard, dataset_dir
    from algoperf.data.images.contact_sheet import draw_beside, draw_sheet
    from algoperf.errors import UserError
    from algoperf.workload.registry import find_workload

    definition = find_workload(workload).at(scale)  # type: ignore[arg-type]  # click has checked it
    example = definition.example_batch()
    ranks = [getattr(example[name], "ndim", 0) for name in ("inputs", "targets")]
    to_pictures = ranks == [3, 3]
    if not to_pictures and (definition.input_stats is None or ranks[0] != 4):
        raise UserError(f"The inputs of {definition.name} are not normalised pictures.")
    if checkpoint is not None and not to_pictures:
        raise UserError(f"The outputs of {definition.name} are not pictures: leave out --checkpoint.")
    dataset = definition.dataset.open(dataset_dir(data_dir, definition.dataset, scale))
    if split == "train":
        batch = dataset.training(seed=seed, batch_size=num_images, shard=Shard()).batch(0)
    else:
        [batch] = dataset.evaluation(
            split,  # type: ignore[arg-type]
            num_examples=num_images, batch_size=num_images, shard=Shard(), seed=seed,
        )  # fmt: skip
    if to_pictures:
        columns = {"input": batch["inputs"], "target": batch["targets"]}
        if checkpoint is not None:
            from algoperf.reevaluate.restoring import outputs_of, restore_model

            model = restore_model(checkpoint, find_workload(workload), data_dir)
            columns["reconstruction"] = outputs_of(model, batch)
        draw_beside(columns, "target").save(output)
    else:
        assert definition.input_stats is not None
        draw_sheet(batch["inputs"], batch["targets"], *definition.input_stats).save(output)
    click.echo(f"{num_images} pictures of {definition.name}, {split}: {output}")
