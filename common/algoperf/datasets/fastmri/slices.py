"""From the k-space of a slice to the pictures that a model sees.

A mask is the same in every row of k-space. So the transform along rows' own direction, and the choice of rows, do not
depend on it: they are done once, when the store is made. What remains for every use is one transform along columns.
"""

from __future__ import annotations

import numpy as np
import scipy.fft

LIMIT = 6.0  # normalised values are clipped there


def transform_rows(kspace: np.ndarray, num_rows: int) -> np.ndarray:
    """Inverse transform over the rows (axis -2), of which the central `num_rows` are kept; orthonormal, complex64.

    Magnitudes of the result's transform along columns are those of the centred two-dimensional transform. Phases are
    not: the centre of k-space is not moved to the front, which multiplies every pixel by a number of magnitude 1.
    """
    return _central(scipy.fft.ifft(kspace, axis=-2, norm="ortho"), num_rows, axis=-2)


def magnitude(rows: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """The picture (S, S), float32, of the columns of k-space in `mask`, from `transform_rows` (S, width)."""
    masked = rows * mask.astype(np.float32)
    pixels = scipy.fft.ifft(masked, axis=-1, norm="ortho", overwrite_x=True)
    return np.abs(_central(pixels, len(rows), axis=-1))


def normalise(image: np.ndarray, target: np.ndarray, inputs: np.ndarray, targets: np.ndarray) -> tuple[float, float]:
    """Write (picture - mean) / std, clipped, of image and target; mean and deviation are those of the image."""
    mean, std = image.mean(), image.std()
    for picture, out in ((image, inputs), (target, targets)):
        np.subtract(picture, mean, out=out)
        np.multiply(out, 1 / std, out=out)
        np.clip(out, -LIMIT, LIMIT, out=out)
    return float(mean), float(std)


def _central(array: np.ndarray, count: int, axis: int) -> np.ndarray:
    """The central `count` of an axis whose origin is its first element, as a transform returns it."""
    size = array.shape[axis]
    start = (size - count) // 2 - size // 2  # negative: the left half of the picture is at the end
    parts = [slice(start, None), slice(0, count + start)]
    return np.concatenate([array[..., part] if axis == -1 else array[..., part, :] for part in parts], axis=axis)
