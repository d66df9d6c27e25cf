"""Numbers and tables that the models of both frameworks share."""

import math

import numpy as np

KERNEL_SIZE = 5  # frames that the convolution of a block sees
QUERY_SCALE = 1 / math.log(2)  # times softplus(0) is 1
_LONGEST = 10_000.0


def inverse_timescales(width: int) -> np.ndarray:
    """Angular frequencies of the positions, from 1 to 1 / 10,000 per frame: float32 (width / 2,)."""
    return np.exp(-np.linspace(0.0, math.log(_LONGEST), width // 2)).astype(np.float32)


def sinusoids(num_frames: int, width: int) -> np.ndarray:
    """Sines, then cosines, of the frames' positions: float32 (num_frames, width)."""
    phases = np.arange(num_frames, dtype=np.float32)[:, np.newaxis] * inverse_timescales(width)
    return np.concatenate([np.sin(phases), np.cos(phases)], axis=1)
