"""Rows of different lengths: narrow on the host, values and paddings on the device."""

from __future__ import annotations

import numpy as np
import pytest

from algoperf.data.batches.arrays import ArrayEvaluationBatches
from algoperf.data.contracts import Padded, Shard
from bound_workload import bind


@pytest.mark.parametrize("framework", ["jax", "pytorch"])
def test_on_the_device_they_are_values_and_paddings(framework):
    workload = bind("digits", "full", framework)
    values, lengths = np.arange(12, dtype=np.int16).reshape(2, 6), np.array([6, 4])
    placed = workload.place(
        {"inputs": Padded(values, lengths, np.float32), "targets": Padded(values, lengths), "weights": np.ones(2)}
    )
    audio, paddings = (np.asarray(array) for array in placed["inputs"])
    np.testing.assert_array_equal(audio, values.astype(np.float32))
    assert (audio.dtype, paddings.dtype) == (np.float32, np.float32)
    np.testing.assert_array_equal(paddings, [[0] * 6, [0, 0, 0, 0, 1, 1]])
    tokens, _ = (np.asarray(array) for array in placed["targets"])
    assert tokens.dtype == np.int16


@pytest.mark.parametrize(("framework", "integer"), [("jax", np.int32), ("pytorch", np.int64)])
@pytest.mark.parametrize("narrow", [np.uint8, np.int16, np.int32])
def test_integers_become_those_of_the_framework(framework, integer, narrow):
    """As in every other array of a batch."""
    tokens = np.arange(6).reshape(2, 3)
    workload = bind("digits", "full", framework)
    placed = workload.place({"inputs": Padded(tokens.astype(narrow), np.array([3, 1]), np.int32)})
    values, paddings = (np.asarray(array) for array in placed["inputs"])
    assert (values.dtype, paddings.dtype) == (integer, np.float32)
    np.testing.assert_array_equal(values, tokens)


def test_rows_that_are_no_examples_are_all_padding():
    fields = {"audio": np.arange(1, 16, dtype=np.int16).reshape(3, 5), "length": np.array([5, 2, 4])}

    def finish(rows):
        return {"inputs": Padded(rows["audio"], rows["length"], np.float32)}

    batches = ArrayEvaluationBatches(fields, finish, np.arange(3), batch_size=2, shard=Shard())
    last = batches[1]
    assert last["real"].tolist() == [True, False]
    assert last["inputs"].lengths.tolist() == [4, 0]
    assert last["inputs"].values.tolist() == [[11, 12, 13, 14, 15], [0] * 5]
    assert last["inputs"].dtype is np.float32
