"""Datasets whose batches workers make: the same batches as those of arrays."""

import os
import pickle

import numpy as np
import pytest

from algoperf.data.batches.arrays import StoredArrays
from algoperf.data.contracts import PrefetchedBatches, Shard
from algoperf.data.store.store import Store, create_store
from algoperf.data.workers.pool import MESSAGE_BYTES, WorkerPool
from algoperf.data.workers.pooled import PooledDataset, chunk_rows, stream_tasks
from places import SUPPORT
from row_sources import StoredNumbers

PICTURE = {"inputs": ((224, 224, 3), np.dtype(np.float32)), "targets": ((), np.dtype(np.int32))}
CLICKS = {"inputs": ((39,), np.dtype(np.float32)), "targets": ((), np.dtype(np.float32))}


class Numbers(PooledDataset):
    def training_source(self, seed):
        return StoredNumbers(self._store.directory, "train", is_training=True)

    def evaluation_source(self, split):
        return StoredNumbers(self._store.directory, "train" if split == "eval_train" else split, is_training=False)


def paired(rows):
    """Fields that belong together, in one tuple."""
    return {"inputs": (rows.pop("targets"), rows.pop("first")), **rows}


@pytest.fixture
def store(tmp_path) -> Store:
    with create_store(tmp_path / "store", dataset="toy") as writer:
        writer.append("train", {"targets": np.arange(1000, 1100)})
        writer.append("validation", {"targets": np.arange(2000, 2030)})
    return Store.open(tmp_path / "store")


@pytest.fixture(params=[0, 2])
def pool(request, monkeypatch):
    paths = [str(SUPPORT), *filter(None, [os.environ.get("PYTHONPATH")])]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(paths))
    made = WorkerPool(request.param)
    yield made
    made.close()


@pytest.mark.parametrize("block_rows", [None, 7])
def test_batches_are_those_of_arrays(store, pool, block_rows):
    pooled = Numbers(store, lambda: pool, finish=paired, block_rows=block_rows)
    arrays = StoredArrays(store, dict, block_rows=block_rows)
    for shard in (Shard(), Shard(1, 2)):
        given = {"seed": 3, "batch_size": 24, "shard": shard}
        made, expected = pooled.training(**given), arrays.training(**given)
        assert isinstance(made, PrefetchedBatches)
        for position in (0, 3, 9):
            made.prepare(position)
            batch = made.batch(position)
            assert batch.keys() == {"inputs"}
            np.testing.assert_array_equal(batch["inputs"][0], expected.batch(position)["targets"])
            start = position * 24 + shard.index * 12
            np.testing.assert_array_equal(batch["inputs"][1], np.arange(start, start + len(batch["inputs"][1])))
        for split in ("validation", "eval_train"):
            found = pooled.evaluation(split, num_examples=29, **given)
            wanted = arrays.evaluation(split, num_examples=29, **given)
            for batch, other in zip(found, wanted, strict=True):
                np.testing.assert_array_equal(batch["inputs"][0], other["targets"])
                np.testing.assert_array_equal(batch["real"], other["real"])


def test_batches_that_are_made_ahead_are_finished_too(store, pool):
    batches = Numbers(store, lambda: pool, finish=paired).training(seed=0, batch_size=10, shard=Shard())
    first, second = batches.begin(0), batches.begin(1)
    first.wait()
    second.discard()
    assert len(first.result()["inputs"][0]) == 10


@pytest.mark.parametrize(
    ("layout", "num_rows", "num_workers", "expected"),
    [
        (PICTURE, 1024, 4, 64),  # bytes decide
        (PICTURE, 128, 16, 8),  # the workers share the batch
        (PICTURE, 5, 4, 5),
        (CLICKS, 262_144, 8, 8_192),  # and not 4,096 tasks
        (CLICKS, 16_384, 8, 2_048),
        (CLICKS, 100, 0, 100),
        (CLICKS, 20, 8, 8),
    ],
)
def test_tasks_are_cut_by_bytes(layout, num_rows, num_workers, expected):
    assert chunk_rows(num_rows, num_workers, layout) == expected


def test_the_largest_task_fits_into_a_message():
    class Far:
        def indices(self, start, count):
            return np.arange(start, start + count) + 2**40

    chunk = chunk_rows(262_144, 1, CLICKS)
    for task in stream_tasks(Far(), 262_144, slice(0, 262_144))(7, chunk):
        assert len(pickle.dumps((1, task))) < MESSAGE_BYTES - 1000
