"""Variable-length records, such as JPEG files, in a store: a few large files instead of a million small ones.

    <directory>/manifest.json
    <directory>/train/shard_00000.npy ...   the bytes of all records, one after another (uint8)
    <directory>/train/index.npy             int64 (N, 3): number of the shard, offset in its file, length
    <directory>/train/targets.npy ...       other fields, one row per record

The manifest, checks and hash are those of every store (`store.py`). Reading a record takes one system call.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Self

import numpy as np
import psutil

from algoperf.data.files import format_bytes
from algoperf.data.store.store import Store
from algoperf.errors import DataError

INDEX = "index"
_WARM_SHARE = 0.8  # of free memory: reading more would evict what was read first
_READ_BYTES = 1 << 22


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

    def close(self) -> None:
        """Close all files."""
        while self._opened:
            os.close(self._opened.popitem()[1])

    def __del__(self) -> None:
        self.close()

    def _path(self, shard: int) -> Path:
        return self._directory / self._split / shard_name(shard)

    def _descriptor(self, shard: int) -> int:
        if shard not in self._opened:
            self._opened[shard] = os.open(self._path(shard), os.O_RDONLY | os.O_CLOEXEC)
        return self._opened[shard]


def warm(store: Store, part: int = 0, num_parts: int = 1) -> None:
    """Read a large store into the page cache, once and in order: evaluation splits first, then training data.

    Stops before memory is full, because further reads would evict earlier ones. Processes on one host share the
    work: each reads every `num_parts`-th file.
    """
    files = sorted(store.files, key=lambda name: (name.startswith("train/"), name))
    left = int(psutil.virtual_memory().available * _WARM_SHARE)
    total = sum(store.files[name].num_bytes for name in files)
    if total > left and part == 0:
        print(f"The store has {format_bytes(total)}; memory for {format_bytes(left)} of it is free.", flush=True)
    buffer = bytearray(_READ_BYTES)
    for number, name in enumerate(files):
        left -= store.files[name].num_bytes
        if left < 0:
            return
        if number % num_parts == part:
            with (store.directory / name).open("rb", buffering=0) as file:
                while file.readinto(buffer):
                    pass
