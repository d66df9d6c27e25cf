"""Memory that this process shares with its workers, allocated in slots.

It is an anonymous file in memory. It takes no space in /dev/shm, which is small in containers, and disappears with
the last process that has it open, however that process ends.
"""

from __future__ import annotations

import mmap
import os
import weakref
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

_ALIGNMENT = 64  # bytes; lets frameworks use the arrays without a copy
Layout = Mapping[str, tuple[tuple[int, ...], np.dtype[Any]]]
"""Shape of one row and type of every field of a batch."""


@dataclass(frozen=True)
class Slot:
    """A range of the shared memory."""

    offset: int
    num_bytes: int


def arrays_in(buffer: Any, layout: Layout, num_rows: int) -> dict[str, np.ndarray]:
    """The fields of a batch as arrays (num_rows, ...), stored one after another in `buffer`."""
    base = np.frombuffer(buffer, np.uint8)
    arrays, offset = {}, 0
    for name, (shape, dtype) in layout.items():
        size = num_rows * int(np.prod(shape)) * dtype.itemsize
        arrays[name] = base[offset : offset + size].view(dtype).reshape(num_rows, *shape)
        offset += _aligned(size)
    return arrays


def bytes_needed(layout: Layout, num_rows: int) -> int:
    """Size of the slot for a batch, in whole pages."""
    sizes = (_aligned(num_rows * int(np.prod(shape)) * dtype.itemsize) for shape, dtype in layout.values())
    return -(-sum(sizes) // mmap.PAGESIZE) * mmap.PAGESIZE


def bytes_per_row(layout: Layout) -> int:
    """Size of one row of a batch."""
    return sum(int(np.prod(shape)) * dtype.itemsize for shape, dtype in layout.values())


def _aligned(size: int) -> int:
    return -(-size // _ALIGNMENT) * _ALIGNMENT


class SharedMemory:
    """The side that allocates slots.

    Attributes:
      descriptor: file descriptor for the workers, which map the slots named in their tasks.
    """

    def __init__(self) -> None:
        self.descriptor = os.memfd_create("algoperf-batches")
        self._end = 0
        self._mapped: dict[Slot, mmap.mmap] = {}
        self._free: list[Slot] = []

    def take(self, num_bytes: int) -> Slot:
        """Allocate a free slot."""
        for slot in self._free:
            if slot.num_bytes == num_bytes:
                self._free.remove(slot)
                return slot
        slot = Slot(self._end, num_bytes)
        self._end += num_bytes
        os.ftruncate(self.descriptor, self._end)
        self._mapped[slot] = mmap.mmap(self.descriptor, num_bytes, offset=slot.offset)
        return slot

    def give_back(self, slot: Slot) -> None:
        """Free a slot."""
        self._free.append(slot)

    def arrays(self, slot: Slot, layout: Layout, num_rows: int) -> dict[str, np.ndarray]:
        """The batch in a slot. The slot is freed when the last array, or view of one, is gone."""
        arrays = arrays_in(self._mapped[slot], layout, num_rows)
        owner = next(iter(arrays.values())).base
        weakref.finalize(owner, self.give_back, slot).atexit = False
        return arrays

    def trim(self) -> None:
        """Return the pages of unused slots to the system. They come back, zeroed, on the next use."""
        for slot in self._free:
            self._mapped[slot].madvise(mmap.MADV_REMOVE)

    def close(self) -> None:
        """Allocate no more. Arrays in use stay valid."""
        self._mapped.clear()
        self._free.clear()
        os.close(self.descriptor)
