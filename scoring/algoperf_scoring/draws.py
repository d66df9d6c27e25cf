"""Random numbers that the report's JavaScript can reproduce bit for bit: a hash of counters.

NumPy's generators have no counterpart in a browser. Each number is MurmurHash3's 32-bit finalizer (Appleby, 2011)
applied in turn to the seed and the counters. So it depends on nothing else, not even on how many are drawn.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def uniforms(seed: int, *counters: range) -> NDArray[np.float64]:
    """Numbers on [0, 1) with 32 random bits, one for each combination of counters: [len(counters[0]), ...].

    `seed` and all counters must be in 0..2^32 - 1.
    """
    words = _mixed(np.array(seed, dtype=np.uint32))
    for axis, values in enumerate(counters):
        counter = np.array(values, dtype=np.uint32).reshape((-1,) + (1,) * (len(counters) - axis - 1))
        words = _mixed(words ^ _mixed(counter + np.uint32(0x9E3779B9)))
    return words.astype(np.float64) * 2.0**-32


def _mixed(words: NDArray[np.uint32]) -> NDArray[np.uint32]:
    words = words ^ (words >> np.uint32(16))
    words = np.multiply(words, np.uint32(0x85EBCA6B), dtype=np.uint32)
    words = words ^ (words >> np.uint32(13))
    words = np.multiply(words, np.uint32(0xC2B2AE35), dtype=np.uint32)
    return words ^ (words >> np.uint32(16))
