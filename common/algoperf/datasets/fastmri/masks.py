"""Which columns of k-space a slice keeps: all of the centre, and about a quarter overall.

The random numbers are those of the reference, TensorFlow's stateless uniform numbers on a processor: Philox 4x32-10
(Salmon et al., 2011), because the mask of the evaluation decides which target values can be reached.
"""

from __future__ import annotations

import functools

import numpy as np

CENTRE_SHARE = 0.08
ACCELERATION = 4
EVALUATION_SEED = (0, 0)
_ROUNDS = 10
_MULTIPLIERS = np.array([[0xD2511F53], [0xCD9E8D57]], np.uint64)
_WEYL = np.array([0x9E3779B9, 0xBB67AE85], np.uint64)
_SCRAMBLER = np.array([0x3EC8F720, 0x02461E29], np.uint64)  # the key that turns a seed into key and counter
_WORD, _HALF = np.uint64(0xFFFFFFFF), np.uint64(32)


def column_mask(width: int, seed: tuple[int, int]) -> np.ndarray:
    """Which of `width` columns are kept, bool (width,); equal seeds mean equal masks."""
    num_centre = int(np.float32(width) * np.float32(CENTRE_SHARE))
    first = (width - num_centre + 1) // 2
    probability = np.float32((width / ACCELERATION - num_centre) / (width - num_centre))
    mask = uniform(width, seed) < probability
    mask[first : first + num_centre] = True
    return mask


@functools.cache
def evaluation_mask(width: int) -> np.ndarray:
    """The mask of all slices of this width in validation and test."""
    mask = column_mask(width, EVALUATION_SEED)
    mask.setflags(write=False)
    return mask


def uniform(count: int, seed: tuple[int, int]) -> np.ndarray:
    """Numbers from [0, 1), float32 (count,). Each part of the seed counts modulo 2**64."""
    words = [int(part) >> shift & 0xFFFFFFFF for part in seed for shift in (0, 32)]
    mixed = _philox(np.array(words, np.uint64)[:, None], _SCRAMBLER)[:, 0]
    counters = np.zeros((4, -(-count // 4)), np.uint64)
    counters[0] = np.arange(counters.shape[1])
    counters[2:] = mixed[2:, None]
    bits = _philox(counters, mixed[:2]).T.astype(np.uint32).reshape(-1)[:count]
    # 23 random bits behind the point of a number from [1, 2)
    return (bits & np.uint32(0x7FFFFF) | np.uint32(0x3F800000)).view(np.float32) - np.float32(1)


def _philox(counters: np.ndarray, key: np.ndarray) -> np.ndarray:
    """Four random 32-bit words (4, N) for each counter (4, N); the key has two. All are uint64."""
    even, odd = counters[::2], counters[1::2]
    for number in range(_ROUNDS):
        products = even * _MULTIPLIERS
        even = (products >> _HALF)[::-1] ^ odd ^ (key + _WEYL * np.uint64(number) & _WORD)[:, None]
        odd = (products & _WORD)[::-1]
    return np.stack([even[0], odd[0], even[1], odd[1]])
