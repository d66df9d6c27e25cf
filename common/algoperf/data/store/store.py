"""A preprocessed dataset on disk: one `.npy` file per split and field, and a manifest with their hashes.

    <directory>/manifest.json
    <directory>/train/inputs.npy, train/targets.npy, validation/inputs.npy, ...
    <directory>/files/tokenizer.model ...   other files, if the dataset has any

The first axis of every array counts examples. The manifest holds size and SHA-256 of each file, dtype and shape of
arrays, the examples of each split, and a hash of the whole.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import numpy as np

from algoperf.data.files import sha256_of
from algoperf.data.publish import publishing
from algoperf.data.store.growing_array import GrowingSplit, check_name
from algoperf.data.store.manifest import (
    FILES,
    MAKE_COMMAND,
    MANIFEST,
    StoredFile,
    check_hash,
    content_hash,
    damaged,
    is_other,
    read_manifest,
    stored_file,
    write_manifest,
    write_store_files,
)  # fmt: skip
from algoperf.data.store.warm import warm
from algoperf.errors import DataError, UserError, explaining_full_disk_below, unknown


class StoreWriter:
    """Collects the arrays of a store; made by `create_store`."""

    def __init__(self, directory: Path, dataset: str) -> None:
        self._directory, self._dataset = directory, dataset
        self._splits: dict[str, GrowingSplit] = {}
        self._files: dict[str, StoredFile] = {}

    def append(self, split: str, rows: Mapping[str, np.ndarray]) -> None:
        """Add examples to a split: all at once or, for large data, chunk by chunk.

        Every field of `rows` is an array with the examples along its first axis. Fields, dtypes and example shapes
        must be those of the first call.
        """
        if split not in self._splits:
            check_name(split)
            if split == FILES:
                raise ValueError(f"no split can be called {split!r}: it is the folder of `add_file`")
            (self._directory / split).mkdir()
            self._splits[split] = GrowingSplit(self._directory / split, split)
        self._splits[split].append(rows)

    def add_file(self, name: str, content: bytes) -> None:
        """Add a file that is no array, such as the model of a tokenizer; read it with `Store.read_file`."""
        self._files |= write_store_files(self._directory, {name: content})

    def _finish(self) -> None:
        """Complete the arrays and write the manifest."""
        files = dict(self._files)
        splits: dict[str, dict[str, Any]] = {}
        for split, arrays in self._splits.items():
            arrays.finish()
            for field, array in arrays.fields.items():
                files[f"{split}/{field}.npy"] = StoredFile(
                    sha256_of(array.path), array.path.stat().st_size, array.dtype.str, array.shape
                )
            if arrays.num_rows == 0:
                raise DataError(
                    f"The raw files of {self._dataset} give the split {split!r} no example. Fetch them again."
                )
            splits[split] = {"num_examples": arrays.num_rows, "fields": sorted(arrays.fields)}
        write_manifest(self._directory, self._dataset, splits, files)

    def _close(self) -> None:
        for arrays in self._splits.values():
            arrays.close()


@contextmanager
def create_store(directory: Path, *, dataset: str) -> Iterator[StoreWriter]:
    """Yield a writer. Its complete store appears at `directory` when the block ends without an error."""
    with publishing(directory) as temporary, explaining_full_disk_below(directory, temporary):
        writer = StoreWriter(temporary, dataset)
        try:
            yield writer
            writer._finish()
        finally:
            writer._close()


def store_exists(directory: Path) -> bool:
    """Whether a store was published at `directory`; UserError if something else is there."""
    if not directory.is_dir():
        return False
    names = {path.name for path in directory.iterdir()}
    if names and MANIFEST not in names:
        raise UserError(
            f"{directory} holds files that are not a dataset store (no {MANIFEST}). Choose another data "
            "directory, or remove them."
        )
    return bool(names)


class Store:
    """A store opened for reading. Arrays are memory-mapped: nothing is read before it is used."""

    def __init__(self, directory: Path, manifest: Mapping[str, Any]) -> None:
        self.directory = directory
        self.dataset = str(manifest["dataset"])
        self.hash = str(manifest["hash"])
        self._num_examples = {split: int(entry["num_examples"]) for split, entry in manifest["splits"].items()}
        self._fields = {split: [str(field) for field in entry["fields"]] for split, entry in manifest["splits"].items()}
        self._files = {name: stored_file(name, entry) for name, entry in manifest["files"].items()}

    @classmethod
    def open(cls, directory: Path, *, dataset: str | None = None) -> Self:
        """Open the store at `directory` after cheap checks: manifest, presence and size of every file.

        Raises DataError if the store is missing or damaged, or does not hold `dataset` (None: any).
        """
        manifest = read_manifest(directory)
        try:
            store = cls(directory, manifest)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise damaged(directory, f"{MANIFEST} lacks or garbles {error}") from error
        if dataset not in (None, store.dataset):
            raise DataError(
                f"{directory} holds the dataset {store.dataset!r}, but {dataset!r} is needed. Choose another "
                f"data directory, or make the store with `{MAKE_COMMAND}`."
            )
        store._check_sizes()
        return store

    @property
    def files(self) -> Mapping[str, StoredFile]:
        """The manifest's entry for every file, by its path below `directory`."""
        return self._files

    @property
    def splits(self) -> tuple[str, ...]:
        """Names of the splits."""
        return tuple(self._num_examples)

    def num_examples(self, split: str) -> int:
        """How many examples a split holds."""
        self._check_split(split)
        return self._num_examples[split]

    def split(self, name: str) -> dict[str, np.ndarray]:
        """The fields of a split, each memory-mapped read-only and shaped (num_examples, ...)."""
        self._check_split(name)
        return {field: self._map(f"{name}/{field}.npy") for field in self._fields[name]}

    def read_file(self, name: str) -> bytes:
        """The content of a file that `StoreWriter.add_file` added; DataError if it is missing or damaged."""
        entry = self._files.get(f"{FILES}/{name}")
        if entry is None:
            there = unknown("file", name, (Path(file).name for file in self._files if is_other(file)))
            raise damaged(self.directory, str(there).removesuffix("."))
        try:
            content = (self.directory / FILES / name).read_bytes()
        except OSError as error:
            raise damaged(self.directory, f"{FILES}/{name} is unreadable: {error}") from error
        check_hash(self.directory, f"{FILES}/{name}", hashlib.sha256(content).hexdigest(), entry.sha256)
        return content

    def warm(self) -> None:
        """Read everything once, or as much as fits into free memory; see `warm.py`."""
        warm(self.directory, {name: file.num_bytes for name, file in self._files.items()})

    def verify(self) -> None:
        """Read and hash everything; DataError names the file whose content differs from the manifest's."""
        for name, expected in self._files.items():
            check_hash(self.directory, name, sha256_of(self.directory / name), expected.sha256)
        if content_hash(self._files) != self.hash:
            raise damaged(self.directory, f"the hash in {MANIFEST} does not fit its files")

    def _map(self, name: str) -> np.ndarray:
        expected = self._files[name]
        try:
            array: np.ndarray = np.load(self.directory / name, mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError) as error:
            raise damaged(self.directory, f"{name} is unreadable: {error}") from error
        if array.shape != expected.shape or array.dtype != np.dtype(expected.dtype):
            raise damaged(
                self.directory,
                f"{name} holds {array.dtype} {array.shape}, expected {expected.dtype} {expected.shape}",
            )
        return array

    def _check_split(self, split: str) -> None:
        if split not in self._num_examples:
            raise unknown("split", split, self._num_examples)

    def _check_sizes(self) -> None:
        for name, expected in self._files.items():
            path = self.directory / name
            if not path.is_file():
                raise damaged(self.directory, f"{name} is missing")
            if path.stat().st_size != expected.num_bytes:
                raise damaged(self.directory, f"{name} has {path.stat().st_size} bytes, expected {expected.num_bytes}")
