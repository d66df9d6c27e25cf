"""The order in which examples are visited: a pure function of seed and position."""

from __future__ import annotations

import abc
from collections.abc import Sequence
from typing import Protocol

import numpy as np

from algoperf.data.batches.seeding import keyed_generator
from algoperf.errors import UserError

Indices = np.ndarray | range
"""Indices of rows: int64, or a range where the rows lie one after another, so that nothing is made for each row."""


class Rows(Protocol):
    """Indices of rows that can be cut, and need not exist as an array: `range`, arrays, `FirstRows`."""

    def __len__(self) -> int: ...

    def __getitem__(self, part: slice, /) -> Indices: ...


class Order(Protocol):
    """An endless stream of row indices that visits all rows in every epoch.

    Any range of the stream can be computed directly, so resuming only needs a position.
    """

    def indices(self, start: int, count: int) -> Indices:
        """Elements [start, start + count) of the stream; may span epochs."""
        ...

    def prepare(self, position: int) -> None:
        """Make what element `position` and the next epoch need, so that `indices` does not have to. Not on the clock.

        What was not prepared is made when it is asked for.
        """
        ...


class _Permutations(abc.ABC):
    """The permutations that orders draw, one per epoch. At most two are kept, because a batch may straddle epochs."""

    def __init__(self, num_rows: int, num_permuted: int, seed: int, name: str) -> None:
        self._num_rows, self._num_permuted = num_rows, num_permuted
        self._seed, self._name = seed, name
        self._permutations: dict[int, np.ndarray] = {}

    def indices(self, start: int, count: int) -> Indices:
        """Elements [start, start + count) of the stream; may span epochs."""
        if start < 0 or count < 0:
            raise ValueError(f"start and count must not be negative, not {start} and {count}")
        pieces: list[Indices] = []
        position, end = start, start + count
        while position < end:
            epoch, offset = divmod(position, self._num_rows)
            pieces.append(self._piece(epoch, offset, end - position))
            position += len(pieces[-1])
        if len(pieces) == 1 and isinstance(pieces[0], range):
            return pieces[0]
        return np.concatenate([np.empty(0, np.int64), *pieces])

    def prepare(self, position: int) -> None:
        """Make the permutation of the epoch of element `position`, and of the next one."""
        epoch = position // self._num_rows
        for needed in (epoch, epoch + 1):
            self._permutation(needed)

    @abc.abstractmethod
    def _piece(self, epoch: int, offset: int, count: int) -> Indices:
        """At least one and at most `count` elements of an epoch, beginning with its element `offset`."""

    def _draw(self, generator: np.random.Generator, count: int) -> np.ndarray:
        """A permutation of the numbers below `count`."""
        return generator.permutation(count)

    def _permutation(self, epoch: int) -> np.ndarray:
        if epoch not in self._permutations:
            permutation = self._draw(keyed_generator(self._name, self._seed, epoch), self._num_permuted)
            kept = {epoch - 1: self._permutations[epoch - 1]} if epoch - 1 in self._permutations else {}
            self._permutations = {**kept, epoch: permutation}
        return self._permutations[epoch]


class Shuffled(_Permutations):
    """A new permutation of all rows per epoch."""

    def __init__(self, num_rows: int, seed: int, name: str = "order") -> None:
        if num_rows < 1:
            raise ValueError(f"num_rows must be at least 1, not {num_rows}")
        super().__init__(num_rows, num_rows, seed, name)

    def indices(self, start: int, count: int) -> np.ndarray:
        """Elements [start, start + count) of the stream: int64 (count,); may span epochs."""
        return np.asarray(super().indices(start, count))

    def _piece(self, epoch: int, offset: int, count: int) -> np.ndarray:
        return self._permutation(epoch)[offset : offset + count]


