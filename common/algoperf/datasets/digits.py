"""digits: 1,797 scans of 8x8 pixels that come with scikit-learn. A first dataset that needs no network.

Source: the test set of "Optical Recognition of Handwritten Digits" (Alpaydin and Kaynak, 1998, UCI).
"""

from __future__ import annotations

import gzip
import hashlib
import importlib.util
from pathlib import Path

import numpy as np

from algoperf.data.batches.arrays import StoredArrays
from algoperf.data.batches.seeding import keyed_generator
from algoperf.data.contracts import Batch, example_image
from algoperf.data.files import make_directory, write_file
from algoperf.data.store.store import Store, create_store, store_exists
from algoperf.errors import DataError, UserError

FILE_NAME = "digits.csv.gz"
FILE_SHA256 = "09f66e6debdee2cd2b5ae59e0d6abbb73fc2b0e0185d2e1957e9ebb51e23aa22"
SPLIT_SIZES = {"train": 1_197, "validation": 300, "test": 300}
MAX_INTENSITY = 16  # pixels are counts of ink in 4x4 blocks
_SIDE = 8


def installed_scans() -> bytes:
    """The file of scans inside the installed scikit-learn, which is not imported because that takes a second."""
    package = importlib.util.find_spec("sklearn")
    folders = (package.submodule_search_locations if package else None) or []
    for folder in folders:
        path = Path(folder, "datasets", "data", FILE_NAME)
        if path.is_file():
            return path.read_bytes()
    raise UserError(f"{FILE_NAME} comes with scikit-learn, which is not installed. Run: pip install scikit-learn")


def parse_scans(content: bytes, source: Path | str) -> tuple[np.ndarray, np.ndarray]:
    """Images uint8 (1797, 8, 8), values 0 to 16, and labels uint8 (1797,).

    Raises DataError, naming `source`, if `content` is not the pinned file.
    """
    found = hashlib.sha256(content).hexdigest()
    if found != FILE_SHA256:
        raise DataError(
            f"{source} is not the file of scans expected: its SHA-256 is {found}, expected {FILE_SHA256}. "
            "Delete it and run the `download` task again."
        )
    # The hash guarantees the format: 64 pixels and a label per line.
    table = np.loadtxt(gzip.decompress(content).decode("ascii").splitlines(), delimiter=",", dtype=np.uint8)
    return table[:, :-1].reshape(-1, _SIDE, _SIDE), table[:, -1]


def split_scans(images: np.ndarray, labels: np.ndarray) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Shuffle with a fixed order, and split into train, validation and test.

    The file is ordered by writer: without the shuffle, each split would have different writers.
    """
    order = keyed_generator("digits", "splits").permutation(len(labels))
    bounds = np.cumsum([0, *SPLIT_SIZES.values()])
    splits = {}
    for name, first, last in zip(SPLIT_SIZES, bounds[:-1], bounds[1:], strict=True):
        rows = order[first:last]
        splits[name] = (images[rows], labels[rows])
    return splits


class Digits:
    """The scans as a dataset: train 1,197, validation 300, test 300 examples."""

    name = "digits"
    input_stats = None
    num_classes = 10

    def example_batch(self) -> Batch:
        """One image and its label."""
        return example_image(_SIDE, num_channels=1)

    def download(self, raw_dir: Path) -> None:
        """Copy the file of scans out of the installed scikit-learn; UserError if that is not installed."""
        content = installed_scans()
        parse_scans(content, f"the {FILE_NAME} of the installed scikit-learn")
        make_directory(raw_dir)
        write_file(raw_dir / FILE_NAME, content)

    def miniature(self, raw_dir: Path) -> None:
        """The same as `download`: the data is already small and needs no network."""
        self.download(raw_dir)

    def preprocess(self, raw_dir: Path, data_dir: Path) -> None:
        """Write the store: per split `inputs` uint8 (N, 8, 8) and `targets` uint8 (N,)."""
        if store_exists(data_dir):
            return
        path = raw_dir / FILE_NAME
        if not path.is_file():
            raise DataError(f"{path} is not there. Run the `download` task first, or check the raw data directory.")
        images, labels = parse_scans(path.read_bytes(), path)
        with create_store(data_dir, dataset=self.name) as writer:
            for split, (inputs, targets) in split_scans(images, labels).items():
                writer.append(split, {"inputs": inputs, "targets": targets})

    def open(self, data_dir: Path) -> StoredArrays:
        """Batches of `inputs` float32 (B, 8, 8, 1) from 0 to 1 and `targets` int32 (B,)."""
        return StoredArrays(Store.open(data_dir, dataset=self.name), _finish)


def _finish(rows: dict[str, np.ndarray]) -> Batch:
    inputs = rows["inputs"].astype(np.float32)[..., np.newaxis]
    inputs /= MAX_INTENSITY
    return {"inputs": inputs, "targets": rows["targets"].astype(np.int32)}


DIGITS = Digits()
