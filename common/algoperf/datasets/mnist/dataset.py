"""MNIST: 70,000 handwritten digits of 28x28 pixels (LeCun, Cortes and Burges).

Splits: the first five sixths of the training file are `train` (50,000), its last sixth is `validation`
(10,000), the test file is `test` (10,000). The reference implementation splits at the same numbers, but in the
order in which TensorFlow Datasets stores the training file, so its validation images differ.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from algoperf.data.batches.arrays import StoredArrays
from algoperf.data.contracts import Batch, example_image
from algoperf.data.store.store import Store, create_store, store_exists
from algoperf.data.transfer.download import RemoteFile, download
from algoperf.datasets.mnist.idx import read_idx
from algoperf.datasets.mnist.miniature import write_miniature
from algoperf.errors import DataError
from algoperf.text import counted

TRAIN_IMAGES, TRAIN_LABELS = "train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz"
TEST_IMAGES, TEST_LABELS = "t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz"
_BASE_URL = "https://storage.googleapis.com/cvdf-datasets/mnist/"
FILES = tuple(
    RemoteFile(_BASE_URL + name, name, num_bytes, sha256)
    for name, num_bytes, sha256 in (
        (TRAIN_IMAGES, 9_912_422, "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609"),
        (TRAIN_LABELS, 28_881, "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c"),
        (TEST_IMAGES, 1_648_877, "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6"),
        (TEST_LABELS, 4_542, "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6"),
    )
)
IMAGE_SHAPE = (28, 28)
NUM_CLASSES = 10
# Mean and standard deviation of pixels from 0 to 1, applied to pixels from 0 to 255. The reference does this, and
# the published settings were tuned with it.
MEAN, STDDEV = 0.1307, 0.3081


class Mnist:
    """MNIST as a dataset; its miniature has 20,000, 4,000 and 4,000 examples."""

    name = "mnist"
    input_stats = MEAN, STDDEV
    num_classes = NUM_CLASSES

    def example_batch(self) -> Batch:
        """One image and its label."""
        return example_image(IMAGE_SHAPE[0], num_channels=1)

    def download(self, raw_dir: Path) -> None:
        """Fetch the four files, 11.6 MB."""
        download(FILES, raw_dir)

    def miniature(self, raw_dir: Path) -> None:
        """Write four files of the same names and format, made from scikit-learn's scans."""
        write_miniature(
            raw_dir,
            train=(TRAIN_IMAGES, TRAIN_LABELS),
            test=(TEST_IMAGES, TEST_LABELS),
            image_shape=IMAGE_SHAPE,
        )

    def preprocess(self, raw_dir: Path, data_dir: Path) -> None:
        """Write the store: per split `inputs` uint8 (N, 28, 28) and `targets` uint8 (N,)."""
        if store_exists(data_dir):
            return
        images, labels = _read_pair(raw_dir / TRAIN_IMAGES, raw_dir / TRAIN_LABELS)
        num_train = len(images) - len(images) // 6
        if num_train == len(images):
            raise DataError(
                f"{raw_dir / TRAIN_IMAGES} has {counted(len(images), 'image')}: too few for training and validation."
            )
        test_images, test_labels = _read_pair(raw_dir / TEST_IMAGES, raw_dir / TEST_LABELS)
        with create_store(data_dir, dataset=self.name) as writer:
            writer.append("train", {"inputs": images[:num_train], "targets": labels[:num_train]})
            writer.append("validation", {"inputs": images[num_train:], "targets": labels[num_train:]})
            writer.append("test", {"inputs": test_images, "targets": test_labels})

    def open(self, data_dir: Path) -> StoredArrays:
        """Batches of `inputs` float32 (B, 28, 28, 1), from -0.42 to 827.2, and `targets` int32 (B,)."""
        return StoredArrays(Store.open(data_dir, dataset=self.name), _finish)


def _read_pair(images_path: Path, labels_path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Images uint8 (N, 28, 28) and their labels uint8 (N,) below 10."""
    images, labels = read_idx(images_path, IMAGE_SHAPE), read_idx(labels_path, ())
    remedy = "Delete both and run the `download` task again."
    if len(images) != len(labels):
        raise DataError(
            f"{images_path} has {counted(len(images), 'image')}, {labels_path} has "
            f"{counted(len(labels), 'label')}. {remedy}"
        )
    if not len(images):
        raise DataError(f"{images_path} has no images. {remedy}")
    if labels.max(initial=0) >= NUM_CLASSES:
        raise DataError(f"{labels_path} has the label {labels.max()}, allowed are 0 to {NUM_CLASSES - 1}. {remedy}")
    return images, labels


def _finish(rows: dict[str, np.ndarray]) -> Batch:
    inputs = rows["inputs"].astype(np.float32)[..., np.newaxis]
    inputs -= MEAN
    inputs /= STDDEV
    return {"inputs": inputs, "targets": rows["targets"].astype(np.int32)}


MNIST = Mnist()
