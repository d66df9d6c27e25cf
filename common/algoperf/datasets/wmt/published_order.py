"""The order in which the published pipeline reads examples; it decides which text the tokenizer is trained on.

tensorflow-datasets sorts the examples of a split by the MD5 of the split's name and their own, cuts them into shards
of equal size, and reads the shards in turns, some examples at a time.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import numpy as np

NUM_SHARDS = 16  # of the training split, as published
BLOCK = 16  # examples that are read from a shard in turn


def example_names(corpus: str, numbers: Iterable[int]) -> list[str]:
    """The names of a corpus's examples; 0 is the number of its only pair of files."""
    return [f"{corpus}/0/{number}" for number in numbers]


def hash_order(names: Iterable[str], split: str) -> np.ndarray:
    """The examples sorted by their hashes: int64 (N,)."""
    salted = hashlib.md5(split.encode(), usedforsecurity=False)
    digests = bytearray()
    for name in names:
        hasher = salted.copy()
        hasher.update(name.encode())
        digests += hasher.digest()
    words = np.frombuffer(bytes(digests), ">u8").reshape(-1, 2)
    return np.lexsort((words[:, 1], words[:, 0]))


def read_order(num_examples: int, num_shards: int = NUM_SHARDS, block: int = BLOCK) -> np.ndarray:
    """The order in which sorted examples are read from their shards: int64 (N,)."""
    ends = [round(num_examples * number / num_shards) for number in range(1, num_shards + 1)]
    starts = [0, *ends[:-1]]
    shards = np.repeat(np.arange(num_shards), np.subtract(ends, starts))
    places = np.arange(num_examples) - np.repeat(starts, np.subtract(ends, starts))
    return np.lexsort((places, shards, places // block))