class Buffered(Shuffled):
    """The order of stored rows that pass through a buffer: each place of the order takes any row of the buffer.

    The next stored row takes its place. So a row comes at most `buffer_rows` places early, and the last `buffer_rows`
    of an epoch are in any order. As the reference shuffles streams, with TensorFlow's `shuffle(buffer_rows)`.
    """

    def __init__(self, num_rows: int, buffer_rows: int, seed: int) -> None:
        if buffer_rows < 1:
            raise ValueError(f"buffer_rows must be at least 1, not {buffer_rows}")
        super().__init__(num_rows, seed, "buffer")
        self._buffer_rows = buffer_rows

    def _draw(self, generator: np.random.Generator, count: int) -> np.ndarray:
        """Draw the slots of the buffer that all rows come into; a row leaves its slot when another one comes."""
        size = min(self._buffer_rows, count)
        slots = np.concatenate([np.arange(size), generator.integers(size, size=count - size)])
        slots = slots.astype(np.uint16 if size <= 1 << 16 else np.int64)  # sorts faster
        rows = np.argsort(slots, kind="stable")  # by slot, in the order in which they come
        leaves = np.flatnonzero(slots[rows][1:] == slots[rows][:-1])
        order = np.empty(count, np.int64)
        order[rows[leaves + 1] - size] = rows[leaves]
        order[count - size :] = generator.permutation(np.delete(rows, leaves))
        return order


class Blocks(_Permutations):
    """A new permutation of blocks of rows per epoch. Within a block, rows keep the order in which they are stored.

    For data that is too large for single random reads: it needs memory for the numbers of blocks only.

    Args:
      num_rows: rows of all blocks.
      block_rows: rows of every block, of which the last may have fewer; or the rows of each block.
      seed: of the permutations.
    """

    def __init__(self, num_rows: int, block_rows: int | Sequence[int], seed: int) -> None:
        if isinstance(block_rows, int):
            if num_rows < 1 or block_rows < 1:
                raise ValueError(f"num_rows and block_rows must be at least 1, not {num_rows} and {block_rows}")
            self._starts = np.arange(0, num_rows, block_rows, dtype=np.int64)
            self._sizes = np.diff(self._starts, append=num_rows)
        else:
            self._sizes = np.array(block_rows, np.int64)
            self._starts = np.cumsum(self._sizes) - self._sizes
            if self._sizes.min(initial=1) < 1 or self._sizes.sum() != num_rows:
                raise ValueError(f"blocks must have rows, and {num_rows} together, not {self._sizes.sum()}")
        super().__init__(num_rows, len(self._sizes), seed, "blocks")
        self._latest = -1, np.empty(0, np.int64)  # an epoch, and where the blocks end in its order

    def _piece(self, epoch: int, offset: int, count: int) -> range:
        permutation, ends = self._permutation(epoch), self._ends(epoch)
        place = int(np.searchsorted(ends, offset, side="right"))
        start, size = (int(array[permutation[place]]) for array in (self._starts, self._sizes))
        row = offset - (int(ends[place]) - size)
        return range(start + row, start + min(size, row + count))

    def _ends(self, epoch: int) -> np.ndarray:
        if self._latest[0] != epoch:
            self._latest = epoch, np.cumsum(self._sizes[self._permutation(epoch)])
        return self._latest[1]


class FirstRows:
    """The first `count` elements of an order, as rows to evaluate: nothing is made before it is used."""

    def __init__(self, order: Order, count: int) -> None:
        self._order, self._count = order, count

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, part: slice) -> Indices:
        start, stop, step = part.indices(self._count)
        assert step == 1, "rows are cut into consecutive parts"
        return self._order.indices(start, max(0, stop - start))


def sample(num_rows: int, count: int, seed: int) -> np.ndarray:
    """`count` distinct indices below `num_rows`, sorted: int64 (count,)."""
    if not 0 <= count <= num_rows:
        raise UserError(f"Cannot draw {count} different examples from {num_rows}. Ask for {num_rows} at most.")
    return np.sort(keyed_generator("sample", seed).choice(num_rows, count, replace=False, shuffle=False))
