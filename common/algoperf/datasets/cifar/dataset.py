"""CIFAR-10: 60,000 colour pictures of 32x32 pixels in ten classes (Krizhevsky, 2009), in its binary version.

Splits: the last tenth of the training pictures, in file order, is `validation` (5,000), the rest is `train`
(45,000); `test_batch.bin` is `test` (10,000).
"""

from __future__ import annotations

import tarfile
from pathlib import Path

import numpy as np

from algoperf.data.batches.arrays import Fields, StoredArrays, shard_slice
from algoperf.data.batches.order import Shuffled
from algoperf.data.batches.seeding import keyed_generator
from algoperf.data.contracts import Batch, Shard, TrainingBatches, example_image
from algoperf.data.store.store import Store, create_store, store_exists
from algoperf.data.transfer.download import RemoteFile, download
from algoperf.datasets.cifar.miniature import write_miniature
from algoperf.errors import DataError

ARCHIVE = RemoteFile(
    "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
    "cifar-10-binary.tar.gz",
    170_052_171,
    "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
)
TRAIN_FILES = tuple(f"data_batch_{number}.bin" for number in range(1, 6))
TEST_FILE = "test_batch.bin"
SIDE, NUM_CLASSES = 32, 10
RECORD_BYTES = 1 + 3 * SIDE * SIDE  # the label, then all red, all green, all blue values
# Of pixels from 0 to 1, per channel.
MEAN = (0.49139968, 0.48215827, 0.44653124)
STDDEV = (0.24703233, 0.24348505, 0.26158768)
PADDING = 4  # pixels
_CORRUPT = (tarfile.TarError, EOFError, OSError)


class Cifar10:
    """CIFAR-10 as a dataset; its miniature has 4,500, 500 and 500 examples."""

    name = "cifar10"
    input_stats = MEAN, STDDEV
    num_classes = NUM_CLASSES

    def example_batch(self) -> Batch:
        """One image and its label."""
        return example_image(SIDE, num_channels=3)

    def download(self, raw_dir: Path) -> None:
        """Fetch the archive, 170 MB."""
        download([ARCHIVE], raw_dir)

    def miniature(self, raw_dir: Path) -> None:
        """Write an archive of the same name and layout, full of generated pictures."""
        write_miniature(raw_dir / ARCHIVE.name, TRAIN_FILES, TEST_FILE, SIDE)

    def preprocess(self, raw_dir: Path, data_dir: Path) -> None:
        """Write the store: per split `inputs` uint8 (N, 32, 32, 3) and `targets` uint8 (N,)."""
        if store_exists(data_dir):
            return
        files = _read_archive(raw_dir / ARCHIVE.name)
        images, labels = (np.concatenate(parts) for parts in zip(*(files[name] for name in TRAIN_FILES), strict=True))
        num_train = len(images) - len(images) // 10
        if num_train == len(images):
            raise _corrupt(str(raw_dir / ARCHIVE.name), f"{len(images)} training pictures leave none for validation")
        with create_store(data_dir, dataset=self.name) as writer:
            writer.append("train", {"inputs": images[:num_train], "targets": labels[:num_train]})
            writer.append("validation", {"inputs": images[num_train:], "targets": labels[num_train:]})
            writer.append("test", dict(zip(("inputs", "targets"), files[TEST_FILE], strict=True)))

    def open(self, data_dir: Path) -> OpenCifar10:
        """Batches of normalised `inputs` float32 (B, 32, 32, 3) and `targets` int32 (B,)."""
        return OpenCifar10(Store.open(data_dir, dataset=self.name))


