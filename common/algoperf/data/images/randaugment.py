"""RandAugment on uint8 images, with the operations and strengths of the JAX reference at level 10 of 10.

Two peculiarities of the reference are kept, because published targets depend on them: Solarize inverts everything,
and Contrast moves away from one constant grey. Distances in pixels are for images of 224 x 224 and scale with the
image.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache

import numpy as np

NUM_OPERATIONS = 2
DRAWS = 4 * NUM_OPERATIONS  # random numbers that one image needs
FILL = 128
_FACTOR = np.float32(1.9)
_SHEAR, _ROTATION_DEGREES = 0.3, 30.0
_TRANSLATION, _CUTOUT = 100, 40  # pixels of 224
_REFERENCE_SIDE = 224
_CONTRAST_GREY = 196  # the reference divides the number of pixels, not their sum, by 256
_GREY_WEIGHTS = np.array([0.2989, 0.5870, 0.1140], np.float32)
_VALUES = np.arange(256)

Draws = Sequence[float]
Operation = Callable[[np.ndarray, Draws], np.ndarray]


def _blend(degenerate: np.ndarray, image: np.ndarray) -> np.ndarray:
    """Move `image` away from `degenerate` by the factor 1.9, clipped and truncated."""
    base = degenerate.astype(np.float32)
    mixed = image.astype(np.float32)
    mixed -= base
    mixed *= _FACTOR
    mixed += base
    return mixed.clip(0, 255, out=mixed).astype(np.uint8)


def _lookup(table: np.ndarray, image: np.ndarray) -> np.ndarray:
    """`table[image]`, three times as fast."""
    return np.frombuffer(image.tobytes().translate(table.astype(np.uint8).tobytes()), np.uint8).reshape(image.shape)


_BRIGHTNESS = _blend(np.zeros(256), _VALUES)
_CONTRAST = _blend(np.full(256, _CONTRAST_GREY), _VALUES)
_SOLARIZE_ADD = np.where(_VALUES < 128, np.minimum(_VALUES + 110, 255), _VALUES)


def invert(image: np.ndarray, draws: Draws) -> np.ndarray:
    """Subtract every value from 255."""
    return np.subtract(255, image, dtype=np.uint8)


def posterize(image: np.ndarray, draws: Draws) -> np.ndarray:
    """Keep the four high bits."""
    return image & np.uint8(0xF0)


def solarize_add(image: np.ndarray, draws: Draws) -> np.ndarray:
    """Add 110 to values below 128."""
    return _lookup(_SOLARIZE_ADD, image)


def brightness(image: np.ndarray, draws: Draws) -> np.ndarray:
    """Move away from black."""
    return _lookup(_BRIGHTNESS, image)


def contrast(image: np.ndarray, draws: Draws) -> np.ndarray:
    """Move away from a constant grey."""
    return _lookup(_CONTRAST, image)


def colour(image: np.ndarray, draws: Draws) -> np.ndarray:
    """Move away from the greyscale image."""
    return _blend(grey(image)[..., np.newaxis], image)


def grey(image: np.ndarray) -> np.ndarray:
    """Weighted sum of the channels: uint8 (S, S)."""
    scaled: np.ndarray = image.astype(np.float32) @ (_GREY_WEIGHTS * np.float32(255.5 / 255))
    return scaled.astype(np.uint8)


def sharpness(image: np.ndarray, draws: Draws) -> np.ndarray:
    """Move away from a smoothed image, whose border pixels are unchanged."""
    wide = image.astype(np.uint16)
    rows = wide[:-2] + wide[1:-1] + wide[2:]
    total = rows[:, :-2] + rows[:, 1:-1] + rows[:, 2:] + 4 * wide[1:-1, 1:-1]
    smooth = image.copy()
    smooth[1:-1, 1:-1] = total // 13
    return _blend(smooth, image)


def autocontrast(image: np.ndarray, draws: Draws) -> np.ndarray:
    """Stretch each channel to 0..255."""
    return _per_channel(lambda plane: _stretching(int(plane.min()), int(plane.max())), image)


def _stretching(low: int, high: int) -> np.ndarray:
    if high <= low:
        return _VALUES
    scale = np.float32(255) / np.float32(high - low)
    return (_VALUES.astype(np.float32) * scale - np.float32(low) * scale).clip(0, 255)


def equalize(image: np.ndarray, draws: Draws) -> np.ndarray:
    """Flatten each channel's histogram."""
    return _per_channel(_equalizing, image)


