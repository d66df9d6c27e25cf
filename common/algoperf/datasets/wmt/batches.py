"""Batches of tokens from the store: packed rows for training, a sentence per row for evaluations.

Tokens lie one after another in a few files, which are mapped into memory; a batch is a handful of vector operations.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cached_property, lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np

from algoperf.data.batches.arrays import StoredDataset, check_num_examples, shard_slice, stored_split
from algoperf.data.batches.order import Buffered, sample
from algoperf.data.batches.sequences import BatchSequence
from algoperf.data.contracts import Batch, Shard, Split, TrainingBatches
from algoperf.data.store.blobs import INDEX, shard_name
from algoperf.data.store.store import Store
from algoperf.data.text.sentence_piece import Tokenizer
from algoperf.datasets.wmt.packing import Plan, plan, spread

TOKENIZER = "wmt_sentencepiece_model"  # in the store and in the raw folder: the published name
SHUFFLE_BUFFER = 1024  # pairs, as published
PLANNED_GROUPS = 256  # groups of pairs that are packed at once
SIDES = ("inputs", "targets")


class Streams:
    """The tokens of a split.

    Attributes:
      lengths: int32 (2, N): numbers of tokens of both sides.
      known: int32 (2, N): how many of them are not the unknown word.
    """

    def __init__(self, store: Store, split: str) -> None:
        fields = store.split(split)
        index = np.asarray(fields[INDEX])
        self.lengths = np.stack([fields[f"num_{side}"] for side in SIDES]).astype(np.int32)
        self.known = np.stack([fields[f"known_{side}"] for side in SIDES]).astype(np.int32)
        self._shard, self._starts = index[:, 0], index[:, 1]
        self._folder = store.directory / split
        self._files: dict[int, np.ndarray] = {}

    def take(self, rows: np.ndarray, side: int, counts: np.ndarray) -> np.ndarray:
        """The first `counts` tokens of one side of pairs, one after another: uint16 (sum,)."""
        first = self._starts[rows] // 2 + (self.lengths[0, rows] if side else 0)
        places, shards = np.repeat(first, counts) + spread(counts), self._shard[rows]
        numbers = np.unique(shards)
        if len(numbers) == 1:
            return self._tokens(int(numbers[0]))[places]
        found, shard_of = np.empty(len(places), np.uint16), np.repeat(shards, counts)
        for number in numbers.tolist():
            chosen = shard_of == number
            found[chosen] = self._tokens(number)[places[chosen]]
        return found

    def _tokens(self, shard: int) -> np.ndarray:
        """A file, header included, as 16-bit numbers."""
        if shard not in self._files:
            self._files[shard] = np.memmap(self._folder / shard_name(shard), np.uint16, mode="r")
        return self._files[shard]


class PackedBatches(TrainingBatches):
    """Endless training batches of packed rows. A position is the number of the pair that begins a batch's first row.

    The pairs that are not too long are shuffled with a small buffer, which loses the order of the store only nearby,
    and packed in groups. Both are pure functions of the position.
    """

    def __init__(self, streams: Streams, *, room: int, seed: int, batch_size: int, shard: Shard) -> None:
        self._streams, self._room, self._group = streams, room, room
        self._rows = np.flatnonzero((streams.lengths <= room).all(axis=0))
        self._order = Buffered(len(self._rows), SHUFFLE_BUFFER, seed)
        self._batch_size, self._slice = batch_size, shard_slice(batch_size, shard)
        self._planned = lru_cache(maxsize=3)(self._make_plan)

    @property
    def _chunk(self) -> int:
        """Pairs that are packed at once."""
        return PLANNED_GROUPS * self._group

    def _make_plan(self, chunk: int) -> tuple[np.ndarray, Plan]:
        """Pairs of the store, and where they go."""
        pairs = self._rows[self._order.indices(chunk * self._chunk, self._chunk)]
        return pairs, plan(self._streams.known[:, pairs], self._room, self._group)

    def _row(self, position: int, offset: int) -> tuple[int, int]:
        """Chunk and number in it of the row that follows the one of `position` after `offset` rows."""
        chunk, place = divmod(position, self._chunk)
        row = int(self._planned(chunk)[1].rows[place]) + offset
        while row >= (count := len(self._planned(chunk)[1].firsts)):
            chunk, row = chunk + 1, row - count
        return chunk, row

    def after(self, position: int) -> int:
        """The pair that begins the row behind the batch."""
        chunk, row = self._row(position, self._batch_size)
        return chunk * self._chunk + int(self._planned(chunk)[1].firsts[row])

    def prepare(self, position: int) -> None:
        """Make the order of this epoch and the next one, and pack the coming pairs."""
        self._order.prepare(position)
        self._planned(position // self._chunk)

    def batch(self, position: int) -> Batch:
        """This shard's rows of the batch that begins at `position`."""
        num_rows = self._slice.stop - self._slice.start
        chunk, row = self._row(position, self._slice.start)
        made: list[_Placed] = []
        missing = num_rows
        while missing:
            pairs, layout = self._planned(chunk)
            stop = min(row + missing, len(layout.firsts))
            first = int(layout.firsts[row])
            last = int(layout.firsts[stop]) if stop < len(layout.firsts) else len(pairs)
            made.append(_Placed(
                pairs[first:last], layout.rows[first:last] - row + num_rows - missing,
                layout.numbers[first:last], layout.starts[:, first:last],
            ))  # fmt: skip
            missing -= stop - row
            chunk, row = chunk + 1, 0
        placed = (
            made[0] if len(made) == 1 else _Placed(*(np.concatenate(parts, -1) for parts in zip(*made, strict=True)))
        )
        return self._filled(placed, num_rows)

    def _filled(self, placed: _Placed, num_rows: int) -> Batch:
        batch: Batch = {}
        for number, side in enumerate(SIDES):
            counts = self._streams.known[number, placed.pairs]
            tokens, positions = self._streams.take(placed.pairs, number, counts), spread(counts)
            places = np.repeat(placed.rows * self._room + placed.starts[number], counts) + positions
            segments = np.repeat(placed.numbers, counts) * (tokens > 0)
            for suffix, values in (("", tokens), ("_position", positions), ("_segmentation", segments)):
                flat = np.zeros(num_rows * self._room, np.int32)
                flat[places] = values
                batch[side + suffix] = flat.reshape(num_rows, self._room)
        batch["weights"] = (batch["targets"] > 0).astype(np.int32)
        return batch


