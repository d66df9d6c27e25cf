"""Rotary positions (Su et al., 2021), one table for the models of both frameworks."""

import functools

import numpy as np

_THETA = 500_000.0


@functools.cache
def rotary_table(length: int, head_dim: int) -> np.ndarray:
    """Cosine and sine of position times frequency: float64 (length, head_dim / 2, 2). Do not write to it.

    Frequency i is 500000 ** (-2 i / head_dim); it turns the components 2 i and 2 i + 1 of a head.
    """
    frequencies = _THETA ** (-np.arange(0, head_dim, 2) / head_dim)
    phases = np.outer(np.arange(length), frequencies)
    table = np.stack([np.cos(phases), np.sin(phases)], axis=-1)
    table.flags.writeable = False
    return table
