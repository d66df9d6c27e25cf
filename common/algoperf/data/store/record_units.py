"""Units that write byte records: one shard file each, and an index over all (see `blobs.py`)."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy as np

from algoperf.data.files import sha256_of, sync_file
from algoperf.data.store.blobs import INDEX, shard_name
from algoperf.data.store.build_units import SplitContent, Task, Unit, Workspace, part_path
from algoperf.data.store.growing_array import GrowingArray
from algoperf.data.store.manifest import StoredFile


@dataclass(frozen=True)
class Record:
    """One record. Records of a split are sorted by `key`; `fields` are the other fields."""

    key: str
    data: bytes
    fields: Mapping[str, np.generic]


class RecordUnit(Unit, Protocol):
    """The input of one shard."""

    def records(self) -> Iterator[Record]:
        """Yield the records in the order in which they are written."""
        ...


class _Sized(Protocol):
    @property
    def num_bytes(self) -> int: ...


Piece = TypeVar("Piece", bound=_Sized)


def grouped(pieces: Iterable[Piece], group_bytes: int) -> Iterator[tuple[Piece, ...]]:
    """Group consecutive pieces of shards, each group just reaching `group_bytes`."""
    group: list[Piece] = []
    for piece in pieces:
        group.append(piece)
        if sum(member.num_bytes for member in group) >= group_bytes:
            yield tuple(group)
            group = []
    if group:
        yield tuple(group)


class _Records:
    """The form of byte records."""

    def is_finished(self, workspace: Workspace, task: Task) -> bool:
        """Whether an earlier call wrote the shard."""
        return workspace.note_path(task).exists() and _shard_path(workspace, task).exists()

    def bytes_so_far(self, workspace: Workspace, task: Task) -> int:
        """How much of the shard is written."""
        shard = _shard_path(workspace, task)
        for path in (shard, part_path(shard)):
            try:
                return path.stat().st_size
            except FileNotFoundError:
                continue
        return 0

    def write(self, workspace: Workspace, task: Task) -> None:
        """Write the shard, then the note that marks it as finished."""
        shard = _shard_path(workspace, task)
        part = part_path(shard)
        keys: list[str] = []
        lengths: list[int] = []
        fields: dict[str, list[np.generic]] = {}
        array = GrowingArray(part, np.dtype(np.uint8), ())
        try:
            for record in task.unit.records():
                array.append(np.frombuffer(record.data, np.uint8))
                keys.append(record.key)
                lengths.append(len(record.data))
                for name, value in record.fields.items():
                    fields.setdefault(name, []).append(value)
            array.finish()
        finally:
            array.close()
        sync_file(part)
        sha256 = sha256_of(part)
        os.replace(part, shard)
        workspace.write_note(task, _note(shard.stat().st_size, keys, lengths, fields, sha256))

    def is_begun(self, workspace: Workspace, split: str) -> bool:
        """No: shards stay where they are."""
        del workspace, split
        return False

    def finish(self, workspace: Workspace, split: str, tasks: Sequence[Task]) -> SplitContent:
        """Turn the notes into index and fields, sorted by the records' keys."""
        arrays, shards = _gather(workspace, tasks)
        folder = workspace.content / split
        files = {f"{split}/{name}": file for name, file in shards.items()}
        for name, array in arrays.items():
            path = folder / f"{name}.npy"
            np.save(path, array)
            files[f"{split}/{path.name}"] = StoredFile(
                sha256_of(path), path.stat().st_size, array.dtype.str, array.shape
            )
        return SplitContent(len(arrays[INDEX]), sorted(arrays), files)


RECORDS = _Records()


def _shard_path(workspace: Workspace, task: Task) -> Path:
    return workspace.content / task.split / shard_name(task.number)


def _note(
    shard_bytes: int, keys: list[str], lengths: list[int], fields: Mapping[str, list[np.generic]], sha256: str
) -> dict[str, Any]:
    ends = np.cumsum(np.array(lengths, np.int64)) + (shard_bytes - sum(lengths))  # after the header of the .npy file
    columns = {f"field_{name}": np.array(values) for name, values in fields.items()}
    index = {"key": np.array(keys), "offset": ends - lengths, "length": np.array(lengths, np.int64)}
    return {**index, "sha256": sha256, **columns}


def _gather(workspace: Workspace, tasks: Sequence[Task]) -> tuple[dict[str, np.ndarray], dict[str, StoredFile]]:
    """Collect index and fields of one split, and its shards."""
    notes, shards = [], {}
    for task in tasks:
        path, note = _shard_path(workspace, task), workspace.read_note(task)
        size, total = path.stat().st_size, int(note["length"].sum())
        shards[path.name] = StoredFile(str(note.pop("sha256")), size, np.dtype(np.uint8).str, (total,))
        note["shard"] = np.full(len(note["key"]), task.number)
        notes.append(note)
    columns = {name: np.concatenate([note[name] for note in notes]) for name in notes[0]}
    order = np.argsort(columns["key"], kind="stable")
    arrays = {
        name.removeprefix("field_"): column[order] for name, column in columns.items() if name.startswith("field_")
    }
    arrays[INDEX] = np.stack([columns[name][order] for name in ("shard", "offset", "length")], axis=1)
    return arrays, shards
