"""Batches of windows of a stream of tokens. Window k begins at token k * (length + 1); none crosses another."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from algoperf.data.batches.arrays import StoredArrays
from algoperf.data.batches.order import Buffered, Order
from algoperf.data.contracts import Batch
from algoperf.data.store.store import Store

_BUFFER_ROWS = 1_000  # as published


class _Windows:
    """A store whose examples are windows."""

    def __init__(self, store: Store, num_tokens: int) -> None:
        self._store, self._num_tokens = store, num_tokens
        self.hash = store.hash

    def num_examples(self, split: str) -> int:
        """How many windows the stream of a split has."""
        return self._store.num_examples(split) // self._num_tokens

    def split(self, name: str) -> dict[str, np.ndarray]:
        """The windows: uint16 (num_windows, num_tokens), memory-mapped."""
        tokens, count = self._store.split(name)["tokens"], self.num_examples(name)
        return {"tokens": tokens[: count * self._num_tokens].reshape(count, self._num_tokens)}

    def warm(self) -> None:
        """Read everything once."""
        self._store.warm()


def finish(rows: dict[str, np.ndarray]) -> Batch:
    """All tokens of the windows but the last, and all but the first: int32 (B, length)."""
    tokens = rows["tokens"]
    return {"inputs": tokens[:, :-1].astype(np.int32, "C"), "targets": tokens[:, 1:].astype(np.int32, "C")}


class OpenFineWebEdu(StoredArrays):
    """The store of tokens, as windows."""

    def __init__(self, directory: Path, length: int) -> None:
        super().__init__(_Windows(Store.open(directory, dataset="fineweb_edu"), length + 1), finish)

    def _training_order(self, seed: int) -> Order:
        """The stored order, which is one of permuted documents, through a buffer."""
        return Buffered(self.num_examples("train"), _BUFFER_ROWS, seed)
