"""Reads a store into the page cache before the clock starts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import psutil

from algoperf.system import local_process
from algoperf.text import format_bytes

_SHARE = 0.8  # of free memory: reading more would evict what was read first
_READ_BYTES = 1 << 22
_PIECE_BYTES = 1 << 28


def warm(directory: Path, files: Mapping[str, int]) -> None:
    """Read a store once and in order, so that later reads come from memory: training data last.

    `files` are the sizes of its files, in bytes.

    Stops before memory is full, because further reads would evict earlier ones. The processes of one host share the
    work: each reads every so-many-th piece.
    """
    rank, num_processes = local_process()
    left = int(psutil.virtual_memory().available * _SHARE)
    total = sum(files.values())
    if total > left and rank == 0:
        print(f"The store has {format_bytes(total)}; memory for {format_bytes(left)} of it is free.", flush=True)
    for number, (name, offset, num_bytes) in enumerate(_pieces(files)):
        left -= num_bytes
        if left < 0:
            return
        if number % num_processes == rank:
            _read(directory / name, offset, num_bytes)


def _pieces(files: Mapping[str, int]) -> Iterator[tuple[str, int, int]]:
    """Name, offset and length of the pieces of all files, in the order in which they are read."""
    for name in sorted(files, key=lambda name: (name.startswith("train"), name)):
        for offset in range(0, files[name], _PIECE_BYTES):
            yield name, offset, min(_PIECE_BYTES, files[name] - offset)


def _read(path: Path, offset: int, num_bytes: int) -> None:
    buffer = memoryview(bytearray(min(_READ_BYTES, num_bytes)))
    with path.open("rb", buffering=0) as file:
        file.seek(offset)
        while num_bytes > 0 and (count := file.readinto(buffer[:num_bytes])):
            num_bytes -= count
