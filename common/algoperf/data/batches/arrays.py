"""Makes training and evaluation batches from arrays.

Every process computes which examples are in the global batch, and reads only its own slice of them. So the
global batches do not depend on the number of processes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from algoperf.data.batches.order import Blocks, FirstRows, Indices, Order, Rows, Shuffled, sample
from algoperf.data.batches.sequences import BatchSequence
from algoperf.data.contracts import Batch, Padded, Shard, Split, TrainingBatches
from algoperf.errors import UserError
from algoperf.text import counted

Fields = Mapping[str, np.ndarray]
Finish = Callable[[dict[str, np.ndarray]], Batch]
"""Turns raw rows, one array (rows, ...) per field, into a batch. Vectorised; rows do not affect each other."""


class ArrayTrainingBatches(TrainingBatches):
    """Endless, always full training batches of rows in the given order (see `TrainingBatches`)."""

    def __init__(self, fields: Fields, finish: Finish, order: Order, *, batch_size: int, shard: Shard) -> None:
        self._fields, self._finish, self._order = fields, finish, order
        self._batch_size = batch_size
        self._slice = shard_slice(batch_size, shard)

    def batch(self, position: int) -> Batch:
        """This shard's rows of global batch `position`."""
        start = position * self._batch_size + self._slice.start
        rows = self._order.indices(start, self._slice.stop - self._slice.start)
        return self._finish(_take(self._fields, rows))

    def prepare(self, position: int) -> None:
        """Make the order of this epoch and the next one."""
        self._order.prepare(position * self._batch_size)


class ArrayEvaluationBatches(BatchSequence):
    """Each of the examples `rows` once, in order, in batches of one size.

    All shards have equally many batches. Rows beyond the last example are zero, and `real` is False there. If `finish`
    makes no `weights`, they are 1 for every real row.
    """

    def __init__(self, fields: Fields, finish: Finish, rows: Rows, *, batch_size: int, shard: Shard) -> None:
        self._fields, self._finish, self._rows = fields, finish, rows
        self._batch_size = batch_size
        self._slice = shard_slice(batch_size, shard)

    def __len__(self) -> int:
        return math.ceil(len(self._rows) / self._batch_size)

    def _batch(self, number: int) -> Batch:
        size = self._slice.stop - self._slice.start
        start = number * self._batch_size + self._slice.start
        real = self._rows[start : start + size]
        if len(real) == size:
            batch = self._finish(_take(self._fields, real))
        else:
            # Pad with a real example and blank it afterwards, so that `finish` always gets full, valid rows.
            padded = np.concatenate([np.asarray(real, np.int64), np.repeat(self._rows[:1], size - len(real))])
            batch = self._finish(_take(self._fields, padded))
            batch = {name: _blank(value, len(real)) for name, value in batch.items()}
        is_real = np.arange(size) < len(real)
        return {"weights": is_real.astype(np.float32), **batch, "real": is_real}


class ArrayStore(Protocol):
    """What batches need of a store: that of `data/store`, or one in memory."""

    @property
    def hash(self) -> str:
        """SHA-256 over the content."""

    def num_examples(self, split: str) -> int:
        """How many examples a split holds."""

    def split(self, name: str) -> Fields:
        """The fields of a split."""

    def warm(self) -> None:
        """Read everything once."""


class StoredDataset:
    """What every `OpenDataset` over a store has in common; a subclass makes the batches.

    Args:
      store: the store.
      block_rows: if given, rows are visited in blocks of so many, or of the given sizes (`Blocks`), in training and in
        `eval_train`. Needed where the rows are too many for single random reads.
    """

    def __init__(self, store: ArrayStore, block_rows: int | Sequence[int] | None = None) -> None:
        self._store, self._block_rows = store, block_rows

    @property
    def hash(self) -> str:
        """SHA-256 over the content of the store."""
        return self._store.hash

    def num_examples(self, split: Split) -> int:
        """How many examples the split holds; `eval_train` is the training split."""
        return self._store.num_examples(stored_split(split))

    def warm(self) -> None:
        """Read everything once, or as much as fits into free memory. The processes of one host share the work."""
        self._store.warm()

    def _training_order(self, seed: int) -> Order:
        """The order in which training visits the rows of `train`."""
        num_rows = self.num_examples("train")
        return Shuffled(num_rows, seed) if self._block_rows is None else Blocks(num_rows, self._block_rows, seed)

    def _evaluated(self, split: Split, num_examples: int, seed: int) -> Rows:
        """Rows of the examples to evaluate: a sample for `eval_train`, else the first `num_examples` of the split.

        Where rows are visited in blocks, the sample is whole blocks, of which the last one may be cut.
        """
        available = self.num_examples(split)
        check_num_examples(split, num_examples, available)
        if split != "eval_train":
            return range(num_examples)
        if self._block_rows is None:
            return sample(available, num_examples, seed)
        return FirstRows(Blocks(available, self._block_rows, seed), num_examples)


