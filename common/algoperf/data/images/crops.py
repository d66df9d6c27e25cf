"""Which part of a picture is looked at: at random for training, the middle for evaluation.

The random one has the distribution of TensorFlow's `sample_distorted_bounding_box` with the whole image as the
only box: the aspect ratio is uniform, and so is the height given the aspect ratio; hence the area is not.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

ASPECT_RATIOS = (0.75, 4 / 3)
AREAS = (0.08, 1.0)  # of the whole
MIN_COVERED = 0.1  # of the whole: crops with less count as failed attempts
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
    """The middle square, with 7/8 of the shorter side; where halves do not exist, shifted to the lower right."""
    side = int(_CENTRE_SHARE * np.float32(min(height, width)))
    return Crop((height - side + 1) // 2, (width - side + 1) // 2, side, side)


def random_crop(height: int, width: int, uniform: Sequence[float]) -> Crop:
    """A random part, decided by DRAWS numbers from [0, 1); the middle square if no attempt is successful."""
    for attempt in range(ATTEMPTS):
        crop = _attempt(height, width, uniform[4 * attempt : 4 * attempt + 4])
        if crop is not None:
            # The whole image is what a failed sampler returns too: both get the middle square.
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
    # The last possible offset is never drawn, as in TensorFlow, unless it is the only one.
    return Crop(int(uniform[2] * (height - rows)), int(uniform[3] * (width - columns)), rows, columns)
