"""Batches of rows, which workers read from the store in long runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from algoperf.data.batches.arrays import stored_split
from algoperf.data.contracts import Split
from algoperf.data.store.store import Store
from algoperf.data.workers.pool import WorkerPool, shared_pool
from algoperf.data.workers.pooled import PooledDataset
from algoperf.data.workers.shared_memory import Layout
from algoperf.datasets.criteo1tb.lines import BUCKETS, GROUPS, NUM_DENSE
from algoperf.errors import DataError

NAME = "criteo1tb"
NUM_INPUTS = NUM_DENSE + len(BUCKETS)
_FLOAT = np.dtype(np.float32)
_LAYOUT: Layout = {"inputs": ((NUM_INPUTS,), _FLOAT), "targets": ((1,), _FLOAT)}
_MASKS: Layout = {"weights": ((1,), _FLOAT), "real": ((), np.dtype(np.bool_))}
_ROWS_AT_ONCE = 2048  # between two looks at the gate, and small enough for a cache


class OpenCriteo1TB(PooledDataset):
    """The store, read through workers.

    Args:
      directory: of the store.
      file_lines: how many lines each published file of the training split has; files are visited in random order.
      pool: returns the workers.
    """

    _store: Store  # on disk: workers open its files themselves

    def __init__(
        self, directory: Path, file_lines: Sequence[int], pool: Callable[[], WorkerPool] = shared_pool
    ) -> None:
        store = Store.open(directory, dataset=NAME)
        if store.num_examples("train") != sum(file_lines):
            raise DataError(
                f"{directory} holds {store.num_examples('train')} training lines, expected {sum(file_lines)}: it is "
                "another scale's store."
            )
        super().__init__(store, pool, block_rows=file_lines)

    def training_source(self, seed: int) -> TrainingSource:
        """Rows of the training split."""
        del seed
        return TrainingSource(self._store.directory)

    def evaluation_source(self, split: Split) -> EvaluationSource:
        """Rows of a split, with masks (B, 1)."""
        return EvaluationSource(self._store.directory, stored_split(split))


@dataclass(frozen=True)
class TrainingSource:
    """Rows of the training split. A task is (position of the first row in the stream, rows of the store)."""

    directory: Path

    def layout(self) -> Layout:
        """Inputs and targets."""
        return _LAYOUT

    def fill(self, task: tuple[int, Any], out: Mapping[str, np.ndarray], between: Callable[[], None]) -> None:
        """Copy the rows."""
        _read(self.directory, "train", task[1], out, between)


@dataclass(frozen=True)
class EvaluationSource:
    """Rows of a split to evaluate. A task is an array of rows; -1 means a row of zeros."""

    directory: Path
    split: str

    def layout(self) -> Layout:
        """The fields of training batches, and masks."""
        return {**_LAYOUT, **_MASKS}

    def fill(self, task: np.ndarray, out: Mapping[str, np.ndarray], between: Callable[[], None]) -> None:
        """Copy the rows, and mask what is no row."""
        out["real"][:] = task >= 0
        out["weights"][:, 0] = out["real"]
        num_real = int(np.count_nonzero(out["real"]))  # padding is at the end
        for name in _LAYOUT:
            out[name][num_real:] = 0
        _read(self.directory, self.split, task[:num_real], out, between)


def _read(
    directory: Path, split: str, rows: np.ndarray | range, out: Mapping[str, np.ndarray], between: Callable[[], None]
) -> None:
    """Write inputs and targets of some rows of the store."""
    fields = _fields(directory, split)
    for place, start, stop in _runs(rows):
        between()
        inputs = out["inputs"][place : place + stop - start]
        inputs[:, :NUM_DENSE] = fields["dense"][start:stop]
        for name, (_, columns) in GROUPS.items():
            ids = fields[name][start:stop]
            for number, column in enumerate(columns):
                inputs[:, NUM_DENSE + column] = ids[:, number]
        out["targets"][place : place + stop - start, 0] = fields["labels"][start:stop]


def _runs(rows: np.ndarray | range) -> Iterator[tuple[int, int, int]]:
    """The place of its first row in the batch, and first and last row (exclusive), of each run of consecutive rows."""
    if len(rows) == 0:
        return
    if isinstance(rows, range):
        runs = [(0, rows.start, rows.stop)]
    else:
        breaks = np.flatnonzero(np.diff(rows) != 1) + 1
        places = [0, *breaks.tolist()]
        runs = [
            (place, int(rows[place]), int(rows[end - 1]) + 1)
            for place, end in zip(places, [*places[1:], len(rows)], strict=True)
        ]
    for place, first, last in runs:
        for start in range(first, last, _ROWS_AT_ONCE):
            yield place + start - first, start, min(start + _ROWS_AT_ONCE, last)


@lru_cache(maxsize=8)
def _fields(directory: Path, split: str) -> dict[str, np.ndarray]:
    """The fields of a split: tasks of workers name it, and it is opened once."""
    return {name: np.asarray(array) for name, array in Store.open(directory).split(split).items()}
