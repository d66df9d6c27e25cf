"""Training and evaluation batches that a pool of workers makes ahead of time."""

from __future__ import annotations

import abc
import math
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from algoperf.data.batches.arrays import Finish, StoredDataset, shard_slice
from algoperf.data.batches.order import Order, Rows
from algoperf.data.batches.queue import AHEAD
from algoperf.data.batches.sequences import BatchSequence
from algoperf.data.contracts import Batch, PendingBatch, Shard, Split, TrainingBatches
from algoperf.data.store.store import Store
from algoperf.data.workers.pool import MESSAGE_BYTES, RowSource, Task, WorkerPool, shared_pool
from algoperf.data.workers.shared_memory import Layout, bytes_per_row

_SMALLEST_CHUNK = 8  # rows
_CHUNK_BYTES = 39_000_000  # 64 pictures of ImageNet as inputs, with their labels
_MOST_ROWS = MESSAGE_BYTES // 16  # so that the numbers of a task's rows, 8 bytes each, fit into a message
MakeTasks = Callable[[int, int], list[Task]]
"""Cuts a batch, given by its number, into tasks of at most the given number of rows."""
EVALUATION_MASKS: Layout = {"weights": ((), np.dtype(np.float32)), "real": ((), np.dtype(np.bool_))}
"""Fields of an evaluation batch whose rows have one loss each; see `fill_masks`."""


@dataclass(frozen=True)
class BatchMaker:
    """Lets a pool make one process's part of batches.

    Attributes:
      pool: the workers.
      source: makes rows.
      num_rows: rows of the part.
      make_tasks: what the rows are.
      finish: turns the arrays of the source's layout, joined over all tasks, into a batch; runs in this process. None:
        they are the batch.
    """

    pool: WorkerPool
    source: RowSource
    num_rows: int
    make_tasks: MakeTasks
    finish: Finish | None = None

    def begin(self, number: int, *, urgent: bool = False) -> PendingBatch:
        """Start making batch `number`."""
        tasks = self.make_tasks(number, chunk_rows(self.num_rows, self.pool.num_workers, self.source.layout()))
        pending = self.pool.begin(self.source, self.num_rows, tasks, urgent=urgent)
        return pending if self.finish is None else _Finished(pending, self.finish)


@dataclass(frozen=True)
class _Finished(PendingBatch):
    """A batch that is finished when it is taken."""

    pending: PendingBatch
    finish: Finish

    def wait(self) -> None:
        """Wait for the workers."""
        self.pending.wait()

    def result(self) -> Batch:
        """Wait for the workers, and finish what they made."""
        return self.finish(self.pending.result())

    def discard(self) -> None:
        """Drop what the workers make."""
        self.pending.discard()


class PooledTrainingBatches(TrainingBatches):
    """Endless training batches (see `PrefetchedBatches`)."""

    def __init__(self, maker: BatchMaker, prepare: Callable[[int], None] | None = None) -> None:
        self._maker, self._prepare = maker, prepare

    def begin(self, position: int) -> PendingBatch:
        """Start making a batch."""
        return self._maker.begin(position)

    def batch(self, position: int) -> Batch:
        """Make a batch."""
        return self.begin(position).result()

    def prepare(self, position: int) -> None:
        """Make what cutting the coming batches into tasks needs."""
        if self._prepare is not None:
            self._prepare(position)

    def pause(self) -> None:
        """Stop all progress until `resume`."""
        self._maker.pool.pause()

    def resume(self) -> None:
        """Continue after `pause`."""
        self._maker.pool.resume()


class PooledEvaluationBatches(BatchSequence):
    """The batches of one evaluation. While one is in use, the next ones are being made."""

    def __init__(self, maker: BatchMaker, num_batches: int) -> None:
        self._maker, self._num_batches = maker, num_batches

    def __len__(self) -> int:
        return self._num_batches

    def _batch(self, number: int) -> Batch:
        return self._maker.begin(number, urgent=True).result()

    def __iter__(self) -> Iterator[Batch]:
        pending: deque[PendingBatch] = deque()
        try:
            for number in range(len(self) + AHEAD):
                if number < len(self):
                    pending.append(self._maker.begin(number, urgent=True))
                if number >= AHEAD and pending:
                    yield pending.popleft().result()
        finally:
            for batch in pending:
                batch.discard()
            self._maker.pool.trim()


