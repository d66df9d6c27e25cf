"""Batches of translation: packed rows compared with a plain loop, and evaluations."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from algoperf.data.batches.order import Buffered
from algoperf.data.contracts import Shard, dataset_dir
from algoperf.datasets.wmt.batches import SIDES, OpenWMT, PackedBatches
from algoperf.datasets.wmt.dataset import WMT_MINI
from algoperf.datasets.wmt.miniature import NUM_TOKENS
from algoperf.datasets.wmt.packing import plan
from algoperf.errors import UserError

ROOM = NUM_TOKENS


@pytest.fixture(scope="module")
def opened(prepare) -> OpenWMT:
    return WMT_MINI.open(dataset_dir(prepare(WMT_MINI, "mini"), WMT_MINI, "mini"))


@given(st.integers(1, 6), st.integers(1, 12), st.integers(1, 9), st.integers(0, 2**32))
def test_plan_is_that_of_a_plain_loop(groups, group, room, seed):
    lengths = np.random.default_rng(seed).integers(1, room, size=(2, groups * group), endpoint=True)
    found = plan(lengths, room, group)
    row, used = -1, np.zeros(2, int)
    for pair, length in enumerate(lengths.T):
        if pair % group == 0 or (used + length > room).any():
            row, used, number = row + 1, np.zeros(2, int), 0
            assert found.firsts[row] == pair
        number += 1
        assert (found.rows[pair], found.numbers[pair], *found.starts[:, pair]) == (row, number, *used)
        used = used + length
    assert len(found.firsts) == row + 1


def packed_plainly(opened, order, num_pairs):
    """Rows of the first pairs of a stream, pair by pair."""
    streams, rows, used = opened._streams("train"), [], None
    for place, pair in enumerate(order.indices(0, num_pairs).tolist()):
        chosen = np.flatnonzero((streams.lengths <= ROOM).all(axis=0))[[pair]]
        tokens = [streams.take(chosen, side, streams.known[side, chosen].astype(int)).tolist() for side in (0, 1)]
        if place % ROOM == 0 or any(len(new) + len(old) > ROOM for new, old in zip(tokens, used, strict=True)):
            used = [[], []]
            rows.append(used)
        for new, old in zip(tokens, used, strict=True):
            old.extend(new)
    return [[side + [0] * (ROOM - len(side)) for side in row] for row in rows]


def test_rows_are_those_of_a_plain_loop(opened):
    """Also across the end of an epoch: there are 7,998 pairs that are not too long."""
    batches = opened.training(seed=3, batch_size=100, shard=Shard())
    expected = packed_plainly(opened, Buffered(7_998, 1024, seed=3), 9_000)
    position = 0
    for number in range(len(expected) // 100):
        batch = batches.batch(position)
        for side, name in enumerate(SIDES):
            rows = [row[side] for row in expected[100 * number : 100 * number + 100]]
            np.testing.assert_array_equal(batch[name], rows)
        position = batches.after(position)
    assert number > 30


def test_batches_are_a_pure_function_of_seed_and_position(opened):
    """Whatever was asked before, for any number of processes; seeds have batches of their own."""
    whole = opened.training(seed=0, batch_size=64, shard=Shard())
    positions = [0]
    for _ in range(40):
        positions.append(whole.after(positions[-1]))
    for position in (positions[40], positions[7]):
        batch = whole.batch(position)
        fresh = opened.training(seed=0, batch_size=64, shard=Shard())
        fresh.prepare(position)
        assert fresh.after(position) == whole.after(position)
        parts = [opened.training(seed=0, batch_size=64, shard=Shard(index, 4)) for index in range(4)]
        assert {part.after(position) for part in parts} == {whole.after(position)}
        for name, array in batch.items():
            np.testing.assert_array_equal(fresh.batch(position)[name], array)
            np.testing.assert_array_equal(np.concatenate([part.batch(position)[name] for part in parts]), array)
    other = opened.training(seed=1, batch_size=64, shard=Shard())
    assert not np.array_equal(other.batch(0)["inputs"], whole.batch(0)["inputs"])
    with pytest.raises(UserError, match="batch size of 64 cannot be split among 3 processes"):
        opened.training(seed=0, batch_size=64, shard=Shard(0, 3))


def test_a_batch_may_be_longer_than_what_is_packed_at_once(opened, monkeypatch):
    monkeypatch.setattr(PackedBatches, "_chunk", 2 * ROOM)
    short = opened.training(seed=0, batch_size=128, shard=Shard())
    monkeypatch.undo()
    whole = opened.training(seed=0, batch_size=128, shard=Shard())
    assert short.after(0) == whole.after(0)
    for name, array in whole.batch(0).items():
        np.testing.assert_array_equal(short.batch(0)[name], array)


@pytest.mark.parametrize("count", [1, 2, 4, 8])
def test_every_pair_is_evaluated_once(opened, count):
    """On any number of devices; sentences of similar length are together; nothing is left out."""
    for split in ("validation", "test", "eval_train"):
        number = 250
        rows = Counter()
        for index in range(count):
            batches = opened.evaluation(split, num_examples=number, batch_size=64, shard=Shard(index, count), seed=5)
            assert len(batches) == 4
            for batch in batches:
                np.testing.assert_array_equal(batch["weights"] > 0, batch["targets"] > 0)
                assert not batch["inputs"][~batch["real"]].any()
                rows.update(
                    (source.tobytes(), target.tobytes())
                    for source, target in zip(*(batch[side][batch["real"]] for side in SIDES), strict=True)
                )
        streams = opened._streams("train" if split == "eval_train" else split)
        assert rows.total() == number
        if split == "eval_train":
            continue
        [whole] = opened.evaluation(split, num_examples=number, batch_size=number, shard=Shard(), seed=0)
        expected = zip(*(whole[side] for side in SIDES), strict=True)
        assert rows == Counter((source.tobytes(), target.tobytes()) for source, target in expected)
        lengths = (whole["inputs"] == 2).argmax(axis=1)
        assert (np.diff(lengths) >= 0).all()
        assert np.sort(streams.lengths[0, :number]).tolist() == (lengths + 1).tolist()


def test_a_sentence_to_evaluate_is_cut_if_it_is_too_long(opened, prepare):
    short = OpenWMT(dataset_dir(prepare(WMT_MINI, "mini"), WMT_MINI, "mini"), 8)
    [batch] = short.evaluation("validation", num_examples=256, batch_size=256, shard=Shard(), seed=0)
    [whole] = opened.evaluation("validation", num_examples=256, batch_size=256, shard=Shard(), seed=0)
    for side in SIDES:
        np.testing.assert_array_equal(batch[side], whole[side][:, :8])
    with pytest.raises(UserError, match="Cannot evaluate 257 examples"):
        short.evaluation("validation", num_examples=257, batch_size=256, shard=Shard(), seed=0)
