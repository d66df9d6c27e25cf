"""fastMRI: batches for any number of workers, processes and devices."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from algoperf.data.contracts import Shard
from algoperf.data.workers.pool import WorkerPool
from algoperf.datasets.fastmri.batches import OpenFastMRI
from algoperf.datasets.fastmri.slices import transform_rows
from scans import HEIGHT, SIZE, SMALL, Scan, Scans


@pytest.fixture(scope="module")
def store(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("scans")
    SMALL.preprocess(Scans().write_folders(folder / "raw"), folder / "store")
    return folder / "store"


def test_batches_do_not_depend_on_workers_or_shards(store):
    pool = WorkerPool(2)
    try:
        alone, helped = (OpenFastMRI(store, SIZE, lambda pool=pool: pool) for pool in (WorkerPool(0), pool))
        given = {"seed": 7, "batch_size": 4}
        for position in (0, 1, 5):
            whole = alone.training(**given, shard=Shard()).batch(position)
            parts = [helped.training(**given, shard=Shard(index, 2)).batch(position) for index in range(2)]
            for name, array in whole.items():
                np.testing.assert_array_equal(array, np.concatenate([part[name] for part in parts]), err_msg=name)
            assert list(whole) == ["inputs", "mean", "std", "targets", "volume_max"]
    finally:
        pool.close()


def test_a_slice_has_one_mask_per_seed(store):
    """The same in every epoch; others for other slices and seeds; in an evaluation always the same."""
    opened = OpenFastMRI(store, SIZE, lambda: WorkerPool(0))

    def means(seed: int, position: int) -> set[float]:
        batch = opened.training(seed=seed, batch_size=6, shard=Shard()).batch(position)
        return set(batch["mean"].tolist())

    assert means(1, 0) == means(1, 1) == means(1, 9)
    assert not means(1, 0) & means(2, 0)
    evaluated = [
        np.sort(opened.evaluation("eval_train", num_examples=6, batch_size=6, shard=Shard(), seed=seed)[0]["mean"])
        for seed in (1, 2)
    ]
    np.testing.assert_array_equal(*evaluated)


@pytest.mark.parametrize("count", [1, 2, 4, 8, 16])
def test_every_slice_is_evaluated_once_on_any_number_of_devices(store, count):
    opened = OpenFastMRI(store, SIZE, lambda: WorkerPool(0))
    for split in ("eval_train", "validation", "test"):
        num_examples = opened.num_examples(split)
        found = [
            value
            for index in range(count)
            for batch in opened.evaluation(
                split, num_examples=num_examples, batch_size=16, shard=Shard(index, count), seed=0
            )
            for value in batch["mean"][batch["real"]].tolist()
        ]
        [whole] = opened.evaluation(split, num_examples=num_examples, batch_size=num_examples, shard=Shard(), seed=0)
        assert sorted(found) == sorted(whole["mean"].tolist())


def test_heights_of_scans_do_not_matter():
    """Only the central rows of the picture are kept."""
    assert transform_rows(Scan.drawn(0).kspace[0], SIZE).shape == (SIZE, 23)
    assert HEIGHT > SIZE
