"""The data of one trial: training batches, and the batches of each evaluation. Submissions never hold it."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from algoperf import seeds
from algoperf.data.batches.queue import InputQueue
from algoperf.data.contracts import Batch, OpenDataset, Shard, Split
from algoperf.errors import DataError
from algoperf.text import counted
from algoperf.workload.definition import WorkloadDefinition
from algoperf.workload.registry import cube_folders


def missing_data(definition: WorkloadDefinition, data_dir: Path) -> DataError:
    """The error for a workload without a store at `data_dir`, with the commands that make it there."""
    root = data_dir.parents[1]
    known = definition.folder.name in cube_folders()
    workload = ["--workload", definition.name if known else str(definition.folder), "--scale", definition.scale]
    raw = [] if root == Path("data") else ["--raw-dir", str(root / "raw")]
    commands = (
        ["algoperf", "download", *workload, *raw],
        ["algoperf", "preprocess", *workload, *raw, "--data-dir", str(root)],
    )
    lines = "".join(f"\n  {shlex.join(command)}" for command in commands)
    return DataError(f"There is no data at {data_dir}. Make it with:{lines}")


@dataclass(frozen=True)
class TrialData:
    """An opened dataset, and what decides which of its examples come when.

    Attributes:
      definition: the workload; it says how many examples an evaluation counts.
      dataset: the opened dataset.
      shard: the part of every batch that this process feeds.
      seed: the trial's seed.
    """

    definition: WorkloadDefinition
    dataset: OpenDataset
    shard: Shard
    seed: int

    @classmethod
    def open(cls, definition: WorkloadDefinition, data_dir: Path, shard: Shard, seed: int) -> TrialData:
        """Open the data of a workload. Raises DataError if `data_dir` holds data of another scale."""
        opened = definition.dataset.open(data_dir)
        for split in ("train", "validation", "test"):
            expected = definition.num_examples(split)
            found = opened.num_examples(split) if expected is not None else None
            if found != expected:
                raise DataError(
                    f"{data_dir} holds {counted(found or 0, 'example')} in split {split}, but {definition.name} at "
                    f"scale {definition.scale} has {expected}. Is this the data of another scale?"
                )
        return cls(definition, opened, shard, seed)

    def input_queue(self, global_batch_size: int, place: Callable[[Batch], Batch]) -> InputQueue:
        """Training batches, put on the devices by `place`, in the order that the trial's seed decides."""
        order_seed = seeds.derive(self.seed, "order")
        batches = self.dataset.training(seed=order_seed, batch_size=global_batch_size, shard=self.shard)
        return InputQueue(batches, place)

    def evaluation(self, split: Split, batch_size: int, global_step: int) -> Sequence[Batch]:
        """Batches of one evaluation; `eval_train` is another sample at every step.

        `batch_size` is rounded up to a multiple of the number of devices.
        """
        num_examples = self.definition.num_examples(split)
        assert num_examples is not None
        num_devices = self.shard.num_parts
        return self.dataset.evaluation(
            split,
            num_examples=num_examples,
            batch_size=-(-batch_size // num_devices) * num_devices,
            shard=self.shard,
            seed=seeds.derive(self.seed, "eval_train", global_step),
        )
