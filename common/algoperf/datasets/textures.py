"""Generated pictures for miniatures: ten kinds of texture in random colours, scales, angles and noise.

Classes differ by the pattern, which survives crops, mirroring, small rotations and inverted colours. A varying tint
that depends on the class makes the start of training easy.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

NUM_CLASSES = 10
_PERIOD_PIXELS = (7.0, 13.0)
_TILT = 0.15  # radians
_TINT_STRENGTH = 0.35
_NOISE_STDDEV = 22.0
_SPOT = 0.25  # share of the squared distance from a cell's centre to its corner

Pattern = Callable[[np.ndarray, np.ndarray, np.random.Generator], np.ndarray]


def _wave(x: np.ndarray) -> np.ndarray:
    return 0.5 + 0.5 * np.sin(2 * np.pi * x)


def _cell(x: np.ndarray) -> np.ndarray:
    """Distance from the centre of a unit cell, -0.5 to 0.5."""
    return x - np.floor(x) - 0.5


def _spots(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return (_cell(x) ** 2 + _cell(y) ** 2 < _SPOT / 2).astype(float)


def _patches(x: np.ndarray, y: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Smooth noise: a few waves in all directions."""
    angles, phases = rng.uniform(0, 2 * np.pi, 6), rng.uniform(size=6)
    waves = [_wave(0.35 * (x * np.cos(a) + y * np.sin(a)) + p) for a, p in zip(angles, phases, strict=True)]
    return np.clip(np.mean(waves, axis=0) * 3 - 1, 0, 1)


def _rays(x: np.ndarray, y: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return _wave(rng.integers(4, 8) * np.arctan2(y, x) / (2 * np.pi))


# Coordinates are in periods of the pattern, with the origin near the centre of the picture.
PATTERNS: tuple[Pattern, ...] = (
    lambda x, y, rng: _wave(y),
    lambda x, y, rng: _wave(x),
    lambda x, y, rng: _wave((x + y * rng.choice([-1, 1])) / np.sqrt(2)),
    lambda x, y, rng: (np.floor(x) + np.floor(y)) % 2,
    lambda x, y, rng: _spots(x, y),
    lambda x, y, rng: _wave(np.hypot(x, y)),
    _patches,
    _rays,
    lambda x, y, rng: ((np.abs(_cell(x)) < 0.12) | (np.abs(_cell(y)) < 0.12)).astype(float),
    lambda x, y, rng: rng.uniform(size=x.shape),
)


def draw(label: int, height: int, width: int, rng: np.random.Generator) -> np.ndarray:
    """Draw a picture of class `label`: uint8 (height, width, 3)."""
    period, tilt = rng.uniform(*_PERIOD_PIXELS), rng.uniform(-_TILT, _TILT)
    middle_y, middle_x = height * rng.uniform(0.3, 0.7), width * rng.uniform(0.3, 0.7)
    rows, columns = np.mgrid[:height, :width]
    y, x = (rows - middle_y) / period, (columns - middle_x) / period
    pattern = PATTERNS[label](x * np.cos(tilt) - y * np.sin(tilt), x * np.sin(tilt) + y * np.cos(tilt), rng)
    dark, bright = rng.uniform(0, 110, 3), rng.uniform(145, 255, 3)
    if rng.random() < 0.5:
        dark, bright = bright, dark
    picture = dark + pattern[..., np.newaxis] * (bright - dark)
    picture += _TINT_STRENGTH * (_tint(label, rng) - picture)
    picture += rng.normal(scale=_NOISE_STDDEV, size=picture.shape)
    return picture.clip(0, 255).round().astype(np.uint8)


def _tint(label: int, rng: np.random.Generator) -> np.ndarray:
    """A colour near the class's colour on the colour wheel."""
    hue = label / NUM_CLASSES + rng.normal(scale=0.12)
    return 127.5 + 127.5 * np.cos(2 * np.pi * (hue - np.arange(3) / 3))
