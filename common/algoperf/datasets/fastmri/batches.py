"""Batches of slices: what makes their rows in workers and in the main process."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from algoperf.data.contracts import Split
from algoperf.data.store.blobs import shared_reader
from algoperf.data.store.store import Store
from algoperf.data.workers.pool import WorkerPool, shared_pool
from algoperf.data.workers.pooled import EVALUATION_MASKS, PooledDataset, fill_masks
from algoperf.data.workers.shared_memory import Layout
from algoperf.datasets.fastmri.masks import column_mask, uniform
from algoperf.datasets.fastmri.slices import magnitude, normalise

NAME = "fastmri"
NUMBERS = ("mean", "std", "volume_max")
_FLOAT = np.dtype(np.float32)


class OpenFastMRI(PooledDataset):
    """The store, read through workers."""

    _store: Store  # on disk: workers open its files themselves

    def __init__(self, directory: Path, image_size: int, pool: Callable[[], WorkerPool] = shared_pool) -> None:
        super().__init__(Store.open(directory, dataset=NAME), pool)
        self._image_size = image_size

    def training_source(self, seed: int) -> MaskedSource:
        """Slices under masks that depend on the seed."""
        return MaskedSource(self._store.directory, self._image_size, seed)

    def evaluation_source(self, split: Split) -> EvaluationSource | PreparedSource:
        """Slices of the training split under masks that never change; the others as they were prepared."""
        if split == "eval_train":
            return EvaluationSource(MaskedSource(self._store.directory, self._image_size, seed=0))
        return PreparedSource(self._store.directory, self._image_size, split)


@dataclass(frozen=True)
class MaskedSource:
    """Slices of the training split. A slice has the same mask in every epoch: a function of seed and row.

    A task is (position of the first row in the stream, rows of the store).
    """

    directory: Path
    image_size: int
    seed: int

    def layout(self) -> Layout:
        """Inputs, their mean and deviation, targets, and the largest value of each volume."""
        return picture_layout(self.image_size)

    def fill(self, task: tuple[int, np.ndarray], out: Mapping[str, np.ndarray], between: Callable[[], None]) -> None:
        """Make the rows one by one."""
        self.make(np.asarray(task[1]), out, between)

    def make(self, rows: np.ndarray, out: Mapping[str, np.ndarray], between: Callable[[], None]) -> None:
        """Make the slices in some rows of the store."""
        reader, size = shared_reader(self.directory, "train"), self.image_size
        between()
        widths = np.asarray(reader.fields["widths"][rows])
        numbers = uniform(
            int(widths.max(initial=0)), self.seed, rows
        )  # of all rows: one by one takes ten times as long
        for place, (row, width) in enumerate(zip(rows.tolist(), widths.tolist(), strict=True)):
            between()
            data = reader.read(row)
            kspace = np.frombuffer(data, np.complex64, size * width).reshape(size, width)
            target = np.frombuffer(data, np.float32, offset=kspace.nbytes).reshape(size, size)
            image = magnitude(kspace, column_mask(width, numbers[place]))
            pictures = out["inputs"][place], out["targets"][place]
            out["mean"][place], out["std"][place] = normalise(image, target, *pictures)
        out["volume_max"][:] = reader.fields["volume_max"][rows]


@dataclass(frozen=True)
class EvaluationSource:
    """Slices of the training split to evaluate. A task is an array of rows; -1 means a row of zeros."""

    masked: MaskedSource

    def layout(self) -> Layout:
        """The fields of training batches, and masks."""
        return {**self.masked.layout(), **EVALUATION_MASKS}

    def fill(self, task: np.ndarray, out: Mapping[str, np.ndarray], between: Callable[[], None]) -> None:
        """Make the rows one by one."""
        fill_masks(task, out)
        num_real = int(np.count_nonzero(task >= 0))  # padding is at the end
        made = {name: out[name] for name in self.masked.layout()}
        self.masked.make(task[:num_real], {name: array[:num_real] for name, array in made.items()}, between)
        for array in made.values():
            array[num_real:] = 0


@dataclass(frozen=True)
class PreparedSource:
    """Slices of validation and test, as they lie in the store. A task is an array of rows; -1 means a row of zeros."""

    directory: Path
    image_size: int
    split: str

    def layout(self) -> Layout:
        """The fields of training batches, and masks."""
        return {**picture_layout(self.image_size), **EVALUATION_MASKS}

    def fill(self, task: np.ndarray, out: Mapping[str, np.ndarray], between: Callable[[], None]) -> None:
        """Copy the rows one by one."""
        reader = shared_reader(self.directory, self.split)
        fill_masks(task, out)
        for place, row in enumerate(task.tolist()):
            between()
            if row < 0:
                out["inputs"][place] = out["targets"][place] = 0
            else:
                pictures = np.frombuffer(reader.read(row), np.float32)
                out["inputs"][place], out["targets"][place] = pictures.reshape(2, *out["inputs"].shape[1:])
        for name in NUMBERS:
            out[name][:] = np.where(task >= 0, reader.fields[name][task.clip(0)], 0)


def picture_layout(image_size: int) -> Layout:
    """The fields of a batch."""
    picture, number = ((image_size, image_size), _FLOAT), ((), _FLOAT)
    return {"inputs": picture, "mean": number, "std": number, "targets": picture, "volume_max": number}
