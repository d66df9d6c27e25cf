"""What a data source must implement: download, miniature, preprocess, and batches.

A batch is a dictionary of numpy arrays, of nested tuples of them (molecules: a `GraphsTuple`), or of `Padded` rows
(speech). Batches are the same for both frameworks; layout and placement belong to the bindings.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol, runtime_checkable

import numpy as np

Batch = dict[str, Any]
Split = Literal["train", "eval_train", "validation", "test"]


@dataclass(frozen=True, eq=False)
class Padded:
    """Rows of different lengths, as the host has them; on the device they become the pair (values, paddings).

    Only the values themselves cross to the device, in their own narrow type. They are widened there, and paddings are
    made there: float32 (B, L), 0 for real elements and 1 behind them.

    Attributes:
      values: (B, L, ...); what is behind a row's length is never used.
      lengths: integers (B,).
      dtype: type of the values on the device; None for that of `values`.
    """

    values: np.ndarray
    lengths: np.ndarray
    dtype: Any = None


@dataclass(frozen=True)
class Shard:
    """The part of every global batch that this process feeds: part `index` of `count` equal parts.

    `devices` is the number of devices that this process drives. It matters for graphs, whose
    batches are made per device: edges must not refer to nodes on another device.
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
        """Indices of this process's devices among all devices."""
        return range(self.index * self.devices, (self.index + 1) * self.devices)


class TrainingBatches(Protocol):
    """An endless stream of training batches, addressed by position.

    Batches are a pure function of the position, so the state of the input is one integer: a resumed run sees the
    same batches as an uninterrupted one. Positions start at 0. They count batches, or examples if the number of
    examples per batch varies.
    """

    def batch(self, position: int) -> Batch:
        """This process's part of the global batch at `position`; always full."""
        ...

    def after(self, position: int) -> int:
        """The position of the batch that follows the one at `position`, the same in all processes."""
        return position + 1

    def prepare(self, position: int) -> None:
        """Do ahead of time what drawing batches from `position` on would otherwise do: make orders of examples.

        Called while the clock stands still: before the first batch, and at every evaluation.
        """
        del position  # most batches need nothing


class PendingBatch(Protocol):
    """A batch that is being made."""

    def wait(self) -> None:
        """Wait until the batch is ready, or return at once if it is made on demand."""
        ...

    def result(self) -> Batch:
        """Wait for the batch and return it. Call this once."""
        ...

    def discard(self) -> None:
        """Drop the batch: `result` will not be called."""
        ...


@runtime_checkable
class PrefetchedBatches(TrainingBatches, Protocol):
    """Training batches that are made ahead of time, outside this thread."""

    def begin(self, position: int) -> PendingBatch:
        """Start making a batch."""
        ...

    def pause(self) -> None:
        """Stop all progress until `resume`."""
        ...

    def resume(self) -> None:
        """Continue after `pause`."""
        ...


class OpenDataset(Protocol):
    """A preprocessed dataset, ready to be read."""

    @property
    def hash(self) -> str:
        """SHA-256 over the content of the store: equal hashes mean equal data."""
        ...

    def num_examples(self, split: Split) -> int:
        """How many examples the split holds, counted before any is dropped (`eval_train` is drawn from `train`)."""
        ...

    def warm(self) -> None:
        """Read everything once, so that reading cold storage does not count as training time."""
        ...

    def training(self, *, seed: int, batch_size: int, shard: Shard) -> TrainingBatches:
        """Shuffled training batches. `batch_size` is global; each shard gets `batch_size / count` rows.

        For graphs, `batch_size` is an upper bound; the number of rows is fixed by padding.
        """
        ...

    def evaluation(
        self, split: Split, *, num_examples: int, batch_size: int, shard: Shard, seed: int
    ) -> Sequence[Batch]:
        """Batches that hold each of `num_examples` examples of the split exactly once, over all shards together.

        Every batch has `batch_size / count` rows; missing rows are zeros. Two fields are always there: `real` (bool,
        one per row), which is True for examples and False for padding, and `weights` (float32), the mask of the loss:
        one value per row, or per label where a row has several. `eval_train` is a sample without replacement drawn from
        the training split with `seed`; the other splits are read from their start and ignore it.
        """
        ...


class Dataset(Protocol):
    """One data source, from the web to batches. Implementations are in `datasets`, one per source."""

    @property
    def name(self) -> str:
        """The name of its folders."""
        ...

    @property
    def input_stats(self) -> tuple[Any, Any] | None:
        """`(mean, standard deviation)` that normalises inputs, per channel or overall; None if they are not."""
        ...

    @property
    def num_classes(self) -> int | None:
        """Classes that targets name, the number of logits of a model; None if targets are no classes."""
        ...

    def example_batch(self) -> Batch:
        """A batch of one example, made without any data, for shapes and types."""
        ...

    def download(self, raw_dir: Path) -> None:
        """Fetch the raw files into `raw_dir`; resumable, checked, nothing half-written under a final name."""
        ...

    def miniature(self, raw_dir: Path) -> None:
        """Write small, learnable raw files in the format of the real ones, without network."""
        ...

    def preprocess(self, raw_dir: Path, data_dir: Path) -> None:
        """Turn raw files (real or miniature) into a store at `data_dir`; a no-op if the store exists."""
        ...

    def open(self, data_dir: Path) -> OpenDataset:
        """Open the store. Raises DataError, naming the command that makes it, if it is missing."""
        ...


def example_image(side: int, num_channels: int) -> Batch:
    """One square image and its label, as an `example_batch`."""
    return {
        "inputs": np.ones((1, side, side, num_channels), np.float32),
        "targets": np.zeros((1,), np.int32),
    }


def dataset_dir(root: Path, dataset: Dataset, scale: str) -> Path:
    """The folder of a dataset below the root of all raw, or of all preprocessed, data."""
    return root / dataset.name / scale
