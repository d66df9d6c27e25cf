import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from algoperf.data.batches.order import Blocks, Buffered, FirstRows, Shuffled, sample
from algoperf.data.batches.seeding import keyed_generator
from algoperf.errors import UserError

SIZES = st.integers(1, 40)
SEEDS = st.integers(-(2**40), 2**40)


@given(SIZES, SEEDS, st.integers(0, 5))
def test_every_epoch_visits_every_example_once(num_examples, seed, epoch):
    indices = Shuffled(num_examples, seed).indices(epoch * num_examples, num_examples)
    assert indices.dtype == np.int64
    np.testing.assert_array_equal(np.sort(indices), np.arange(num_examples))


@given(SIZES, SEEDS, st.lists(st.tuples(st.integers(0, 200), st.integers(0, 100)), max_size=6))
def test_any_stretch_is_the_same_whatever_was_asked_before(num_examples, seed, stretches):
    stream = Shuffled(num_examples, seed).indices(0, 300)
    order = Shuffled(num_examples, seed)
    for start, count in stretches:
        np.testing.assert_array_equal(order.indices(start, count), stream[start : start + count])


def test_epochs_and_seeds_have_orders_of_their_own():
    order = Shuffled(1000, seed=3)
    first, second = order.indices(0, 1000), order.indices(1000, 1000)
    assert not np.array_equal(first, second)
    assert not np.array_equal(first, np.arange(1000))
    assert not np.array_equal(first, Shuffled(1000, seed=4).indices(0, 1000))


def test_order_is_pinned():
    """Recorded results depend on it: these numbers must never change."""
    expected = [7, 6, 1, 9, 5, 4, 2, 3, 0, 8, 7, 4, 6, 3, 8, 2, 9, 5, 0, 1]
    assert Shuffled(10, seed=0).indices(0, 20).tolist() == expected
    assert sample(100, 5, seed=0).tolist() == [2, 56, 61, 67, 78]


def test_order_is_the_same_in_another_process():
    code = "from algoperf.data.batches.order import Shuffled; print(Shuffled(50, 7).indices(40, 30).tolist())"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.strip() == str(Shuffled(50, 7).indices(40, 30).tolist())


@given(st.integers(1, 60), st.integers(1, 20), SEEDS, st.integers(0, 3))
def test_blocks_are_permuted_and_rows_keep_their_order_within(num_rows, block_rows, seed, epoch):
    rows = np.asarray(Blocks(num_rows, block_rows, seed).indices(epoch * num_rows, num_rows))
    assert rows.dtype == np.int64
    blocks = [row for row in rows.tolist() if row % block_rows == 0]
    assert sorted(blocks) == list(range(0, num_rows, block_rows))
    expected = [row for first in blocks for row in range(first, min(first + block_rows, num_rows))]
    assert rows.tolist() == expected


@given(st.integers(1, 60), st.integers(1, 20), SEEDS, st.lists(st.tuples(st.integers(0, 250), st.integers(0, 50))))
def test_any_stretch_of_blocks_is_the_same_whatever_was_asked_before(num_rows, block_rows, seed, stretches):
    stream = np.asarray(Blocks(num_rows, block_rows, seed).indices(0, 300))
    order = Blocks(num_rows, block_rows, seed)
    for start, count in stretches:
        np.testing.assert_array_equal(np.asarray(order.indices(start, count)), stream[start : start + count])


@given(st.lists(st.integers(1, 9), min_size=1, max_size=9), SEEDS, st.integers(0, 60), st.integers(0, 40))
def test_blocks_of_given_sizes(sizes, seed, start, count):
    """Each whole, once an epoch; any stretch is the same whatever was asked before."""
    num_rows = sum(sizes)
    order = Blocks(num_rows, sizes, seed)
    np.testing.assert_array_equal(order.indices(start, count), np.asarray(order.indices(0, 100))[start : start + count])
    blocks = np.split(np.arange(num_rows), np.cumsum(sizes)[:-1])
    epoch = np.asarray(order.indices(num_rows, num_rows)).tolist()
    firsts = [row for row in epoch if any(block[0] == row for block in blocks)]
    assert sorted(firsts) == [block[0] for block in blocks]
    assert epoch == [row for first in firsts for block in blocks if block[0] == first for row in block.tolist()]


def test_rows_of_one_block_are_a_range():
    order = Blocks(4_200_000_000, 5_000_000, seed=0)
    rows = order.indices(10_000_000, 5_000_000)
    assert isinstance(rows, range)
    assert rows.start % 5_000_000 == 0
    assert len(rows) == 5_000_000
    assert isinstance(order.indices(14_999_999, 2), np.ndarray)


def test_blocks_have_an_order_per_epoch_and_seed():
    order = Blocks(1000, 10, seed=3)
    first, second = order.indices(0, 1000), order.indices(1000, 1000)
    assert not np.array_equal(first, second)
    assert not np.array_equal(first, Blocks(1000, 10, seed=4).indices(0, 1000))
    epochs = Blocks(22, 5, seed=0).indices(0, 44).tolist()
    assert [row for row in epochs if row % 5 == 0] == [0, 20, 15, 5, 10, 15, 5, 0, 20, 10]  # must never change


def through_a_buffer(num_rows: int, buffer_rows: int, slots: list[int]) -> tuple[list[int], list[int]]:
    """Row by row: what comes out while rows come in, and what is left in the buffer."""
    buffer, coming, out = list(range(buffer_rows)), iter(range(buffer_rows, num_rows)), []
    for slot, row in zip(slots, coming, strict=True):
        out.append(buffer[slot])
        buffer[slot] = row
    return out, buffer