def _read_archive(path: Path) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Images uint8 (N, 32, 32, 3) and labels uint8 (N,) of each file. DataError if the archive is invalid."""
    if not path.is_file():
        raise DataError(f"{path} is not there. Run the `download` task first, or check the raw data directory.")
    wanted = {*TRAIN_FILES, TEST_FILE}
    found = {}
    try:
        with tarfile.open(path, "r:*") as archive:
            for member in archive:
                name = member.name.rpartition("/")[2]
                if name in wanted and (file := archive.extractfile(member)) is not None:
                    found[name] = _parse(file.read(), f"{member.name} in {path}")
    except _CORRUPT as error:
        raise _corrupt(str(path), str(error)) from error
    if missing := wanted - set(found):
        raise _corrupt(str(path), f"{', '.join(sorted(missing))} is not in it")
    return found


def _parse(content: bytes, source: str) -> tuple[np.ndarray, np.ndarray]:
    if not content or len(content) % RECORD_BYTES:
        raise _corrupt(source, f"{len(content)} bytes are no whole number of records of {RECORD_BYTES}")
    table = np.frombuffer(content, np.uint8).reshape(-1, RECORD_BYTES)
    labels = table[:, 0].copy()
    if labels.max() >= NUM_CLASSES:
        raise _corrupt(source, f"it has the label {labels.max()}, allowed are 0 to {NUM_CLASSES - 1}")
    planes = table[:, 1:].reshape(-1, 3, SIDE, SIDE)
    return np.ascontiguousarray(planes.transpose(0, 2, 3, 1)), labels


def _corrupt(source: str, what: str) -> DataError:
    return DataError(f"{source} is truncated or corrupt: {what}. Delete the archive and run the `download` task again.")


class OpenCifar10(StoredArrays):
    """CIFAR-10's store. Batches are cheap, so this process makes them itself. Evaluation pictures are unchanged."""

    def __init__(self, store: Store) -> None:
        super().__init__(store, _finish)

    def training(self, *, seed: int, batch_size: int, shard: Shard) -> CifarTrainingBatches:
        """Shuffled training batches of randomly shifted and mirrored pictures."""
        return CifarTrainingBatches(self._store.split("train"), seed=seed, batch_size=batch_size, shard=shard)


class CifarTrainingBatches(TrainingBatches):
    """Shuffled, endless, always full. Pictures are shifted by up to four pixels each way, and half are mirrored."""

    def __init__(self, fields: Fields, *, seed: int, batch_size: int, shard: Shard) -> None:
        self._fields, self._seed, self._batch_size = fields, seed, batch_size
        self._order = Shuffled(len(fields["targets"]), seed)
        self._slice = shard_slice(batch_size, shard)

    def batch(self, position: int) -> Batch:
        """This shard's rows of global batch `position`."""
        rows = self._order.indices(
            position * self._batch_size + self._slice.start, self._slice.stop - self._slice.start
        )
        rng = keyed_generator("cifar augmentation", self._seed, position)
        shifts = rng.integers(-PADDING, PADDING, size=(self._batch_size, 2), endpoint=True)[self._slice]
        mirrored = (rng.random(self._batch_size) < 0.5)[self._slice]
        taken = {name: np.take(array, rows, axis=0) for name, array in self._fields.items()}
        return _finish({**taken, "inputs": augment(taken["inputs"], shifts, mirrored)})

    def prepare(self, position: int) -> None:
        """Make the order of this epoch and the next one."""
        self._order.prepare(position * self._batch_size)


def augment(images: np.ndarray, shifts: np.ndarray, mirrored: np.ndarray) -> np.ndarray:
    """Move each of `images` (N, 32, 32, 3) down and right by its `shifts` (N, 2), filling with black; then mirror."""
    margins = [(0, 0), (PADDING, PADDING), (PADDING, PADDING), (0, 0)]
    padded = np.pad(images, margins)
    along = np.arange(SIDE)
    rows = PADDING - shifts[:, :1] + along
    columns = PADDING - shifts[:, 1:] + np.where(mirrored[:, np.newaxis], along[::-1], along)
    moved: np.ndarray = padded[np.arange(len(images))[:, None, None], rows[:, :, None], columns[:, None, :]]
    return moved


def _finish(rows: dict[str, np.ndarray]) -> Batch:
    inputs = rows["inputs"].astype(np.float32)
    inputs -= np.array(MEAN, np.float32) * 255
    inputs *= 1 / (np.array(STDDEV, np.float32) * 255)
    return {"inputs": inputs, "targets": rows["targets"].astype(np.int32)}


CIFAR10 = Cifar10()
