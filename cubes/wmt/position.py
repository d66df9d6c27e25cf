"""The fixed table of positions. The model in PyTorch has it with phases in float32, as published."""

import numpy as np

LONGEST_PERIOD = 10_000.0


def sinusoids(length: int, width: int) -> np.ndarray:
    """Sines in the first half of the width, cosines in the second, of falling frequency: float32 (length, width)."""
    count = width // 2
    frequencies = np.exp(np.arange(count) * -(np.log(LONGEST_PERIOD) / (count - 1)))
    phases = np.arange(length)[:, np.newaxis] * frequencies
    return np.concatenate([np.sin(phases), np.cos(phases)], axis=1).astype(np.float32)
