"""Batches of ImageNet: chooses their examples, and gives them to workers as tasks."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from algoperf.data.batches.arrays import shard_slice, stored_split
from algoperf.data.batches.order import Order
from algoperf.data.batches.seeding import keyed_generator
from algoperf.data.contracts import Shard, Split
from algoperf.data.store.store import Store
from algoperf.data.workers.pool import Task, WorkerPool, shared_pool
from algoperf.data.workers.pooled import MakeTasks, PooledDataset, PooledTrainingBatches, cut
from algoperf.datasets.imagenet.examples import EvaluationSource, MixedSource, Recipe, TrainingSource

MIXUP_ALPHA = 0.2


class OpenImageNet(PooledDataset):
    """ImageNet's store, read through workers."""

    _store: Store  # on disk: workers open its files themselves

    def __init__(
        self, directory: Path, recipe: Recipe, num_classes: int, pool: Callable[[], WorkerPool] = shared_pool
    ) -> None:
        super().__init__(Store.open(directory, dataset="imagenet"), pool)
        self._recipe, self._num_classes = recipe, num_classes

    def training_source(self, seed: int) -> TrainingSource:
        """Pictures that are not mixed."""
        return TrainingSource(self._store.directory, self._recipe, seed)

    def evaluation_source(self, split: Split) -> EvaluationSource:
        """Pictures as they are."""
        return EvaluationSource(self._store.directory, stored_split(split), self._recipe)

    def training(self, *, seed: int, batch_size: int, shard: Shard) -> PooledTrainingBatches:
        """Shuffled training batches, augmented and mixed if the recipe says so."""
        if not self._recipe.augment:
            return super().training(seed=seed, batch_size=batch_size, shard=shard)
        order, rows = self._training_order(seed), shard_slice(batch_size, shard)
        source = MixedSource(self.training_source(seed), self._num_classes)
        return self._training(source, _mixed_tasks(order, seed, batch_size, rows), order, batch_size, rows)


def _mixed_tasks(order: Order, seed: int, batch_size: int, rows: slice) -> MakeTasks:
    def make_tasks(position: int, chunk: int) -> list[Task]:
        share = float(keyed_generator("imagenet mixup", seed, position).beta(MIXUP_ALPHA, MIXUP_ALPHA))
        first = position * batch_size
        examples = order.indices(first, batch_size)
        tasks = []
        for start, stop in cut(rows.stop - rows.start, chunk):
            row = rows.start + start  # row of the global batch; its first row is mixed with its last
            before = (row - 1) % batch_size
            mixed = np.concatenate([examples[before : before + 1], examples[row : rows.start + stop]])
            tasks.append(Task(start, stop, (first + before, first + row, mixed, share)))
        return tasks

    return make_tasks
