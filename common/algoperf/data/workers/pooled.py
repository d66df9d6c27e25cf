"""Training and evaluation batches that a pool of workers makes ahead of time."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterator

from algoperf.data.batches.queue import AHEAD
from algoperf.data.batches.sequences import BatchSequence
from algoperf.data.contracts import Batch, PendingBatch, TrainingBatches
from algoperf.data.workers.pool import RowSource, Task, WorkerPool

MakeTasks = Callable[[int, int], list[Task]]
"""Cuts a batch, given by its number, into tasks of at most the given number of rows."""


class PooledTrainingBatches(TrainingBatches):
    """Endless training batches (see `PrefetchedBatches`)."""

    def __init__(
        self,
        pool: WorkerPool,
        source: RowSource,
        num_rows: int,
        make_tasks: MakeTasks,
        prepare: Callable[[int], None] | None = None,
    ) -> None:
        self._pool, self._source, self._num_rows, self._make_tasks = pool, source, num_rows, make_tasks
        self._prepare = prepare

    def begin(self, position: int) -> PendingBatch:
        """Start making a batch."""
        tasks = self._make_tasks(position, self._pool.chunk_rows(self._num_rows))
        return self._pool.begin(self._source, self._num_rows, tasks)

    def batch(self, position: int) -> Batch:
        """Make a batch."""
        return self.begin(position).result()

    def prepare(self, position: int) -> None:
        """Make what cutting the coming batches into tasks needs."""
        if self._prepare is not None:
            self._prepare(position)

    def pause(self) -> None:
        """Stop all progress until `resume`."""
        self._pool.pause()

    def resume(self) -> None:
        """Continue after `pause`."""
        self._pool.resume()


class PooledEvaluationBatches(BatchSequence):
    """The batches of one evaluation. While one is in use, the next ones are being made."""

    def __init__(
        self, pool: WorkerPool, source: RowSource, num_rows: int, num_batches: int, make_tasks: MakeTasks
    ) -> None:
        self._pool, self._source, self._num_rows, self._make_tasks = pool, source, num_rows, make_tasks
        self._num_batches = num_batches

    def __len__(self) -> int:
        return self._num_batches

    def _batch(self, number: int) -> Batch:
        return self._begin(number).result()

    def __iter__(self) -> Iterator[Batch]:
        pending: deque[PendingBatch] = deque()
        try:
            for number in range(len(self) + AHEAD):
                if number < len(self):
                    pending.append(self._begin(number))
                if number >= AHEAD and pending:
                    yield pending.popleft().result()
        finally:
            for batch in pending:
                batch.discard()
            self._pool.trim()

    def _begin(self, number: int) -> PendingBatch:
        tasks = self._make_tasks(number, self._pool.chunk_rows(self._num_rows))
        return self._pool.begin(self._source, self._num_rows, tasks, urgent=True)


def num_batches(num_examples: int, batch_size: int) -> int:
    """Number of batches in one evaluation; the last may not be full."""
    return math.ceil(num_examples / batch_size)
