"""Bicubic resizing to a square: Keys' kernel with a = -0.5, half-pixel centres, no antialiasing, not clipped.

That is what TensorFlow's `tf.image.resize(..., BICUBIC)` does; as there, taps outside the picture have no
weight, and the remaining taps of a pixel sum to 1. A sparse product resizes the columns, then a banded product in
small blocks the rows. Each has four taps per new pixel, and both run from cache.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from scipy import sparse

_A = -0.5
_TAPS = np.arange(-1, 3)
_BLOCK = 8  # new columns per product; so small that no BLAS splits it over threads, which could round differently
_Bands = tuple[list[int], np.ndarray]


@lru_cache(maxsize=2048)
def weights(num_old: int, num_new: int) -> tuple[np.ndarray, np.ndarray]:
    """Taps of every new pixel: indices int32 (num_new, 4) and weights float32. Taps outside have weight 0."""
    centres = (np.arange(num_new) + 0.5) * (num_old / num_new) - 0.5
    first = np.floor(centres)
    offset = (centres - first)[:, np.newaxis]
    near, far = np.hstack([offset, 1 - offset]), np.hstack([1 + offset, 2 - offset])
    near = ((_A + 2) * near - (_A + 3)) * near * near + 1
    far = ((_A * far - 5 * _A) * far + 8 * _A) * far - 4 * _A
    value = np.column_stack([far[:, 0], near, far[:, 1]])
    index = first[:, np.newaxis].astype(int) + _TAPS
    inside = (index >= 0) & (index < num_old)
    value = np.where(inside, value, 0)
    value /= value.sum(axis=1, keepdims=True)
    return index.clip(0, num_old - 1).astype(np.int32), value.astype(np.float32)


@lru_cache(maxsize=1024)
def _vertical(num_old: int, num_new: int) -> sparse.csr_matrix:
    index, value = weights(num_old, num_new)
    starts = np.arange(0, 4 * num_new + 1, 4, dtype=np.int32)
    return sparse.csr_matrix((value.ravel(), index.ravel(), starts), shape=(num_new, num_old))


@lru_cache(maxsize=128)
def _horizontal(num_old: int, num_new: int, mirrored: bool) -> _Bands:
    """First old column of each block, and the blocks: float32 (blocks, 3 * columns, 3 * _BLOCK)."""
    index, value = weights(num_old, num_new)
    if mirrored:
        index, value = index[::-1], value[::-1]
    edges = np.arange(0, num_new, _BLOCK)
    lowest = np.minimum.reduceat(index.min(axis=1), edges)
    span = int((np.maximum.reduceat(index.max(axis=1), edges) - lowest).max()) + 1
    first = np.minimum(lowest, num_old - span)
    column = np.arange(num_new)
    block = column // _BLOCK
    used = value != 0  # a tap outside was clamped to the edge, and must not overwrite the tap there
    places = [
        np.broadcast_to(part, index.shape)[used]
        for part in (block[:, np.newaxis], index - first[block, np.newaxis], (column % _BLOCK)[:, np.newaxis])
    ]
    one_channel = np.zeros((len(edges), span, _BLOCK), np.float32)
    one_channel[tuple(places)] = value[used]
    bands = np.zeros((len(edges), span, 3, _BLOCK, 3), np.float32)
    for channel in range(3):
        bands[:, :, channel, :, channel] = one_channel
    return first.tolist(), bands.reshape(len(edges), 3 * span, 3 * _BLOCK)


def resize(pixels: np.ndarray, size: int, *, mirrored: bool = False, out: np.ndarray | None = None) -> np.ndarray:
    """`pixels` (height, width, 3) as float32 (size, size, 3); `mirrored` also swaps left and right."""
    height, width, channels = pixels.shape
    if out is None:
        out = np.empty((size, size, channels), np.float32)
    rows = _vertical(height, size) @ pixels.reshape(height, width * channels).astype(np.float32)
    flat = out.reshape(size, size * channels)
    starts, bands = _horizontal(width, size, mirrored)
    span, step = bands.shape[1], bands.shape[2]
    for number, start in enumerate(starts):
        target = flat[:, number * step : (number + 1) * step]
        np.matmul(rows[:, 3 * start : 3 * start + span], bands[number, :, : target.shape[1]], out=target)
    return out