@given(st.integers(1, 80), st.integers(1, 20), SEEDS, st.integers(0, 2))
def test_a_buffer_gives_what_its_slots_hold(num_rows, buffer_rows, seed, epoch):
    size = min(buffer_rows, num_rows)
    slots = keyed_generator("buffer", seed, epoch).integers(size, size=num_rows - size).tolist()
    rows = Buffered(num_rows, buffer_rows, seed).indices(epoch * num_rows, num_rows).tolist()
    out, left = through_a_buffer(num_rows, size, slots)
    assert rows[: len(out)] == out
    assert sorted(rows[len(out) :]) == sorted(left)


@given(st.integers(1, 60), st.integers(1, 20), SEEDS, st.lists(st.tuples(st.integers(0, 250), st.integers(0, 50))))
def test_any_stretch_of_a_buffer_is_the_same_whatever_was_asked_before(num_rows, buffer_rows, seed, stretches):
    stream = Buffered(num_rows, buffer_rows, seed).indices(0, 300)
    order = Buffered(num_rows, buffer_rows, seed)
    for start, count in stretches:
        np.testing.assert_array_equal(order.indices(start, count), stream[start : start + count])


def test_rows_come_out_of_a_buffer_soon_and_never_early():
    """The distance between places and rows: at most the buffer ahead, and as long behind as chance wants."""
    order = Buffered(50_000, 100, seed=0)
    places = np.arange(49_900)
    delay = places - order.indices(0, 50_000)[:49_900]
    assert delay.min() == -99
    assert np.mean(delay[1_000:]) == pytest.approx(0, abs=5)  # -99, and a geometric time of mean 99
    assert np.std(delay[1_000:]) == pytest.approx(100, rel=0.1)
    assert Buffered(12, 4, seed=0).indices(0, 24).tolist() == [
        0, 4, 3, 6, 5, 7, 8, 1, 2, 9, 10, 11, 1, 4, 2, 0, 5, 3, 6, 9, 11, 8, 10, 7,
    ]  # fmt: skip  # must never change


@pytest.mark.parametrize(
    "make", [lambda: Shuffled(10, seed=0), lambda: Blocks(10, 3, seed=0), lambda: Buffered(10, 3, seed=0)]
)
def test_what_was_prepared_is_not_made_when_it_is_drawn(make, monkeypatch):
    expected, order = [np.asarray(make().indices(start, 5)) for start in (5, 10, 15)], make()
    order.prepare(5)
    monkeypatch.setattr("algoperf.data.batches.order.keyed_generator", None)
    for start, rows in zip((5, 10, 15), expected, strict=True):
        np.testing.assert_array_equal(np.asarray(order.indices(start, 5)), rows)


def test_first_rows_are_those_of_the_order():
    order = Blocks(100, 7, seed=1)
    rows = FirstRows(order, 40)
    assert len(rows) == 40
    np.testing.assert_array_equal(np.asarray(rows[:]), order.indices(0, 40))
    np.testing.assert_array_equal(np.asarray(rows[30:50]), order.indices(30, 10))
    assert len(rows[40:]) == 0
    assert list(rows[:1]) == list(order.indices(0, 1))


def test_no_more_than_two_epochs_are_kept():
    order = Shuffled(10, seed=0)
    order.indices(0, 100)
    assert sorted(order._permutations) == [8, 9]


def test_what_was_returned_can_be_changed_without_harm():
    order = Shuffled(10, seed=0)
    before = order.indices(2, 5)
    expected = before.copy()
    before[:] = -1
    np.testing.assert_array_equal(order.indices(2, 5), expected)


@given(st.integers(0, 60), st.integers(0, 60), SEEDS)
def test_sample_is_sorted_and_without_replacement(num_examples, count, seed):
    if count > num_examples:
        with pytest.raises(UserError, match=f"Cannot draw {count} different examples from {num_examples}"):
            sample(num_examples, count, seed)
        return
    drawn = sample(num_examples, count, seed)
    assert drawn.shape == (count,)
    assert (np.diff(drawn) > 0).all()
    assert not count or 0 <= drawn[0] <= drawn[-1] < num_examples
    np.testing.assert_array_equal(drawn, sample(num_examples, count, seed))


def test_sample_reaches_every_example_and_depends_on_the_seed():
    counts = np.zeros(20, int)
    for seed in range(200):
        counts[sample(20, 5, seed)] += 1
    assert counts.min() > 20  # 50 expected
    assert counts.max() < 90


def test_impossible_arguments():
    with pytest.raises(ValueError, match="at least 1"):
        Shuffled(0, seed=0)
    with pytest.raises(ValueError, match="negative"):
        Shuffled(5, seed=0).indices(-1, 3)
    with pytest.raises(ValueError, match="at least 1, not 5 and 0"):
        Blocks(5, 0, seed=0)
    with pytest.raises(ValueError, match="buffer_rows must be at least 1, not 0"):
        Buffered(5, 0, seed=0)
    for sizes in ([], [2, 2], [5, 0], [6, -1]):
        with pytest.raises(ValueError, match="and 5 together"):
            Blocks(5, sizes, seed=0)


def test_keys_are_not_confused():
    keys = [("a", 1), ("a1",), ("a", "1"), ("a", 1, 0), ("a", -1), ("a", 2**70)]
    assert len({keyed_generator(*key).integers(2**62) for key in keys}) == len(keys)
