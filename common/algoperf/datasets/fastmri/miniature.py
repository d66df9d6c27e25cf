"""A small stand-in for fastMRI: archives of the original layout, with scans of random ellipsoids.

Everything has 0.15 times the real size, both widths included. K-space has noise and a smooth phase. Targets have no
noise, unlike real ones: what has to be learned is to remove it, together with what the missing columns leave.
"""

from __future__ import annotations

import gzip
import io
import lzma
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import scipy.fft

from algoperf.data.batches.seeding import keyed_generator
from algoperf.data.files import make_directory, write_file
from algoperf.datasets.archives import tar_of
from algoperf.datasets.fastmri.raw import archive_name
from algoperf.datasets.fastmri.volumes import KSPACE, MAXIMUM, TARGET
from algoperf.errors import UserError

IMAGE_SIZE, HEIGHT, WIDTHS = 48, 96, (55, 56)
NUM_SLICES = 8
NUM_VOLUMES = {"train": 40, "val": 12}
_NUM_ELLIPSOIDS = (8, 14)
_UNIT = 2.0**-13  # real scans have values of this order
_NOISE = 0.4  # of the unit, in every pixel
_DARKEST = 0.3  # of the unit; similarity to pixels of 0 would be a matter of the last digit
_LARGEST_REAL = 1 << 28  # bytes; larger files were not generated here


def write_miniature(raw_dir: Path) -> None:
    """Write both archives. UserError if other files have their names."""
    make_directory(raw_dir)
    for part, suffix in (("val", ".tar.xz"), ("train", ".tar.gz")):
        archive, path = _archive(part), raw_dir / f"{archive_name(part)}{suffix}"
        content = gzip.compress(archive, 1, mtime=0) if suffix == ".tar.gz" else lzma.compress(archive, preset=0)
        if path.exists() and (path.stat().st_size > _LARGEST_REAL or path.read_bytes() != content):
            raise UserError(
                f"{path} holds something else than the miniature dataset; it may be the real one. Choose another "
                "raw data directory, or remove it."
            )
        write_file(path, content)


def _archive(part: str) -> bytes:
    folder = f"singlecoil_{part}"
    return tar_of({f"{folder}/{name}": content for name, content in _volumes(part)})


def _volumes(part: str) -> Iterator[tuple[str, bytes]]:
    for number in range(NUM_VOLUMES[part]):
        rng = keyed_generator("fastmri miniature", part, number)
        kspace, target = draw_volume(rng, WIDTHS[number % len(WIDTHS)])
        yield f"file1{number:06d}.h5", _file(kspace, target)


def _file(kspace: np.ndarray, target: np.ndarray) -> bytes:
    import h5py

    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        file[KSPACE], file[TARGET] = kspace, target
        file.attrs[MAXIMUM] = target.max()
    return buffer.getvalue()


def draw_volume(rng: np.random.Generator, width: int) -> tuple[np.ndarray, np.ndarray]:
    """K-space, complex64 (NUM_SLICES, HEIGHT, width), and the picture without noise, float32 (NUM_SLICES, S, S)."""
    scan = np.zeros((NUM_SLICES, HEIGHT, width), np.complex64)
    rows, columns = (slice((size - IMAGE_SIZE) // 2, (size + IMAGE_SIZE) // 2) for size in (HEIGHT, width))
    target = _ellipsoids(rng)
    scan[:, rows, columns] = target * np.exp(1j * _phase(rng))
    scan += _NOISE * _complex(rng.standard_normal((*scan.shape, 2), np.float32))
    axes = (1, 2)
    kspace = scipy.fft.fft2(scipy.fft.ifftshift(scan, axes=axes), axes=axes, norm="ortho")
    rounded = _complex(_rounded(scipy.fft.fftshift(kspace, axes=axes).view(np.float32).reshape(*scan.shape, 2)))
    return _UNIT * rounded, _rounded(_UNIT * target)


def _complex(parts: np.ndarray) -> np.ndarray:
    """Complex64 (...) of real and imaginary parts (..., 2)."""
    return np.ascontiguousarray(parts).view(np.complex64)[..., 0]


def _rounded(values: np.ndarray) -> np.ndarray:
    """With half the digits, so that archives are made quickly."""
    return (values.view(np.uint32) & np.uint32(0xFFFFE000)).view(np.float32)


def _ellipsoids(rng: np.random.Generator) -> np.ndarray:
    """Brightness of ellipsoids one in another, float32 (NUM_SLICES, S, S)."""
    z, y, x = np.meshgrid(
        np.linspace(-0.6, 0.6, NUM_SLICES), *[np.linspace(-1, 1, IMAGE_SIZE)] * 2, indexing="ij", sparse=True
    )
    scan = np.zeros((NUM_SLICES, IMAGE_SIZE, IMAGE_SIZE), np.float32)
    for number in range(int(rng.integers(*_NUM_ELLIPSOIDS))):
        outermost = number == 0
        centre = rng.uniform(-0.1, 0.1, 2) if outermost else rng.uniform(-0.6, 0.6, 2)
        radii = rng.uniform(0.7, 0.9, 2) if outermost else rng.uniform(0.06, 0.4, 2)
        angle, depth = rng.uniform(0, np.pi), 2.0 if outermost else rng.uniform(0.5, 1.5)
        turned = [
            (x - centre[0]) * np.cos(angle + quarter) + (y - centre[1]) * np.sin(angle + quarter)
            for quarter in (0, np.pi / 2)
        ]
        distance = np.sqrt((turned[0] / radii[0]) ** 2 + (turned[1] / radii[1]) ** 2 + (z / depth) ** 2)
        inside = np.clip((1 - distance) * IMAGE_SIZE * radii.min() / 2 + 0.5, 0, 1)  # edges as wide as a pixel
        scan += inside * (1.0 if outermost else rng.uniform(-0.7, 1.0))
    return scan.clip(0) + np.float32(_DARKEST)


def _phase(rng: np.random.Generator) -> np.ndarray:
    """A smooth phase, (S, S)."""
    y, x = np.meshgrid(*[np.linspace(-1, 1, IMAGE_SIZE)] * 2, indexing="ij", sparse=True)
    a, b, c, d = rng.uniform(-1.5, 1.5, 4)
    return a * x + b * y + c * x * y + d * (x**2 - y**2)
