"""Makes training and evaluation batches from arrays.

Every process computes which examples are in the global batch, and reads only its own slice of them. So the
global batches do not depend on the number of processes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from algoperf.data.batches.order import TrainingOrder, sample
from algoperf.data.batches.sequences import BatchSequence
from algoperf.data.contracts import Batch, Shard, Split, TrainingBatches
from algoperf.data.store.store import Store
from algoperf.errors import UserError

Fields = Mapping[str, np.ndarray]
Finish = Callable[[dict[str, np.ndarray]], Batch]
"""Turns raw rows, one array (rows, ...) per field, into a batch. Vectorised; rows do not affect each other."""


class ArrayTrainingBatches(TrainingBatches):
    """Shuffled, endless, always full training batches (see `TrainingBatches`)."""

    def __init__(self, fields: Fields, finish: Finish, *, seed: int, batch_size: int, shard: Shard) -> None:
        self._fields, self._finish = fields, finish
        self._order = TrainingOrder(_num_rows(fields), seed)
        self._batch_size = batch_size
        self._slice = shard_slice(batch_size, shard)

    def batch(self, position: int) -> Batch:
        """This shard's rows of global batch `position`."""
        start = position * self._batch_size + self._slice.start
        rows = self._order.indices(start, self._slice.stop - self._slice.start)
        return self._finish(_take(self._fields, rows))


class ArrayEvaluationBatches(BatchSequence):
    """Each of the examples `rows` once, in order, in batches of one size.

    All shards have equally many batches. Rows beyond the last example are zero, and `real` is False there. If `finish`
    makes no `weights`, they are 1 for every real row.
    """

    def __init__(self, fields: Fields, finish: Finish, rows: np.ndarray, *, batch_size: int, shard: Shard) -> None:
        self._fields, self._finish, self._rows = fields, finish, rows
        self._batch_size = batch_size
        self._slice = shard_slice(batch_size, shard)

    def __len__(self) -> int:
        return math.ceil(len(self._rows) / self._batch_size)

    def _batch(self, number: int) -> Batch:
        size = self._slice.stop - self._slice.start
        start = number * self._batch_size + self._slice.start
        real = self._rows[start : start + size]
        # Pad with a real example and blank it afterwards, so that `finish` always gets full, valid rows.
        padded = np.concatenate([real, np.full(size - len(real), self._rows[0])])
        batch = self._finish(_take(self._fields, padded))
        if len(real) < size:
            batch = {name: _blank(value, len(real)) for name, value in batch.items()}
        is_real = np.arange(size) < len(real)
        return {"weights": is_real.astype(np.float32), **batch, "real": is_real}


class StoredDataset:
    """What every `OpenDataset` over a store has in common; a subclass makes the batches."""

    def __init__(self, store: Store) -> None:
        self._store = store

    @property
    def hash(self) -> str:
        """SHA-256 over the content of the store."""
        return self._store.hash

    def num_examples(self, split: Split) -> int:
        """How many examples the split holds; `eval_train` is the training split."""
        return self._store.num_examples(stored_split(split))

    def warm(self) -> None:
        """Read everything once."""
        self._store.warm()

    def _evaluated(self, split: Split, num_examples: int, seed: int) -> np.ndarray:
        """Rows of the examples to evaluate: a sample for `eval_train`, else the first `num_examples` of the split."""
        available = self.num_examples(split)
        check_num_examples(split, num_examples, available)
        return sample(available, num_examples, seed) if split == "eval_train" else np.arange(num_examples)


class StoredArrays(StoredDataset):
    """An `OpenDataset` over a store. A dataset only has to add how rows become inputs."""

    def __init__(self, store: Store, finish: Finish) -> None:
        super().__init__(store)
        self._finish = finish

    def training(self, *, seed: int, batch_size: int, shard: Shard) -> TrainingBatches:
        """Shuffled training batches; UserError if `batch_size` cannot be split among the shards."""
        fields = self._store.split("train")
        return ArrayTrainingBatches(fields, self._finish, seed=seed, batch_size=batch_size, shard=shard)

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
            f"Cannot evaluate {num_examples} examples of the split {split!r}. Allowed: 1 to {available}. "
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


def _num_rows(fields: Fields) -> int:
    return len(next(iter(fields.values())))


def _take(fields: Fields, rows: np.ndarray) -> dict[str, np.ndarray]:
    """Copies of the given rows of every field."""
    return {name: np.take(np.asarray(array), rows, axis=0) for name, array in fields.items()}


def _blank(value: Any, num_real: int) -> Any:
    """`value`, an array or nested tuples of arrays, with zeros in the rows from `num_real` on."""
    if isinstance(value, tuple):
        return tuple(_blank(part, num_real) for part in value)
    blanked = np.zeros_like(value)
    blanked[:num_real] = value[:num_real]
    return blanked