class PooledDataset(StoredDataset, abc.ABC):
    """An `OpenDataset` over a store, whose batches workers make. A subclass says what makes rows.

    Args:
      store: the store.
      pool: returns the workers.
      finish: see `BatchMaker`.
      block_rows: see `StoredDataset`.
    """

    def __init__(
        self,
        store: Store,
        pool: Callable[[], WorkerPool] = shared_pool,
        *,
        finish: Finish | None = None,
        block_rows: int | Sequence[int] | None = None,
    ) -> None:
        super().__init__(store, block_rows)
        self._pool, self._finish = pool, finish

    @abc.abstractmethod
    def training_source(self, seed: int) -> RowSource:
        """Makes rows of training batches from the tasks of `stream_tasks`."""

    @abc.abstractmethod
    def evaluation_source(self, split: Split) -> RowSource:
        """Makes rows of evaluation batches, `real` among them, from the tasks of `evaluation_tasks`."""

    def training(self, *, seed: int, batch_size: int, shard: Shard) -> PooledTrainingBatches:
        """Shuffled training batches."""
        order, rows = self._training_order(seed), shard_slice(batch_size, shard)
        tasks = stream_tasks(order, batch_size, rows)
        return self._training(self.training_source(seed), tasks, order, batch_size, rows)

    def _training(
        self, source: RowSource, make_tasks: MakeTasks, order: Order, batch_size: int, rows: slice
    ) -> PooledTrainingBatches:
        maker = BatchMaker(self._pool(), source, rows.stop - rows.start, make_tasks, self._finish)
        return PooledTrainingBatches(maker, lambda position: order.prepare(position * batch_size))

    def evaluation(
        self, split: Split, *, num_examples: int, batch_size: int, shard: Shard, seed: int
    ) -> PooledEvaluationBatches:
        """The first `num_examples` of the split, or a sample of the training split for `eval_train`."""
        examples, rows = self._evaluated(split, num_examples, seed), shard_slice(batch_size, shard)
        tasks = evaluation_tasks(examples, batch_size, rows)
        maker = BatchMaker(self._pool(), self.evaluation_source(split), rows.stop - rows.start, tasks, self._finish)
        return PooledEvaluationBatches(maker, math.ceil(num_examples / batch_size))


def stream_tasks(order: Order, batch_size: int, rows: slice) -> MakeTasks:
    """Tasks for the `rows` of global training batches: (position of the first row in the stream, rows of the store).

    The rows of the store are an array, or a range if the order gives one.
    """

    def make_tasks(position: int, chunk: int) -> list[Task]:
        first = position * batch_size + rows.start
        examples = order.indices(first, rows.stop - rows.start)
        return [Task(start, stop, (first + start, examples[start:stop])) for start, stop in cut(len(examples), chunk)]

    return make_tasks


def evaluation_tasks(examples: Rows, batch_size: int, rows: slice) -> MakeTasks:
    """Tasks for the `rows` of global evaluation batches: rows of the store, int64; -1 means a row of padding."""

    def make_tasks(number: int, chunk: int) -> list[Task]:
        first, size = number * batch_size + rows.start, rows.stop - rows.start
        mine, real = np.full(size, -1), examples[first : first + size]
        mine[: len(real)] = real
        return [Task(start, stop, mine[start:stop]) for start, stop in cut(size, chunk)]

    return make_tasks


def fill_masks(task: np.ndarray, out: Mapping[str, np.ndarray]) -> None:
    """Write EVALUATION_MASKS for a task of `evaluation_tasks`: 1 and True where a row is an example."""
    out["weights"][:] = out["real"][:] = task >= 0


def chunk_rows(num_rows: int, num_workers: int, layout: Layout) -> int:
    """Rows per task for a batch of `num_rows`. It does not affect the content of the batch."""
    share = -(-num_rows // max(1, num_workers))
    most = min(_MOST_ROWS, _CHUNK_BYTES // bytes_per_row(layout))
    return max(1, min(num_rows, max(_SMALLEST_CHUNK, min(share, most))))


def cut(num_rows: int, chunk: int) -> list[tuple[int, int]]:
    """First and last row (exclusive) of the chunks of a batch."""
    return [(start, min(start + chunk, num_rows)) for start in range(0, num_rows, chunk)]