class _Placed(NamedTuple):
    """Pairs of a batch: rows of the store, rows of the batch, numbers in those, and places (2, N) in those."""

    pairs: np.ndarray
    rows: np.ndarray
    numbers: np.ndarray
    starts: np.ndarray


class SentenceBatches(BatchSequence):
    """Each of the pairs `rows` once, a pair in a row of a batch; rows behind the last pair are zeros."""

    def __init__(self, streams: Streams, rows: np.ndarray, *, room: int, batch_size: int, shard: Shard) -> None:
        self._streams, self._rows, self._room = streams, rows, room
        self._batch_size, self._slice = batch_size, shard_slice(batch_size, shard)

    def __len__(self) -> int:
        return math.ceil(len(self._rows) / self._batch_size)

    def _batch(self, number: int) -> Batch:
        size = self._slice.stop - self._slice.start
        start = number * self._batch_size + self._slice.start
        rows = self._rows[start : start + size]
        batch: Batch = {}
        for number, side in enumerate(SIDES):
            counts = np.minimum(self._streams.lengths[number, rows], self._room)
            places = np.repeat(np.arange(len(rows)) * self._room, counts) + spread(counts)
            flat = np.zeros(size * self._room, np.int32)
            flat[places] = self._streams.take(rows, number, counts)
            batch[side] = flat.reshape(size, self._room)
        return {
            **batch,
            "weights": (batch["targets"] > 0).astype(np.float32),
            "real": np.arange(size) < len(rows),
        }


class OpenWMT(StoredDataset):
    """The store of sentence pairs."""

    _store: Store  # on disk: its files are mapped

    def __init__(self, directory: Path, num_tokens: int) -> None:
        super().__init__(Store.open(directory, dataset="wmt"))
        self._num_tokens = num_tokens
        self._streams: Callable[[str], Streams] = lru_cache(maxsize=None)(lambda split: Streams(self._store, split))

    def training(self, *, seed: int, batch_size: int, shard: Shard) -> PackedBatches:
        """Packed rows of the pairs that are not too long."""
        return PackedBatches(
            self._streams("train"), room=self._num_tokens, seed=seed, batch_size=batch_size, shard=shard
        )

    def evaluation(
        self, split: Split, *, num_examples: int, batch_size: int, shard: Shard, seed: int
    ) -> SentenceBatches:
        """The first `num_examples` of the split, or a sample of the training split for `eval_train`.

        Sentences of similar length share a batch, because decoding a batch takes as long as its longest sentence. None
        is left out; one that is too long is cut.
        """
        streams = self._streams(stored_split(split))
        rows = np.arange(streams.lengths.shape[1])
        if split == "eval_train":  # of those that training sees
            rows = rows[(streams.lengths <= self._num_tokens).all(axis=0)]
        check_num_examples(split, num_examples, len(rows))
        rows = rows[sample(len(rows), num_examples, seed)] if split == "eval_train" else rows[:num_examples]
        rows = rows[np.argsort(streams.lengths[0, rows], kind="stable")]
        return SentenceBatches(streams, rows, room=self._num_tokens, batch_size=batch_size, shard=shard)

    @cached_property
    def tokenizer(self) -> Tokenizer:
        """The tokenizer that made the tokens."""
        return Tokenizer(self._store.read_file(TOKENIZER))
