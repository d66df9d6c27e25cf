"""The fixed position embedding of image patches, for the models of both frameworks."""

import numpy as np

_TEMPERATURE = 10_000.0


def sincos_2d(num_rows: int, num_columns: int, width: int) -> np.ndarray:
    """Sines and cosines of row and column at `width / 4` wavelengths: (rows * columns, width), in row-major order.

    ValueError if `width` is not a multiple of 4: each sine and cosine takes a quarter of the columns.
    """
    if width % 4 != 0:
        raise ValueError(f"The width of a model with this position embedding must be a multiple of 4, not {width}.")
    frequencies = _TEMPERATURE ** -np.linspace(0.0, 1.0, width // 4)
    rows, columns = (index.reshape(-1, 1) * frequencies for index in np.mgrid[:num_rows, :num_columns])
    return np.concatenate([np.sin(columns), np.cos(columns), np.sin(rows), np.cos(rows)], axis=1)
