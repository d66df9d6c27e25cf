"""A small stand-in for MNIST: scikit-learn's 8x8 scans, scaled up, shifted and noisy."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from algoperf.data.batches.seeding import keyed_generator
from algoperf.data.files import make_directory, write_file
from algoperf.datasets.digits import FILE_NAME, MAX_INTENSITY, installed_scans, parse_scans, split_scans
from algoperf.datasets.mnist.idx import encode_idx
from algoperf.errors import UserError

NUM_IMAGES = {"train": 20_000, "validation": 4_000, "test": 4_000}
_INK_SIDE = 20  # MNIST's digits fill 20x20 pixels in the middle of the image
_MAX_SHIFT = 3
_NOISE_STDDEV = 8.0
_CONTRAST = (0.3, 1.0)


def write_miniature(
    raw_dir: Path, *, train: tuple[str, str], test: tuple[str, str], image_shape: tuple[int, int]
) -> None:
    """Write images and labels to the files named in `train` (its last sixth is validation) and `test`.

    The three splits are drawn from different scans. Raises UserError if other files have these names.
    """
    images, labels = parse_scans(installed_scans(), f"the {FILE_NAME} of the installed scikit-learn")
    parts = {
        split: _draw(split, NUM_IMAGES[split], *scans, image_shape)
        for split, scans in split_scans(images, labels).items()
    }
    train_file = [np.concatenate(pair) for pair in zip(parts["train"], parts["validation"], strict=True)]
    make_directory(raw_dir)
    for names, arrays in ((train, train_file), (test, parts["test"])):
        for name, array in zip(names, arrays, strict=True):
            _write_once(raw_dir / name, encode_idx(array))


def _write_once(path: Path, content: bytes) -> None:
    if path.exists() and path.read_bytes() != content:
        raise UserError(
            f"{path} holds something else than the miniature dataset; it may be a real download. Choose "
            "another raw data directory, or remove it."
        )
    write_file(path, content)


def _draw(
    split: str, count: int, scans: np.ndarray, labels: np.ndarray, image_shape: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray]:
    """Varied copies of `scans` uint8 (S, 8, 8): images uint8 (count, *image_shape), labels uint8 (count,)."""
    rng = keyed_generator("mnist miniature", split)
    rows = rng.integers(len(scans), size=count)
    ink = _enlarge(scans[rows]) * rng.uniform(*_CONTRAST, size=(count, 1, 1))
    canvas = np.zeros((count, *image_shape))
    margins = [(side - _INK_SIDE) // 2 for side in image_shape]
    offsets = margins + rng.integers(-_MAX_SHIFT, _MAX_SHIFT, size=(count, 2), endpoint=True)
    for image, digit, (top, left) in zip(canvas, ink, offsets, strict=True):
        image[top : top + _INK_SIDE, left : left + _INK_SIDE] = digit
    canvas += rng.normal(scale=_NOISE_STDDEV, size=canvas.shape)
    return canvas.clip(0, 255).round().astype(np.uint8), labels[rows]


def _enlarge(scans: np.ndarray) -> np.ndarray:
    """Scale (S, 8, 8), 0 to 16, up to (S, 20, 20), 0 to 255, by linear interpolation along both axes."""
    side = scans.shape[1]
    centres = (np.arange(_INK_SIDE) + 0.5) * side / _INK_SIDE - 0.5
    distance = np.abs(centres.clip(0, side - 1)[:, np.newaxis] - np.arange(side))
    weights = (1 - distance).clip(0)  # (20, 8): each new pixel depends on its two nearest old ones
    return weights @ (scans * (255 / MAX_INTENSITY)) @ weights.T
