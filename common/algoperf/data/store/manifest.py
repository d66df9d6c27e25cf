"""The manifest of a store: what its files are, and hashes of them."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from algoperf.errors import DataError

FORMAT_VERSION = 1
MAKE_COMMAND = "algoperf preprocess"
MANIFEST = "manifest.json"
FILES = "files"  # the folder of files that are no arrays
_FILE_NAME = re.compile(r"[\w-][\w.-]*", re.ASCII)


@dataclass(frozen=True)
class StoredFile:
    """The manifest's entry for one file; `dtype` and `shape` if it holds an array."""

    sha256: str
    num_bytes: int
    dtype: str | None = None
    shape: tuple[int, ...] | None = None

    def as_dict(self) -> dict[str, Any]:
        """The entry as it is written."""
        return {name: value for name, value in asdict(self).items() if value is not None}


def write_store_files(directory: Path, contents: Mapping[str, bytes]) -> dict[str, StoredFile]:
    """Write files that are no arrays into the folder of a store; returns their entries for the manifest."""
    entries = {}
    for name, content in contents.items():
        if not _FILE_NAME.fullmatch(name):
            raise ValueError(f"{name!r} is no file name: use letters, digits, '_', '-' and '.', not '.' at first")
        path = directory / FILES / name
        if path.exists():
            raise ValueError(f"{name!r} has been added already: choose another name")
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)
        entries[f"{FILES}/{name}"] = StoredFile(hashlib.sha256(content).hexdigest(), len(content))
    return entries


def write_manifest(
    directory: Path, dataset: str, splits: Mapping[str, Mapping[str, Any]], files: Mapping[str, StoredFile]
) -> None:
    """Write the manifest that makes a directory a store."""
    manifest = {
        "format_version": FORMAT_VERSION,
        "dataset": dataset,
        "hash": content_hash(files),
        "splits": splits,
        "files": {name: file.as_dict() for name, file in sorted(files.items())},
    }
    (directory / MANIFEST).write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")


def is_other(name: str) -> bool:
    """Whether a file of the manifest is no array."""
    return name.startswith(f"{FILES}/")


def stored_file(name: str, entry: Mapping[str, Any]) -> StoredFile:
    """One entry of a manifest that was read; KeyError if it lacks something."""
    if is_other(name):
        return StoredFile(entry["sha256"], entry["num_bytes"])
    return StoredFile(entry["sha256"], entry["num_bytes"], entry["dtype"], tuple(entry["shape"]))


def check_hash(directory: Path, name: str, found: str, expected: str) -> None:
    """DataError, naming the file, if the SHA-256 of its content is not the manifest's."""
    if found != expected:
        raise damaged(directory, f"{name} has SHA-256 {found}, expected {expected}")


def content_hash(files: Mapping[str, StoredFile]) -> str:
    """The hash of the whole: SHA-256 over names and hashes of all files."""
    lines = "".join(f"{name} {files[name].sha256}\n" for name in sorted(files))
    return hashlib.sha256(lines.encode()).hexdigest()


def read_manifest(directory: Path) -> dict[str, Any]:
    """The manifest of the store at `directory`; DataError if it is missing, unreadable or of another version."""
    path = directory / MANIFEST
    if not path.is_file():
        raise DataError(f"No dataset store at {directory}: {MANIFEST} is not there. Make it with `{MAKE_COMMAND}`.")
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
        version = manifest["format_version"]
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise damaged(directory, f"{MANIFEST} is unreadable ({error})") from error
    if version != FORMAT_VERSION:
        raise DataError(
            f"The store at {directory} has format version {version}, this program reads {FORMAT_VERSION}. "
            f"Remove the directory and make it again with `{MAKE_COMMAND}`."
        )
    return dict(manifest)


def damaged(directory: Path, what: str) -> DataError:
    """The error for a store that cannot be used."""
    return DataError(
        f"The dataset store at {directory} is damaged: {what}. Remove the directory and make it again with "
        f"`{MAKE_COMMAND}`."
    )
