"""Batches of utterances, padded to one length.

Workers read them; samples stay 16 bits wide until they are on a device.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path

import numpy as np

from algoperf.data.batches.arrays import stored_split
from algoperf.data.contracts import Batch, Padded, Split
from algoperf.data.store.blobs import BlobReader
from algoperf.data.store.store import Store
from algoperf.data.text.sentence_piece import Tokenizer
from algoperf.data.workers.pool import WorkerPool, shared_pool
from algoperf.data.workers.pooled import PooledDataset
from algoperf.data.workers.shared_memory import Layout
from algoperf.datasets.librispeech.utterances import Limits

TOKENIZER = "spm_model.vocab"  # in the store and in the raw folder: the published name, though it is a model


@lru_cache(maxsize=8)
def _reader(directory: Path, split: str) -> BlobReader:
    return BlobReader(directory, split)


@dataclass(frozen=True)
class Source:
    """Makes rows of utterances. A task is an array of rows of the store; -1 means a row of padding.

    Attributes:
      directory: the store.
      split: a split of it.
      limits: room in a row.
      is_training: whether tasks begin with a position (see `stream_tasks`), and rows need no masks.
    """

    directory: Path
    split: str
    limits: Limits
    is_training: bool

    def layout(self) -> Layout:
        """Samples and tokens with their numbers; in evaluations, weights and the same as `real`."""
        fields: Layout = {
            "samples": ((self.limits.num_samples,), np.dtype(np.int16)),
            "num_samples": ((), np.dtype(np.int32)),
            "tokens": ((self.limits.num_tokens,), np.dtype(np.int16)),
            "num_tokens": ((), np.dtype(np.int32)),
        }
        masks: Layout = {"weights": ((), np.dtype(np.float32)), "real": ((), np.dtype(np.bool_))}
        return fields if self.is_training else {**fields, **masks}

    def fill(
        self,
        task: np.ndarray | tuple[int, np.ndarray],
        out: Mapping[str, np.ndarray],
        between: Callable[[], None],
    ) -> None:
        """Make the rows one by one."""
        rows = task[1] if isinstance(task, tuple) else task
        reader = _reader(self.directory, self.split)
        num_tokens = np.where(rows >= 0, reader.fields["num_tokens"][rows.clip(0)], 0)
        for place, (row, count) in enumerate(zip(rows.tolist(), num_tokens.tolist(), strict=True)):
            between()
            data = np.frombuffer(reader.read(row) if row >= 0 else b"", np.int16)
            for name, values in (("tokens", data[:count]), ("samples", data[count:])):
                out[name][place, : len(values)] = values
                out[name][place, len(values) :] = 0
            out["num_samples"][place] = len(data) - count
        out["num_tokens"][:] = num_tokens
        if not self.is_training:
            out["weights"][:] = out["real"][:] = rows >= 0


def finish(rows: dict[str, np.ndarray]) -> Batch:
    """Pairs of values and lengths. On the device, all values are float32, as published."""
    return {
        "inputs": Padded(rows.pop("samples"), rows.pop("num_samples"), np.float32),
        "targets": Padded(rows.pop("tokens"), rows.pop("num_tokens"), np.float32),
        **rows,
    }


class OpenLibriSpeech(PooledDataset):
    """The store of utterances, read through workers."""

    _store: Store  # on disk: workers open its files themselves

    def __init__(self, directory: Path, limits: Limits, pool: Callable[[], WorkerPool] = shared_pool) -> None:
        super().__init__(Store.open(directory, dataset="librispeech"), pool, finish=finish)
        self._limits = limits

    def training_source(self, seed: int) -> Source:
        """Utterances; augmentation happens in the model."""
        del seed
        return Source(self._store.directory, "train", self._limits, is_training=True)

    def evaluation_source(self, split: Split) -> Source:
        """Utterances and masks."""
        return Source(self._store.directory, stored_split(split), self._limits, is_training=False)

    @cached_property
    def tokenizer(self) -> Tokenizer:
        """The tokenizer that made the targets."""
        return Tokenizer(self._store.read_file(TOKENIZER))