def _equalizing(plane: np.ndarray) -> np.ndarray:
    histogram = np.bincount(plane.ravel(), minlength=256)
    step = (plane.size - histogram[plane.max()]) // 255
    if step == 0:
        return _VALUES
    table = (np.cumsum(histogram) + step // 2) // step
    return np.concatenate([[0], table[:-1]]).clip(0, 255)


def _per_channel(make_table: Callable[[np.ndarray], np.ndarray], image: np.ndarray) -> np.ndarray:
    result = np.empty_like(image)
    for channel in range(image.shape[-1]):
        plane = np.ascontiguousarray(image[..., channel])
        result[..., channel] = _lookup(make_table(plane), plane)
    return result


def cutout(image: np.ndarray, draws: Draws) -> np.ndarray:
    """Draw a grey square around a random pixel, clipped at the borders."""
    side = image.shape[0]
    half = scaled(_CUTOUT, side)
    row, column = int(draws[2] * side), int(draws[3] * side)
    result = image.copy()
    result[max(0, row - half) : row + half, max(0, column - half) : column + half] = FILL
    return result


def scaled(pixels: int, side: int) -> int:
    """Scale a distance given for images of 224 pixels a side."""
    return round(pixels * side / _REFERENCE_SIDE)


def _moved(kind: str) -> Operation:
    """Make an affine operation: each new pixel takes the nearest old pixel, or grey outside the image."""

    def move(image: np.ndarray, draws: Draws) -> np.ndarray:
        side = image.shape[0]
        padded = np.empty((side * side + 1, 3), np.uint8)
        padded[:-1] = image.reshape(-1, 3)
        padded[-1] = FILL
        return padded.take(source_pixels(kind, side, draws[1] < 0.5), axis=0).reshape(image.shape)

    return move


@lru_cache(maxsize=32)
def source_pixels(kind: str, side: int, negative: bool) -> np.ndarray:
    """Index of the old pixel for every new one, or side * side for none: int64 (side * side,)."""
    y, x = np.mgrid[:side, :side].astype(np.float32)
    sign = np.float32(-1 if negative else 1)
    shear, distance = sign * np.float32(_SHEAR), sign * np.float32(scaled(_TRANSLATION, side))
    if kind == "rotate":
        old_x, old_y = _rotated(x, y, float(sign) * np.deg2rad(_ROTATION_DEGREES))
    else:
        old_x, old_y = {
            "shear x": (x + shear * y, y),
            "shear y": (x, y + shear * x),
            "translate x": (x + distance, y),
            "translate y": (x, y + distance),
        }[kind]
    column, row = _nearest(old_x), _nearest(old_y)
    inside = (column >= 0) & (column < side) & (row >= 0) & (row < side)
    return np.where(inside, row * side + column, side * side).ravel()


def _rotated(x: np.ndarray, y: np.ndarray, angle: float) -> tuple[np.ndarray, np.ndarray]:
    """Rotate coordinates about the centre of the image."""
    cosine, sine = np.float32(np.cos(angle)), np.float32(np.sin(angle))
    last = np.float32(len(x) - 1)
    shift_x = (last - (cosine * last - sine * last)) / 2
    shift_y = (last - (sine * last + cosine * last)) / 2
    return cosine * x - sine * y + shift_x, sine * x + cosine * y + shift_y


def _nearest(coordinate: np.ndarray) -> np.ndarray:
    """Round, halves away from zero."""
    return np.where(coordinate < 0, np.ceil(coordinate - 0.5), np.floor(coordinate + 0.5)).astype(np.int64)


OPERATIONS: dict[str, Operation] = {
    "AutoContrast": autocontrast, "Equalize": equalize, "Invert": invert, "Rotate": _moved("rotate"),
    "Posterize": posterize, "Solarize": invert, "Color": colour, "Contrast": contrast,
    "Brightness": brightness, "Sharpness": sharpness, "ShearX": _moved("shear x"), "ShearY": _moved("shear y"),
    "TranslateX": _moved("translate x"), "TranslateY": _moved("translate y"), "Cutout": cutout,
    "SolarizeAdd": solarize_add,
}  # fmt: skip
_IN_ORDER = tuple(OPERATIONS.values())


def randaugment(image: np.ndarray, uniform: Draws) -> np.ndarray:
    """Apply two random operations to uint8 (S, S, 3); DRAWS numbers from [0, 1) determine them."""
    for number in range(NUM_OPERATIONS):
        draws = uniform[4 * number : 4 * number + 4]
        image = _IN_ORDER[int(draws[0] * len(_IN_ORDER))](image, draws)
    return image