class StoredArrays(StoredDataset):
    """An `OpenDataset` over a store. A dataset only has to add how rows become inputs."""

    def __init__(self, store: ArrayStore, finish: Finish, block_rows: int | Sequence[int] | None = None) -> None:
        super().__init__(store, block_rows)
        self._finish = finish

    def training(self, *, seed: int, batch_size: int, shard: Shard) -> TrainingBatches:
        """Shuffled training batches; UserError if `batch_size` cannot be split among the shards."""
        fields, order = self._store.split("train"), self._training_order(seed)
        return ArrayTrainingBatches(fields, self._finish, order, batch_size=batch_size, shard=shard)

    def evaluation(
        self, split: Split, *, num_examples: int, batch_size: int, shard: Shard, seed: int
    ) -> ArrayEvaluationBatches:
        """The first `num_examples` of the split, or a sample of the training split for `eval_train`."""
        rows = self._evaluated(split, num_examples, seed)
        fields = self._store.split(stored_split(split))
        return ArrayEvaluationBatches(fields, self._finish, rows, batch_size=batch_size, shard=shard)


def check_num_examples(split: Split, num_examples: int, available: int) -> None:
    """UserError if that many examples cannot be evaluated."""
    if not 1 <= num_examples <= available:
        raise UserError(
            f"Cannot evaluate {counted(num_examples, 'example')} of the split {split!r}. Allowed: 1 to {available}. "
            "If that is too few, the data directory holds another scale of this dataset."
        )


def shard_slice(batch_size: int, shard: Shard) -> slice:
    """The rows of a global batch that belong to `shard`; UserError if the shards cannot be equal."""
    if not 0 <= shard.index < shard.count:
        raise ValueError(f"shard index {shard.index} is not below the number of shards, {shard.count}")
    size = part_size(batch_size, shard.count, "processes")
    return slice(shard.index * size, (shard.index + 1) * size)


def part_size(batch_size: int, num_parts: int, whose: str) -> int:
    """The size of one of several equal parts of a batch; UserError, naming `whose` parts, if they cannot be equal."""
    if batch_size < 1 or batch_size % num_parts:
        raise UserError(
            f"A batch size of {batch_size} cannot be split among {num_parts} {whose}. Choose a positive "
            f"multiple of {num_parts}, or another number of {whose}."
        )
    return batch_size // num_parts


def stored_split(split: Split) -> str:
    """The split of the store that holds a split's examples."""
    return "train" if split == "eval_train" else split


def _take(fields: Fields, rows: Indices) -> dict[str, np.ndarray]:
    """Copies of the given rows of every field. A range is read in one piece."""
    if isinstance(rows, range):
        return {name: np.asarray(array)[rows.start : rows.stop].copy() for name, array in fields.items()}
    return {name: np.take(np.asarray(array), rows, axis=0) for name, array in fields.items()}


def _blank(value: Any, num_real: int) -> Any:
    """`value`, arrays in tuples and `Padded`, with zeros in the rows from `num_real` on; padded ones have length 0."""
    if isinstance(value, Padded):
        return Padded(_blank(value.values, num_real), _blank(value.lengths, num_real), value.dtype)
    if isinstance(value, tuple):
        return tuple(_blank(part, num_real) for part in value)
    blanked = np.zeros_like(value)
    blanked[:num_real] = value[:num_real]
    return blanked
