"""What the datasets of the probe workloads in `cubes` share: small, generated, and stored on disk like any other."""

from __future__ import annotations

import abc
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from algoperf.data.batches.arrays import StoredArrays
from algoperf.data.batches.seeding import keyed_generator
from algoperf.data.contracts import Batch
from algoperf.data.files import make_directory, write_file
from algoperf.data.store.store import Store, create_store, store_exists
from algoperf.workload.definition import Examples

FILE_NAME = "examples.npz"
EXAMPLES = Examples(train=200, eval_train=60, validation=60, test=60)
SPLITS = ("train", "validation", "test")
Rows = dict[str, np.ndarray]


class GeneratedDataset(abc.ABC):
    """Its raw file holds all arrays by split and field; the store holds them by split, and `files`."""

    name: str
    input_stats: tuple[Any, Any] | None = None
    num_classes: int | None = None
    files: Mapping[str, bytes] = {}

    @abc.abstractmethod
    def generate(self, rng: np.random.Generator, num_examples: int) -> Rows:
        """Make the fields of so many examples, as they are stored."""

    @abc.abstractmethod
    def finish(self, rows: Rows) -> Batch:
        """Turn stored rows into a batch."""

    def example_batch(self) -> Batch:
        return self.finish(self.generate(keyed_generator(self.name, "example"), 1))

    def download(self, raw_dir: Path) -> None:
        """There is nothing to fetch."""
        self.miniature(raw_dir)

    def miniature(self, raw_dir: Path) -> None:
        make_directory(raw_dir)
        arrays = {
            f"{split}.{field}": array
            for split in SPLITS
            for field, array in self.generate(keyed_generator(self.name, split), getattr(EXAMPLES, split)).items()
        }
        content = io.BytesIO()
        np.savez(content, **arrays)
        write_file(raw_dir / FILE_NAME, content.getvalue())

    def preprocess(self, raw_dir: Path, data_dir: Path) -> None:
        if store_exists(data_dir):
            return
        with np.load(raw_dir / FILE_NAME) as raw, create_store(data_dir, dataset=self.name) as writer:
            for split in SPLITS:
                names = [name for name in raw.files if name.startswith(f"{split}.")]
                writer.append(split, {name.removeprefix(f"{split}."): raw[name] for name in names})
            for name, content in self.files.items():
                writer.add_file(name, content)

    def open(self, data_dir: Path) -> StoredArrays:
        return self.opened(Store.open(data_dir, dataset=self.name))

    def opened(self, store: Store) -> StoredArrays:
        """Make batches of an open store."""
        return StoredArrays(store, self.finish)
