"""Units that write rows of arrays. Their shards are joined in the order of the units.

The store is the one that `StoreWriter.append` would make of the same rows: the cut into units does not show. A shard
is removed once it is part of the joined array, so joining needs disk space for one more shard only.
"""

from __future__ import annotations

import itertools
import json
import math
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np

from algoperf.data.files import sha256_of, sync_directory, write_file
from algoperf.data.publish import sync_tree
from algoperf.data.store.build_units import PARTS, SplitContent, Task, Unit, Workspace, part_path
from algoperf.data.store.growing_array import GrowingSplit, write_header
from algoperf.data.store.manifest import StoredFile
from algoperf.data.transfer.progress import byte_progress

_COPY_BYTES = 1 << 22
Rows = Mapping[str, np.ndarray]
_Fields = dict[str, tuple[str, tuple[int, ...]]]  # dtype and shape of a row, by name


class ArrayUnit(Unit, Protocol):
    """The input of one shard."""

    def rows(self) -> Iterator[Rows]:
        """Yield rows, some at a time, as `StoreWriter.append` takes them. There may be none."""
        ...


class _Arrays:
    """The form of rows of arrays."""

    def is_finished(self, workspace: Workspace, task: Task) -> bool:
        """Whether an earlier call wrote the shard."""
        if task.number < _num_joined(workspace, task.split):
            return True
        return workspace.note_path(task).exists() and _shard_path(workspace, task).exists()

    def bytes_so_far(self, workspace: Workspace, task: Task) -> int:
        """How much of the shard is written."""
        shard = _shard_path(workspace, task)
        for folder in (shard, part_path(shard)):
            try:
                return sum(path.stat().st_size for path in folder.iterdir())
            except FileNotFoundError:
                continue
        return 0

    def write(self, workspace: Workspace, task: Task) -> None:
        """Write the shard, then the note that marks it as finished."""
        shard = _shard_path(workspace, task)
        part = part_path(shard)
        for remains in (shard, part):
            shutil.rmtree(remains, ignore_errors=True)
        part.mkdir(parents=True)
        arrays = GrowingSplit(part, task.split)
        try:
            for rows in task.unit.rows():
                arrays.append(rows)
            arrays.finish()
        finally:
            arrays.close()
        sync_tree(part)
        os.rename(part, shard)
        sync_directory(shard.parent)
        fields: _Fields = {name: (array.dtype.str, array.row_shape) for name, array in arrays.fields.items()}
        workspace.write_note(task, {"num_rows": arrays.num_rows, "fields": json.dumps(fields, sort_keys=True)})

    def is_begun(self, workspace: Workspace, split: str) -> bool:
        """Whether shards were joined, and removed."""
        return _num_joined(workspace, split) > 0

    def finish(self, workspace: Workspace, split: str, tasks: Sequence[Task]) -> SplitContent:
        """Join the shards, in the order of the units."""
        counts, fields = _read_notes(workspace, tasks)
        num_rows = sum(counts)
        paths = {name: workspace.content / split / f"{name}.npy" for name in fields}
        if not _num_joined(workspace, split):
            for name, (dtype, row_shape) in fields.items():
                with paths[name].open("wb") as file:
                    write_header(file, np.dtype(dtype), (num_rows, *row_shape))
            sync_directory(workspace.content / split)
        _join(workspace, split, tasks, counts, fields)
        files = {
            f"{split}/{name}.npy": StoredFile(
                sha256_of(paths[name]), paths[name].stat().st_size, dtype, (num_rows, *row_shape)
            )
            for name, (dtype, row_shape) in fields.items()
        }
        return SplitContent(num_rows, sorted(fields), files)


ARRAYS = _Arrays()


def _read_notes(workspace: Workspace, tasks: Sequence[Task]) -> tuple[list[int], _Fields]:
    """Number of rows of each shard, and the fields, which must be the same in all."""
    notes = [workspace.read_note(task) for task in tasks]
    counts = [int(note["num_rows"]) for note in notes]
    found = {str(note["fields"]): task for note, task, count in zip(notes, tasks, counts, strict=True) if count}
    if len(found) != 1:
        split = tasks[0].split if tasks else ""
        what = (
            "has no examples"
            if not found
            else "has units that differ: "
            + " and ".join(f"{task.unit.identity} has {fields}" for fields, task in list(found.items())[:2])
        )
        raise ValueError(f"split {split!r} {what}")
    [text] = found
    return counts, {name: (dtype, tuple(row_shape)) for name, (dtype, row_shape) in json.loads(text).items()}


def _join(workspace: Workspace, split: str, tasks: Sequence[Task], counts: Sequence[int], fields: _Fields) -> None:
    """Append the shards that are not joined yet. Each is noted when it is on disk, and removed then."""
    row_bytes = {name: np.dtype(dtype).itemsize * math.prod(shape) for name, (dtype, shape) in fields.items()}
    starts = [0, *itertools.accumulate(counts)]
    with byte_progress("join", starts[-1] * sum(row_bytes.values())) as report:
        for task in tasks[_num_joined(workspace, split) :]:
            shard = _shard_path(workspace, task)
            if counts[task.number]:
                for name, size in row_bytes.items():
                    target = workspace.content / split / f"{name}.npy"
                    _copy_rows(shard / target.name, target, starts[task.number] * size)
            write_file(_journal_path(workspace, split), str(task.number + 1).encode())
            shutil.rmtree(shard)
            report(starts[task.number + 1] * sum(row_bytes.values()))


def _copy_rows(source: Path, target: Path, offset: int) -> None:
    """Copy all rows to `offset` bytes behind the header of the target."""
    with source.open("rb") as rows, target.open("r+b") as file:
        np.lib.format.read_magic(rows)
        np.lib.format.read_array_header_1_0(rows)
        file.seek(rows.tell() + offset)  # the headers have the same length
        shutil.copyfileobj(rows, file, _COPY_BYTES)
        file.flush()
        os.fsync(file.fileno())


def _shard_path(workspace: Workspace, task: Task) -> Path:
    return workspace.directory / PARTS / task.split / f"shard_{task.number:05d}"


def _journal_path(workspace: Workspace, split: str) -> Path:
    return workspace.directory / PARTS / split / "joined"


def _num_joined(workspace: Workspace, split: str) -> int:
    path = _journal_path(workspace, split)
    return int(path.read_bytes()) if path.exists() else 0
