"""Volumes as units of work: each yields the slices of one shard.

A record of the training split is k-space after the transform over its rows, complex64 (S, width), and behind it the
target, float32 (S, S). A record of the other splits is the input and the target of the evaluation, float32 (S, S) each.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from algoperf.data.store.record_units import Record
from algoperf.datasets.fastmri.masks import evaluation_mask
from algoperf.datasets.fastmri.raw import is_volume
from algoperf.datasets.fastmri.slices import magnitude, normalise, transform_rows
from algoperf.errors import DataError

KSPACE, TARGET, MAXIMUM = "kspace", "reconstruction_esc", "max"  # names in a file
MakeRecord = Callable[[np.ndarray, np.ndarray, float], tuple[bytes, dict[str, np.generic]]]


@dataclass(frozen=True)
class Volume:
    """A file of k-space (num_slices, height, width) and targets (num_slices, S, S)."""

    path: Path
    num_slices: int
    width: int
    num_bytes: int
    changed_ns: int


def list_volumes(folder: Path, num_volumes: int, image_size: int) -> list[Volume]:
    """The volumes in a folder in the order of their names; DataError if there are not `num_volumes` sound ones."""
    paths = sorted(path for path in folder.iterdir() if is_volume(path.name))
    if len(paths) != num_volumes:
        known = f" (from {paths[0].name} to {paths[-1].name})" if paths else ""
        raise DataError(
            f"{folder} holds {len(paths)} volumes{known}, but there should be {num_volumes}. Files are missing, "
            "renamed or of another data set: unpack the archive again."
        )
    return [_inspect(path, image_size) for path in paths]


def _inspect(path: Path, image_size: int) -> Volume:
    with _opened(path) as file:
        kspace, targets = file[KSPACE], file[TARGET]
        shape, state = kspace.shape, path.stat()
        if len(shape) != 3 or min(shape[1:]) < image_size or not shape[0] or kspace.dtype != np.complex64:
            raise _damaged(path, f"{KSPACE} is {kspace.dtype} {shape}")
        if targets.shape != (shape[0], image_size, image_size) or targets.dtype.kind != "f":
            raise _damaged(path, f"{TARGET} is {targets.dtype} {targets.shape}, beside {KSPACE} {shape}")
    return Volume(path, shape[0], shape[2], state.st_size, state.st_mtime_ns)


class _opened:  # noqa: N801  # a context manager
    """An HDF5 file that is open in the block; errors there become DataErrors that name it."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> Any:
        import h5py

        try:
            self._file = h5py.File(self._path, "r")
        except OSError as error:
            raise _damaged(self._path, str(error)) from error
        return self._file

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        self._file.close()
        if isinstance(error, (OSError, KeyError, TypeError, ValueError, AttributeError)):
            raise _damaged(self._path, str(error)) from error


def _damaged(path: Path, what: str) -> DataError:
    return DataError(f"{path} is no volume of fastMRI, or damaged: {what}. Unpack the archive again, or fetch it anew.")


@dataclass(frozen=True)
class VolumesShard:
    """Some volumes. `evaluated` tells which kind of records they become."""

    volumes: tuple[Volume, ...]
    image_size: int
    evaluated: bool

    @property
    def num_bytes(self) -> int:
        """Size of the records."""
        return sum(_record_bytes(volume, self.image_size, self.evaluated) for volume in self.volumes)

    @property
    def identity(self) -> str:
        """The files, and what becomes of them."""
        files = [f"{volume.path.name} {volume.num_bytes} {volume.changed_ns}" for volume in self.volumes]
        return f"{self.evaluated} {self.image_size} {' '.join(files)}"

    def records(self) -> Iterator[Record]:
        """All slices, in the order of files and slices."""
        make = evaluation_record if self.evaluated else training_record
        for volume in self.volumes:
            with _opened(volume.path) as file:
                maximum = float(file.attrs.get(MAXIMUM, 0.0))
                for number in range(volume.num_slices):
                    key = f"{volume.path.name}/{number:04d}"
                    kspace, target = file[KSPACE][number], file[TARGET][number].astype(np.float32)
                    if not (np.isfinite(kspace).all() and np.isfinite(target).all() and kspace.any()):
                        raise ValueError(f"slice {number} has values that are not finite, or only zeros")
                    yield Record(key, *make(transform_rows(kspace, self.image_size), target, maximum))


def training_record(rows: np.ndarray, target: np.ndarray, maximum: float) -> tuple[bytes, dict[str, np.generic]]:
    """The slice before it is masked."""
    return rows.tobytes() + target.tobytes(), {"widths": np.int32(rows.shape[1]), "volume_max": np.float32(maximum)}


def evaluation_record(rows: np.ndarray, target: np.ndarray, maximum: float) -> tuple[bytes, dict[str, np.generic]]:
    """Input and target of the slice under the mask of the evaluation."""
    pictures = np.empty((2, *target.shape), np.float32)
    mean, std = normalise(magnitude(rows, evaluation_mask(rows.shape[1])), target, *pictures)
    fields = {"mean": mean, "std": std, "volume_max": maximum}
    return pictures.tobytes(), {name: np.float32(value) for name, value in fields.items()}


def _record_bytes(volume: Volume, size: int, evaluated: bool) -> int:
    pixels = size**2
    return volume.num_slices * (8 * pixels if evaluated else 8 * size * volume.width + 4 * pixels)
