"""Structural similarity in double precision, written out with filters of SciPy."""

import numpy as np
from scipy.ndimage import uniform_filter


def similarity(x: np.ndarray, y: np.ndarray, data_range: float) -> float:
    """Of two pictures (H, W), with uniform windows of 7x7 and sample covariances, over windows inside the picture."""
    x, y = x.astype(np.float64), y.astype(np.float64)

    def mean(values: np.ndarray) -> np.ndarray:
        return uniform_filter(values, 7)[3:-3, 3:-3]

    def cov(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return 49 / 48 * (mean(a * b) - mean(a) * mean(b))

    c1, c2 = (0.01 * data_range) ** 2, (0.03 * data_range) ** 2
    above = (2 * mean(x) * mean(y) + c1) * (2 * cov(x, y) + c2)
    return float((above / ((mean(x) ** 2 + mean(y) ** 2 + c1) * (cov(x, x) + cov(y, y) + c2))).mean())
