"""Turns single pictures of ImageNet into inputs; runs in workers and in the main process."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Self

import numpy as np

from algoperf.data.batches.seeding import keyed_generator
from algoperf.data.images import crops, randaugment
from algoperf.data.images.bicubic import resize
from algoperf.data.images.jpeg import decode_part
from algoperf.data.store.blobs import BlobReader, shared_reader
from algoperf.data.workers.pooled import EVALUATION_MASKS, fill_masks
from algoperf.data.workers.shared_memory import Layout
from algoperf.errors import DataError

_FLIP = crops.DRAWS  # positions in an example's random numbers: crop, flip, augmentation
_AUGMENT = _FLIP + 1
NUM_DRAWS = _AUGMENT + randaugment.DRAWS


@dataclass(frozen=True)
class Recipe:
    """How pictures become inputs: (pixel - mean) / stddev, with `size` pixels a side."""

    size: int
    mean: tuple[float, ...]
    stddev: tuple[float, ...]
    augment: bool

    def training(self, data: bytes, uniform: list[float], out: np.ndarray) -> None:
        """A random crop, maybe mirrored, maybe augmented; NUM_DRAWS numbers from [0, 1) determine it."""
        pixels = decode_part(data, partial(crops.random_crop, uniform=uniform))
        resize(pixels, self.size, mirrored=uniform[_FLIP] < 0.5, out=out)
        if self.augment:
            image = out.clip(0, 255).astype(np.uint8)
            out[:] = randaugment.randaugment(image, uniform[_AUGMENT:])
        self._normalise(out)

    def evaluation(self, data: bytes, out: np.ndarray) -> None:
        """The central crop."""
        resize(decode_part(data, crops.central), self.size, out=out)
        self._normalise(out)

    def _normalise(self, out: np.ndarray) -> None:
        """Normalise whole rows at a time, because numpy is slow on many short arrays."""
        rows = out.reshape(self.size, -1)
        mean, factor = self._row_statistics
        rows -= mean
        rows *= factor

    @cached_property
    def _row_statistics(self) -> tuple[np.ndarray, np.ndarray]:
        """Mean and inverse standard deviation for a whole row."""
        values = np.array([self.mean, self.stddev], np.float32)
        return np.tile(values[0], self.size), np.tile(1 / values[1], self.size)

    def __reduce__(self) -> tuple[type[Self], tuple[int, tuple[float, ...], tuple[float, ...], bool]]:
        return type(self), (self.size, self.mean, self.stddev, self.augment)


def _read(reader: BlobReader, row: int, split: str, make: Callable[[bytes], None]) -> None:
    try:
        make(reader.read(row))
    except DataError as error:
        raise DataError(f"Example {row} of split {split!r}: {error}") from error


@dataclass(frozen=True)
class TrainingSource:
    """Training examples. A task is (position of the first row in the stream, rows of the store)."""

    directory: Path
    recipe: Recipe
    seed: int

    def layout(self) -> Layout:
        """Inputs and class numbers."""
        return _layout(self.recipe) | {"targets": ((), np.dtype(np.int32))}

    def fill(self, task: tuple[int, np.ndarray], out: Mapping[str, np.ndarray], between: Callable[[], None]) -> None:
        """Make the rows one by one."""
        first, rows = task
        reader = self.reader
        for place, row in enumerate(rows.tolist()):
            between()
            self.make(first + place, row, out["inputs"][place])
        out["targets"][:] = reader.fields["targets"][rows]

    @property
    def reader(self) -> BlobReader:
        """The records of the training split."""
        return shared_reader(self.directory, "train")

    def make(self, place: int, row: int, out: np.ndarray) -> None:
        """Make the example in row `row` of the store, as it appears at `place` in the stream."""
        uniform = keyed_generator("imagenet augmentation", self.seed, place).random(NUM_DRAWS).tolist()
        _read(self.reader, row, "train", partial(self.recipe.training, uniform=uniform, out=out))


@dataclass(frozen=True)
class MixedSource:
    """Training examples, each mixed with the one before it in the global batch.

    A task is (position of the first row's predecessor in the stream, position of the first row, rows of the store
    beginning with that predecessor, weight of the example itself).
    """

    plain: TrainingSource
    num_classes: int

    def layout(self) -> Layout:
        """Inputs and weights of the classes."""
        return _layout(self.plain.recipe) | {"targets": ((self.num_classes,), np.dtype(np.float32))}

    def fill(
        self, task: tuple[int, int, np.ndarray, float], out: Mapping[str, np.ndarray], between: Callable[[], None]
    ) -> None:
        """Make the rows one by one. Only the first row's predecessor is made twice: here and by its own task."""
        before_first, first, rows, share = task
        labels = self.plain.reader.fields["targets"][rows]
        inputs, targets = out["inputs"], out["targets"]
        targets[:] = 0
        before, current = np.empty_like(inputs[0]), np.empty_like(inputs[0])
        between()
        self.plain.make(before_first, int(rows[0]), before)
        for number, row in enumerate(rows[1:].tolist()):
            between()
            self.plain.make(first + number, row, current)
            np.multiply(current, np.float32(share), out=inputs[number])
            before *= np.float32(1 - share)
            inputs[number] += before
            targets[number, labels[number + 1]] += share
            targets[number, labels[number]] += 1 - share
            before, current = current, before


@dataclass(frozen=True)
class EvaluationSource:
    """Examples of any split. A task is an array of rows of the store; -1 means a row of zeros."""

    directory: Path
    split: str
    recipe: Recipe

    def layout(self) -> Layout:
        """Inputs, class numbers, weights (1 for an example, 0 for padding), and the same as `real`."""
        return {**_layout(self.recipe), "targets": ((), np.dtype(np.int32)), **EVALUATION_MASKS}

    def fill(self, task: np.ndarray, out: Mapping[str, np.ndarray], between: Callable[[], None]) -> None:
        """Make the rows one by one."""
        reader = shared_reader(self.directory, self.split)
        for place, row in enumerate(task.tolist()):
            between()
            if row < 0:
                out["inputs"][place] = 0
            else:
                _read(reader, row, self.split, partial(self.recipe.evaluation, out=out["inputs"][place]))
        fill_masks(task, out)
        out["targets"][:] = np.where(task >= 0, reader.fields["targets"][task.clip(0)], 0)


def _layout(recipe: Recipe) -> dict[str, tuple[tuple[int, ...], np.dtype[np.generic]]]:
    return {"inputs": ((recipe.size, recipe.size, 3), np.dtype(np.float32))}
