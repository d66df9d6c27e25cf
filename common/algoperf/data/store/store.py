"""A preprocessed dataset on disk: one `.npy` file per split and field, and a manifest with their hashes.

    <directory>/manifest.json
    <directory>/train/inputs.npy, train/targets.npy, validation/inputs.npy, ...

The first axis of every array counts examples. The manifest holds size, SHA-256, dtype and shape of each
file, the examples of each split, and a hash of the whole.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np

from algoperf.data.files import explaining_full_disk, sha256_of
from algoperf.data.publish import publishing
from algoperf.data.store.growing_array import GrowingArray
from algoperf.errors import DataError, UserError, unknown

FORMAT_VERSION = 1
MAKE_COMMAND = "algoperf preprocess"
_MANIFEST = "manifest.json"
_READ_BYTES = 1 << 22


@dataclass(frozen=True)
class StoredFile:
    """The manifest's entry for one file."""

    sha256: str
    num_bytes: int
    dtype: str
    shape: tuple[int, ...]


class StoreWriter:
    """Collects the arrays of a store; made by `create_store`."""

    def __init__(self, directory: Path, dataset: str) -> None:
        self._directory, self._dataset = directory, dataset
        self._splits: dict[str, dict[str, GrowingArray]] = {}

    def append(self, split: str, rows: Mapping[str, np.ndarray]) -> None:
        """Add examples to a split: all at once or, for large data, chunk by chunk.

        Every field of `rows` is an array with the examples along its first axis. Fields, dtypes and example shapes
        must be those of the first call.
        """
        counts = {field: len(array) for field, array in rows.items()}
        if len(set(counts.values())) != 1:
            raise ValueError(f"split {split!r}: all fields need the same number of examples, not {counts}")
        fields = self._splits.get(split) or self._start(split, rows)
        if fields.keys() != rows.keys():
            raise ValueError(f"split {split!r} has the fields {sorted(fields)}, not {sorted(rows)}")
        for field, array in rows.items():
            fields[field].append(array)

    def _start(self, split: str, rows: Mapping[str, np.ndarray]) -> dict[str, GrowingArray]:
        for name in (split, *rows):
            if not name.isidentifier():
                raise ValueError(f"{name!r} becomes a file name: use letters, digits and underscores")
        folder = self._directory / split
        folder.mkdir()
        fields = self._splits[split] = {}
        for field, array in rows.items():
            fields[field] = GrowingArray(folder / f"{field}.npy", array.dtype, array.shape[1:])
        return fields

    def _finish(self) -> None:
        """Complete the arrays and write the manifest."""
        files: dict[str, StoredFile] = {}
        splits: dict[str, dict[str, Any]] = {}
        for split, fields in self._splits.items():
            for field, array in fields.items():
                array.finish()
                files[f"{split}/{field}.npy"] = StoredFile(
                    sha256_of(array.path), array.path.stat().st_size, array.dtype.str, array.shape
                )
            num_examples = next(iter(fields.values())).num_rows
            if num_examples == 0:
                raise ValueError(f"split {split!r} has no examples")
            splits[split] = {"num_examples": num_examples, "fields": sorted(fields)}
        write_manifest(self._directory, self._dataset, splits, files)

    def _close(self) -> None:
        for fields in self._splits.values():
            for array in fields.values():
                array.close()


def write_manifest(
    directory: Path, dataset: str, splits: Mapping[str, Mapping[str, Any]], files: Mapping[str, StoredFile]
) -> None:
    """Write the manifest that makes a directory a store."""
    manifest = {
        "format_version": FORMAT_VERSION,
        "dataset": dataset,
        "hash": _content_hash(files),
        "splits": splits,
        "files": {name: asdict(file) for name, file in sorted(files.items())},
    }
    (directory / _MANIFEST).write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")


@contextmanager
def create_store(directory: Path, *, dataset: str) -> Iterator[StoreWriter]:
    """Yield a writer. Its complete store appears at `directory` when the block ends without an error."""
    with publishing(directory) as temporary, explaining_full_disk(temporary):
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
    if names and _MANIFEST not in names:
        raise UserError(
            f"{directory} holds files that are not a dataset store (no {_MANIFEST}). Choose another data "
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
        self._files = {
            name: StoredFile(entry["sha256"], entry["num_bytes"], entry["dtype"], tuple(entry["shape"]))
            for name, entry in manifest["files"].items()
        }

    @classmethod
    def open(cls, directory: Path, *, dataset: str | None = None) -> Self:
        """Open the store at `directory` after cheap checks: manifest, presence and size of every file.

        Raises DataError if the store is missing or damaged, or does not hold `dataset` (None: any).
        """
        manifest = _read_manifest(directory)
        try:
            store = cls(directory, manifest)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise _damaged(directory, f"{_MANIFEST} lacks or garbles {error}") from error
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

    def warm(self) -> None:
        """Read every byte once, in order, so that later reads come from memory."""
        buffer = bytearray(_READ_BYTES)
        for name in self._files:
            with (self.directory / name).open("rb", buffering=0) as file:
                while file.readinto(buffer):
                    pass

    def verify(self) -> None:
        """Read and hash everything; DataError names the file whose content differs from the manifest's."""
        for name, expected in self._files.items():
            found = sha256_of(self.directory / name)
            if found != expected.sha256:
                raise _damaged(self.directory, f"{name} has SHA-256 {found}, expected {expected.sha256}")
        if _content_hash(self._files) != self.hash:
            raise _damaged(self.directory, f"the hash in {_MANIFEST} does not fit its files")

    def _map(self, name: str) -> np.ndarray:
        expected = self._files[name]
        try:
            array: np.ndarray = np.load(self.directory / name, mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError) as error:
            raise _damaged(self.directory, f"{name} is unreadable: {error}") from error
        if array.shape != expected.shape or array.dtype != np.dtype(expected.dtype):
            raise _damaged(
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
                raise _damaged(self.directory, f"{name} is missing")
            if path.stat().st_size != expected.num_bytes:
                raise _damaged(self.directory, f"{name} has {path.stat().st_size} bytes, expected {expected.num_bytes}")


def _content_hash(files: Mapping[str, StoredFile]) -> str:
    lines = "".join(f"{name} {files[name].sha256}\n" for name in sorted(files))
    return hashlib.sha256(lines.encode()).hexdigest()


def _read_manifest(directory: Path) -> dict[str, Any]:
    path = directory / _MANIFEST
    if not path.is_file():
        raise DataError(f"No dataset store at {directory}: {_MANIFEST} is not there. Make it with `{MAKE_COMMAND}`.")
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
        version = manifest["format_version"]
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise _damaged(directory, f"{_MANIFEST} is unreadable ({error})") from error
    if version != FORMAT_VERSION:
        raise DataError(
            f"The store at {directory} has format version {version}, this program reads {FORMAT_VERSION}. "
            f"Remove the directory and make it again with `{MAKE_COMMAND}`."
        )
    return dict(manifest)


def _damaged(directory: Path, what: str) -> DataError:
    return DataError(
        f"The dataset store at {directory} is damaged: {what}. Remove the directory and make it again with "
        f"`{MAKE_COMMAND}`."
    )
