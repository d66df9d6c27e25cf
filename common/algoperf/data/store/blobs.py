"""Variable-length records, such as JPEG files, in a store: a few large files instead of a million small ones.

    <directory>/manifest.json
    <directory>/train/shard_00000.npy ...   the bytes of all records, one after another (uint8)
    <directory>/train/index.npy             int64 (N, 3): number of the shard, offset in its file, length
    <directory>/train/targets.npy ...       other fields, one row per record

The manifest, checks and hash are those of every store (`store.py`). Reading a record takes one system call.
"""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path
from typing import Self

import numpy as np

from algoperf.data.store.store import Store
from algoperf.errors import DataError

INDEX = "index"


def shard_name(number: int) -> str:
    """File name of a split's shard."""
    return f"shard_{number:05d}.npy"


class BlobReader:
    """Reads the records of one split. It is pickled as its path: workers open the files themselves.

    Attributes:
      fields: the other fields of the split, memory-mapped.
    """

    def __init__(self, directory: Path, split: str) -> None:
        self._directory, self._split = directory, split
        self._opened: dict[int, int] = {}
        self.fields = Store.open(directory).split(split)
        self._index = np.asarray(self.fields.pop(INDEX))  # reading a row of a memory map costs microseconds

    def __reduce__(self) -> tuple[type[Self], tuple[Path, str]]:
        return type(self), (self._directory, self._split)

    def __len__(self) -> int:
        return len(self._index)

    def read(self, row: int) -> bytes:
        """The bytes of one record."""
        shard, offset, length = self._index[row].tolist()
        data = os.pread(self._descriptor(shard), length, offset)
        if len(data) != length:
            raise DataError(f"{self._path(shard)} ends within record {row} of split {self._split!r}.")
        return data

    _close = staticmethod(os.close)  # kept here, because modules may be gone when the interpreter ends

    def close(self) -> None:
        """Close all files."""
        while self._opened:
            self._close(self._opened.popitem()[1])

    def __del__(self) -> None:
        self.close()

    def _path(self, shard: int) -> Path:
        return self._directory / self._split / shard_name(shard)

    def _descriptor(self, shard: int) -> int:
        if shard not in self._opened:
            self._opened[shard] = os.open(self._path(shard), os.O_RDONLY | os.O_CLOEXEC)
        return self._opened[shard]


@lru_cache(maxsize=8)
def shared_reader(directory: Path, split: str) -> BlobReader:
    """The reader of this process for a split: tasks of workers name it, and it is opened once."""
    return BlobReader(directory, split)
