"""The order in which examples are visited: a pure function of seed and position."""

from __future__ import annotations

import numpy as np

from algoperf.data.batches.seeding import keyed_generator
from algoperf.errors import UserError


class TrainingOrder:
    """An endless stream of example indices: a new permutation of all examples per epoch.

    Any range of the stream can be computed directly, so resuming only needs a position.
    """

    def __init__(self, num_examples: int, seed: int) -> None:
        if num_examples < 1:
            raise ValueError(f"num_examples must be at least 1, not {num_examples}")
        self._num_examples, self._seed = num_examples, seed
        self._permutations: dict[int, np.ndarray] = {}  # at most two epochs: a batch may straddle them

    def indices(self, start: int, count: int) -> np.ndarray:
        """Elements [start, start + count) of the stream: int64 (count,); may span epochs."""
        if start < 0 or count < 0:
            raise ValueError(f"start and count must not be negative, not {start} and {count}")
        pieces = [np.empty(0, np.int64)]
        position, end = start, start + count
        while position < end:
            epoch, offset = divmod(position, self._num_examples)
            piece = self._permutation(epoch)[offset : offset + end - position]
            pieces.append(piece)
            position += len(piece)
        return np.concatenate(pieces)

    def _permutation(self, epoch: int) -> np.ndarray:
        if epoch not in self._permutations:
            permutation = keyed_generator("order", self._seed, epoch).permutation(self._num_examples)
            kept = {epoch - 1: self._permutations[epoch - 1]} if epoch - 1 in self._permutations else {}
            self._permutations = {**kept, epoch: permutation}
        return self._permutations[epoch]


def sample(num_examples: int, count: int, seed: int) -> np.ndarray:
    """`count` distinct indices below `num_examples`, sorted: int64 (count,)."""
    if not 0 <= count <= num_examples:
        raise UserError(f"Cannot draw {count} different examples from {num_examples}. Ask for {num_examples} at most.")
    return np.sort(keyed_generator("sample", seed).choice(num_examples, count, replace=False, shuffle=False))
