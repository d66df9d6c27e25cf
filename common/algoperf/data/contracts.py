"""What a data source must offer: fetch, prepare, imitate in small, and yield batches.

A batch is a dictionary of numpy arrays, or of nested tuples of them (speech: `(audio, paddings)`; molecules:
a `GraphsTuple`). Batches are the same for both frameworks; layout and placement belong to the bindings.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol, runtime_checkable

Batch = dict[str, Any]
Split = Literal["train", "eval_train", "validation", "test"]


@dataclass(frozen=True)
class Shard:
    """The part of every global batch that this process feeds: part `index` of `count` equal parts.

    `devices` is the number of devices that this process drives. It matters where batches are made for each device:
    graphs of a device must not refer to another's.
    """

    index: int = 0
    count: int = 1
    devices: int = 1

    @property
    def num_parts(self) -> int:
        """Devices of all processes."""
        return self.count * self.devices

    @property
    def parts(self) -> range:
        """Numbers of this process's devices among all."""
        return range(self.index * self.devices, (self.index + 1) * self.devices)


class TrainingBatches(Protocol):
    """An endless stream of training batches that is addressed by position.

    Being a pure function of the position makes the state of the input one integer: a resumed run sees
    exactly the batches that it would have seen. Positions begin at 0 and count batches, or, where batches hold
    different numbers of examples, examples.
    """

    def batch(self, position: int) -> Batch:
        """This process's part of the global batch at `position`; always full."""
        ...

    def after(self, position: int) -> int:
        """The position of the batch that follows the one at `position`, the same in all processes."""
        return position + 1


class PendingBatch(Protocol):
    """A batch that is being made."""

    def wait(self) -> None:
        """Wait until it is there, or until it is clear that it will be made on demand."""
        ...

    def result(self) -> Batch:
        """Wait for the batch. To be called once."""
        ...

    def discard(self) -> None:
        """Say that nobody will ask for it."""
        ...


@runtime_checkable
class PrefetchedBatches(TrainingBatches, Protocol):
    """Training batches that are made ahead of their use, by others than this thread."""

    def begin(self, position: int) -> PendingBatch:
        """Start making a batch."""
        ...

    def pause(self) -> None:
        """From now on nothing makes progress."""
        ...

    def resume(self) -> None:
        """Go on."""
        ...


class OpenDataset(Protocol):
    """A preprocessed dataset, ready to be read."""

    @property
    def hash(self) -> str:
        """SHA-256 over the content of the store: equal hashes mean equal data."""
        ...

    def num_examples(self, split: Split) -> int:
        """How many examples the split holds (`eval_train` is drawn from `train`)."""
        ...

    def warm(self) -> None:
        """Read everything once, so that cold storage is not paid for under the clock."""
        ...

    def training(self, *, seed: int, batch_size: int, shard: Shard) -> TrainingBatches:
        """Shuffled training batches. `batch_size` is global; each shard gets `batch_size / count` rows.

        Graphs: up to so many, and always the same number of rows.
        """
        ...

    def evaluation(
        self, split: Split, *, num_examples: int, batch_size: int, shard: Shard, seed: int
    ) -> Sequence[Batch]:
        """Batches that hold each of `num_examples` examples of the split exactly once over all shards.

        Every batch has `batch_size / count` rows; missing rows are zeros. `weights` (float32, one per row) is
        always there: 1 for an example, 0 for padding. Where weights are about something smaller than a row (its
        labels), `real` (bool, one per row) says which rows are examples. `eval_train` is a sample without
        replacement drawn from the training split with `seed`; the other splits are read from their start and
        ignore it.
        """
        ...


class Dataset(Protocol):
    """One data source, from the web to batches. Implementations live beside this file, one per source."""

    name: str

    def download(self, raw_dir: Path) -> None:
        """Fetch the raw files into `raw_dir`; resumable, checked, nothing half-written under a final name."""
        ...

    def miniature(self, raw_dir: Path) -> None:
        """Write small, learnable raw files in the format of the real ones, without network."""
        ...

    def preprocess(self, raw_dir: Path, data_dir: Path) -> None:
        """Turn raw files (real or miniature) into a store at `data_dir`; a no-op if it is already there."""
        ...

    def open(self, data_dir: Path) -> OpenDataset:
        """Open the store. Raises DataError, naming the command that makes it, if it is not there."""
        ...


def dataset_dir(root: Path, dataset: Dataset, scale: str) -> Path:
    """Where a dataset lies below the root of all raw or of all preprocessed data."""
    return root / dataset.name / scale
