import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from algoperf.data.batches.arrays import ArrayEvaluationBatches, ArrayTrainingBatches, StoredArrays, shard_slice
from algoperf.data.batches.order import Blocks, FirstRows, Shuffled, sample
from algoperf.data.contracts import Shard
from algoperf.data.store.store import Store, create_store
from algoperf.errors import UserError

NUM_EXAMPLES = st.integers(1, 30)
SHARDS = st.integers(1, 4)
PER_SHARD = st.integers(1, 9)
WHOLE = Shard()


def fields(num_examples: int) -> dict[str, np.ndarray]:
    """Rows that say which example they are; none is zero, as padding is."""
    numbers = np.arange(1, num_examples + 1)
    return {"inputs": np.stack([numbers, -numbers], axis=1), "targets": numbers}


def finish(rows):
    inputs = rows["inputs"].astype(np.float32)
    return {"inputs": (inputs, (inputs[:, 0],)), "targets": rows["targets"]}


def training(num_examples: int, batch_size: int, shard: Shard = WHOLE) -> ArrayTrainingBatches:
    order = Shuffled(num_examples, seed=5)
    return ArrayTrainingBatches(fields(num_examples), finish, order, batch_size=batch_size, shard=shard)


def evaluation(num_examples: int, batch_size: int, shard: Shard = WHOLE) -> ArrayEvaluationBatches:
    rows = np.arange(num_examples)
    return ArrayEvaluationBatches(fields(num_examples), finish, rows, batch_size=batch_size, shard=shard)


@given(NUM_EXAMPLES, SHARDS, PER_SHARD, st.integers(0, 20))
def test_any_number_of_shards_sees_the_same_global_training_batch(num_examples, count, per_shard, position):
    batch_size = count * per_shard
    parts = [training(num_examples, batch_size, Shard(index, count)).batch(position) for index in range(count)]
    assert all(len(part["targets"]) == per_shard for part in parts)
    whole = training(num_examples, batch_size).batch(position)
    np.testing.assert_array_equal(np.concatenate([part["targets"] for part in parts]), whole["targets"])
    np.testing.assert_array_equal(np.concatenate([part["inputs"][0] for part in parts]), whole["inputs"][0])


@given(NUM_EXAMPLES, PER_SHARD, st.permutations(range(8)))
def test_a_training_batch_depends_on_its_position_only(num_examples, batch_size, positions):
    stream = Shuffled(num_examples, 5).indices(0, 8 * batch_size) + 1
    batches = training(num_examples, batch_size)
    for position in positions:
        batch = batches.batch(position)
        np.testing.assert_array_equal(batch["targets"], stream[position * batch_size :][:batch_size])
        np.testing.assert_array_equal(batch["inputs"][0][:, 1], -batch["targets"])
        assert "weights" not in batch


def test_training_batches_span_epochs():
    batches = training(num_examples=10, batch_size=4)
    seen = np.concatenate([batches.batch(position)["targets"] for position in range(5)])
    np.testing.assert_array_equal(np.bincount(seen)[1:], np.full(10, 2))


