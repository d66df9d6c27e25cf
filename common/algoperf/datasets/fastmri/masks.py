"""Which columns of k-space a slice keeps: all of the centre, and about a quarter overall.

The random numbers are those of the reference, TensorFlow's stateless uniform numbers on a processor: Philox 4x32-10
(Salmon et al., 2011), because the mask of the evaluation decides which target values can be reached.
"""

from __future__ import annotations

import functools

import numpy as np

CENTRE_SHARE = 0.08
ACCELERATION = 4
_ROUNDS = 10
_MULTIPLIERS = np.array([0xD2511F53, 0xCD9E8D57], np.uint64)[:, None, None]
_WEYL = np.array([0x9E3779B9, 0xBB67AE85], np.uint64)
_SCRAMBLER = np.array([[0x3EC8F720], [0x02461E29]], np.uint64)  # the key that turns a seed into key and counter
_WORD, _HALF = np.uint64(0xFFFFFFFF), np.uint64(32)


def column_mask(width: int, numbers: np.ndarray) -> np.ndarray:
    """Which of `width` columns are kept, bool (width,), given as many numbers of `uniform` or more."""
    num_centre = int(np.float32(width) * np.float32(CENTRE_SHARE))
    first = (width - num_centre + 1) // 2
    probability = np.float32((width / ACCELERATION - num_centre) / (width - num_centre))
    mask: np.ndarray = numbers[:width] < probability
    mask[first : first + num_centre] = True
    return mask


@functools.cache
def evaluation_mask(width: int) -> np.ndarray:
    """The mask of all slices of this width in validation and test."""
    mask = column_mask(width, uniform(width, 0, np.zeros(1, np.int64))[0])
    mask.setflags(write=False)
    return mask


def uniform(count: int, seed: int, rows: np.ndarray) -> np.ndarray:
    """Numbers from [0, 1), float32 (N, count), for each of the seeds (seed, row); rows are integers (N,).

    Both parts of a seed count modulo 2**64. Fewer numbers of the same seed are the first of more.
    """
    parts = np.stack([np.full(len(rows), seed & 0xFFFFFFFFFFFFFFFF, np.uint64), rows.astype(np.uint64)])
    words = np.stack([parts & _WORD, parts >> _HALF], axis=1).reshape(4, len(rows), 1)
    mixed = _philox(words, _SCRAMBLER)
    counters = np.zeros((4, len(rows), -(-count // 4)), np.uint64)
    counters[0] = np.arange(counters.shape[2])
    counters[2:] = mixed[2:]
    bits = _philox(counters, mixed[:2, :, 0]).astype(np.uint32)
    bits = np.moveaxis(bits, 0, -1).reshape(len(rows), 4 * bits.shape[2])[:, :count]
    # 23 random bits behind the point of a number from [1, 2)
    return (bits & np.uint32(0x7FFFFF) | np.uint32(0x3F800000)).view(np.float32) - np.float32(1)


def _philox(counters: np.ndarray, key: np.ndarray) -> np.ndarray:
    """Four random 32-bit words (4, N, M) for each counter (4, N, M) under keys (2, N); all are uint64."""
    even, odd = counters[::2], counters[1::2]
    for number in range(_ROUNDS):
        products = even * _MULTIPLIERS
        even = (products >> _HALF)[::-1] ^ odd ^ (key + (_WEYL * np.uint64(number))[:, None] & _WORD)[:, :, None]
        odd = (products & _WORD)[::-1]
    return np.stack([even[0], odd[0], even[1], odd[1]])
