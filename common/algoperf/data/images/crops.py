"""Chooses the crop of a picture: random for training, central for evaluation.

The random crop has the distribution of TensorFlow's `sample_distorted_bounding_box` with the whole image as the
only box: the aspect ratio is uniform, and the height is uniform given the aspect ratio. So the area is not uniform.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

ASPECT_RATIOS = (0.75, 4 / 3)
AREAS = (0.08, 1.0)  # of the whole
MIN_COVERED = 0.1  # of the whole; crops below it count as failed attempts
ATTEMPTS = 10
DRAWS = 4 * ATTEMPTS  # random numbers that one crop may need
_CENTRE_SHARE = np.float32(224 / 256)


class Crop(NamedTuple):
    """A rectangle of pixels."""

    top: int
    left: int
    height: int
    width: int


def central(height: int, width: int) -> Crop:
    """The middle square, with 7/8 of the shorter side. Odd margins shift it to the lower right."""
    side = int(_CENTRE_SHARE * np.float32(min(height, width)))
    return Crop((height - side + 1) // 2, (width - side + 1) // 2, side, side)


def random_crop(height: int, width: int, uniform: Sequence[float]) -> Crop:
    """A random crop, determined by DRAWS numbers from [0, 1); the central one if no attempt succeeds."""
    for attempt in range(ATTEMPTS):
        crop = _attempt(height, width, uniform[4 * attempt : 4 * attempt + 4])
        if crop is not None:
            # The sampler also returns the whole image when it fails: both cases get the central crop.
            return crop if crop[2:] != (height, width) else central(height, width)
    return central(height, width)


def _attempt(height: int, width: int, uniform: Sequence[float]) -> Crop | None:
    total = height * width
    aspect = ASPECT_RATIOS[0] + uniform[0] * (ASPECT_RATIOS[1] - ASPECT_RATIOS[0])
    lowest = round(math.sqrt(AREAS[0] * total / aspect))
    highest = round(math.sqrt(AREAS[1] * total / aspect))
    if round(highest * aspect) > width:
        highest = int((width + 0.5 - 1e-7) / aspect)
        highest -= round(highest * aspect) > width
    highest = min(highest, height)
    lowest = min(lowest, highest)
    rows = lowest + int(uniform[1] * (highest - lowest + 1))
    columns = round(rows * aspect)
    if rows * columns < AREAS[0] * total:
        rows += 1
        columns = round(rows * aspect)
    if rows * columns > AREAS[1] * total:
        rows -= 1
        columns = round(rows * aspect)
    fits = 0 < rows <= height and 0 < columns <= width
    if not fits or not max(AREAS[0], MIN_COVERED) * total <= rows * columns <= AREAS[1] * total:
        return None
    # As in TensorFlow, the last possible offset is never drawn, unless it is the only one.
    return Crop(int(uniform[2] * (height - rows)), int(uniform[3] * (width - columns)), rows, columns)