@given(NUM_EXAMPLES, SHARDS, PER_SHARD)
def test_evaluation_counts_every_example_once_over_all_shards(num_examples, count, per_shard):
    batch_size = count * per_shard
    shards = [evaluation(num_examples, batch_size, Shard(index, count)) for index in range(count)]
    assert {len(shard) for shard in shards} == {-(-num_examples // batch_size)}
    seen = []
    for parts in zip(*shards, strict=True):
        for part in parts:
            weights = part["weights"]
            assert weights.dtype == np.float32
            assert weights.shape == part["targets"].shape == (per_shard,)
            real = weights == 1
            seen.extend(part["targets"][real])
            np.testing.assert_array_equal(weights[~real], 0)
            np.testing.assert_array_equal(part["targets"][~real], 0)
            np.testing.assert_array_equal(part["inputs"][0][~real], 0)
            np.testing.assert_array_equal(part["inputs"][1][0][~real], 0)
            np.testing.assert_array_equal(part["inputs"][0][:, 0], part["targets"])
            assert part["inputs"][0].dtype == np.float32
    np.testing.assert_array_equal(np.sort(seen), np.arange(1, num_examples + 1))


@given(NUM_EXAMPLES, SHARDS, PER_SHARD)
def test_shards_together_are_the_global_evaluation_batch(num_examples, count, per_shard):
    batch_size = count * per_shard
    shards = [evaluation(num_examples, batch_size, Shard(index, count)) for index in range(count)]
    for number, whole in enumerate(evaluation(num_examples, batch_size)):
        for name in ("targets", "weights"):
            np.testing.assert_array_equal(np.concatenate([shard[number][name] for shard in shards]), whole[name])


def test_evaluation_is_a_sequence():
    batches = evaluation(num_examples=7, batch_size=3)
    assert len(batches) == len(list(batches)) == 3
    np.testing.assert_array_equal(batches[-1]["targets"], [7, 0, 0])
    assert [batch["targets"][0] for batch in batches[1:]] == [4, 7]
    with pytest.raises(IndexError, match="batch 3 of 3"):
        batches[3]


def test_the_data_is_not_changed_by_what_is_done_to_batches():
    arrays = fields(4)
    batches = ArrayEvaluationBatches(arrays, lambda rows: {**rows}, np.arange(4), batch_size=3, shard=WHOLE)
    for batch in batches:
        batch["targets"][:] = 99
    np.testing.assert_array_equal(arrays["targets"], [1, 2, 3, 4])


@pytest.mark.parametrize(("batch_size", "count"), [(10, 3), (1, 2), (0, 1), (-4, 2)])
def test_batches_that_cannot_be_split_among_the_shards(batch_size, count):
    message = f"batch size of {batch_size} cannot be split among {count} processes"
    with pytest.raises(UserError, match=message):
        shard_slice(batch_size, Shard(0, count))


def test_a_shard_must_exist():
    with pytest.raises(ValueError, match="shard index 2"):
        shard_slice(4, Shard(2, 2))


@pytest.fixture
def stored(tmp_path) -> StoredArrays:
    with create_store(tmp_path / "store", dataset="toy") as writer:
        writer.append("train", fields(20))
        writer.append("validation", fields(7))
    return StoredArrays(Store.open(tmp_path / "store"), finish)


def targets(batches) -> np.ndarray:
    """Targets of the real examples, in order."""
    return np.concatenate([batch["targets"][batch["weights"] == 1] for batch in batches])


def test_stored_training_is_the_training_of_its_arrays(stored):
    batches = stored.training(seed=5, batch_size=6, shard=Shard(1, 2))
    expected = training(20, 6, Shard(1, 2))
    np.testing.assert_array_equal(batches.batch(9)["targets"], expected.batch(9)["targets"])


def test_stored_validation_is_read_from_its_start(stored):
    for seed in (0, 1):
        batches = stored.evaluation("validation", num_examples=5, batch_size=2, shard=WHOLE, seed=seed)
        np.testing.assert_array_equal(targets(batches), [1, 2, 3, 4, 5])


def test_stored_eval_train_is_a_sample_of_train(stored):
    assert stored.num_examples("eval_train") == stored.num_examples("train") == 20
    for seed in (0, 1):
        batches = stored.evaluation("eval_train", num_examples=8, batch_size=3, shard=WHOLE, seed=seed)
        np.testing.assert_array_equal(targets(batches), sample(20, 8, seed) + 1)


@given(st.integers(1, 8), st.integers(1, 6))
def test_rows_that_lie_one_after_another_are_the_same_as_single_rows(block_rows, batch_size):
    order = Blocks(20, block_rows, seed=5)
    batches = ArrayTrainingBatches(fields(20), finish, order, batch_size=batch_size, shard=WHOLE)
    for position in range(12):
        rows = np.asarray(order.indices(position * batch_size, batch_size))
        np.testing.assert_array_equal(batches.batch(position)["targets"], rows + 1)


@pytest.mark.parametrize("rows", [range(7), np.arange(7), FirstRows(Blocks(7, 7, seed=0), 7)])
def test_evaluated_rows_may_be_a_range_an_array_or_part_of_an_order(rows):
    for shard in (WHOLE, Shard(0, 4), Shard(3, 4)):  # the last one has only padding in the last batch
        made = ArrayEvaluationBatches(fields(20), finish, rows, batch_size=4, shard=shard)
        for batch, expected in zip(made, evaluation(7, 4, shard), strict=True):
            for name in ("targets", "weights", "real"):
                np.testing.assert_array_equal(batch[name], expected[name])


def test_a_store_in_blocks(stored):
    """Training visits whole blocks, and `eval_train` is a sample of them, another one with every seed."""
    blocks = StoredArrays(stored._store, finish, block_rows=4)
    order = Blocks(20, 4, seed=5)
    batch = blocks.training(seed=5, batch_size=6, shard=WHOLE).batch(2)
    np.testing.assert_array_equal(batch["targets"], np.asarray(order.indices(12, 6)) + 1)
    samples = set()
    for seed in range(5):
        made = blocks.evaluation("eval_train", num_examples=8, batch_size=3, shard=WHOLE, seed=seed)
        found = targets(made) - 1
        np.testing.assert_array_equal(found, np.concatenate([np.arange(first, first + 4) for first in found[::4]]))
        assert len(set(found)) == 8
        samples.add(tuple(found))
    assert len(samples) > 1
    validation = blocks.evaluation("validation", num_examples=5, batch_size=2, shard=WHOLE, seed=0)
    np.testing.assert_array_equal(targets(validation), [1, 2, 3, 4, 5])


@pytest.mark.parametrize("num_examples", [0, 8])
def test_more_examples_than_there_are(stored, num_examples):
    with pytest.raises(UserError, match=f"Cannot evaluate {num_examples} examples.*1 to 7"):
        stored.evaluation("validation", num_examples=num_examples, batch_size=2, shard=WHOLE, seed=0)


def test_unknown_split(stored):
    with pytest.raises(UserError, match="Unknown split 'test'"):
        stored.num_examples("test")


def test_hash_is_the_stores(stored, tmp_path):
    assert stored.hash == Store.open(tmp_path / "store").hash
