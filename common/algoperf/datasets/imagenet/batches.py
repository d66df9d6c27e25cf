"""Batches of ImageNet: chooses their examples, and gives them to workers as tasks."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from algoperf.data.batches.arrays import StoredDataset, shard_slice, stored_split
from algoperf.data.batches.order import Shuffled
from algoperf.data.batches.seeding import keyed_generator
from algoperf.data.contracts import Shard, Split
from algoperf.data.store.store import Store
from algoperf.data.workers.pool import Task, WorkerPool, shared_pool
from algoperf.data.workers.pooled import PooledEvaluationBatches, PooledTrainingBatches, num_batches
from algoperf.datasets.imagenet.examples import EvaluationSource, MixedSource, Recipe, TrainingSource

MIXUP_ALPHA = 0.2


class OpenImageNet(StoredDataset):
    """ImageNet's store, read through workers."""

    _store: Store  # on disk: workers open its files themselves

    def __init__(
        self, directory: Path, recipe: Recipe, num_classes: int, pool: Callable[[], WorkerPool] = shared_pool
    ) -> None:
        super().__init__(Store.open(directory, dataset="imagenet"))
        self._recipe, self._num_classes, self._pool = recipe, num_classes, pool

    def training(self, *, seed: int, batch_size: int, shard: Shard) -> PooledTrainingBatches:
        """Shuffled, augmented training batches."""
        rows = shard_slice(batch_size, shard)
        plain = TrainingSource(self._store.directory, self._recipe, seed)
        order = Shuffled(self.num_examples("train"), seed)
        if self._recipe.augment:
            source: MixedSource | TrainingSource = MixedSource(plain, self._num_classes)
            make_tasks = _mixed_tasks(order, seed, batch_size, rows)
        else:
            source, make_tasks = plain, _plain_tasks(order, batch_size, rows)
        return PooledTrainingBatches(
            self._pool(), source, rows.stop - rows.start, make_tasks, prepare=lambda at: order.prepare(at * batch_size)
        )

    def evaluation(
        self, split: Split, *, num_examples: int, batch_size: int, shard: Shard, seed: int
    ) -> PooledEvaluationBatches:
        """The first `num_examples` of the split, or a sample of the training split for `eval_train`."""
        examples = self._evaluated(split, num_examples, seed)
        rows = shard_slice(batch_size, shard)
        size = rows.stop - rows.start

        def make_tasks(number: int, chunk: int) -> list[Task]:
            mine = np.full(size, -1)
            first = number * batch_size + rows.start
            real = examples[first : first + size]
            mine[: len(real)] = real
            return [Task(start, stop, mine[start:stop]) for start, stop in _cut(size, chunk)]

        source = EvaluationSource(self._store.directory, stored_split(split), self._recipe)
        return PooledEvaluationBatches(self._pool(), source, size, num_batches(num_examples, batch_size), make_tasks)


def _cut(num_rows: int, chunk: int) -> list[tuple[int, int]]:
    return [(start, min(start + chunk, num_rows)) for start in range(0, num_rows, chunk)]


def _plain_tasks(order: Shuffled, batch_size: int, rows: slice) -> Callable[[int, int], list[Task]]:
    def make_tasks(position: int, chunk: int) -> list[Task]:
        first = position * batch_size + rows.start
        examples = order.indices(first, rows.stop - rows.start)
        return [Task(start, stop, (first + start, examples[start:stop])) for start, stop in _cut(len(examples), chunk)]

    return make_tasks


def _mixed_tasks(order: Shuffled, seed: int, batch_size: int, rows: slice) -> Callable[[int, int], list[Task]]:
    def make_tasks(position: int, chunk: int) -> list[Task]:
        share = float(keyed_generator("imagenet mixup", seed, position).beta(MIXUP_ALPHA, MIXUP_ALPHA))
        first = position * batch_size
        examples = order.indices(first, batch_size)
        tasks = []
        for start, stop in _cut(rows.stop - rows.start, chunk):
            row = rows.start + start  # row of the global batch; its first row is mixed with its last
            before = (row - 1) % batch_size
            mixed = np.concatenate([examples[before : before + 1], examples[row : rows.start + stop]])
            tasks.append(Task(start, stop, (first + before, first + row, mixed, share)))
        return tasks

    return make_tasks
