"""Builds large stores of records: in parallel, and resumable after any interruption.

The work is cut into units, one per shard. Finished shards lie in `.<name>.building` beside the store, each with a
note of its records. A later call reuses them if the plan is unchanged. At the end, the notes are merged into the
index, and one rename gives the directory the store's name.
"""

from __future__ import annotations

import concurrent.futures
import concurrent.futures.process
import json
import multiprocessing
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from algoperf.data.files import (
    explaining_full_disk,
    format_bytes,
    full_disk,
    make_directory,
    open_locked,
    sha256_of,
    sync_directory,
    write_file,
)  # fmt: skip
from algoperf.data.publish import sync_tree
from algoperf.data.store.blobs import INDEX, shard_name
from algoperf.data.store.growing_array import GrowingArray
from algoperf.data.store.manifest import StoredFile, write_manifest
from algoperf.data.transfer.progress import byte_progress
from algoperf.errors import AlgoperfError, UserError
from algoperf.system import follow

_PLAN = "plan.json"
_NOTES = "notes"  # beside the content: needed until the content has the store's name
_POLL_SEC = 0.2
_WORTH_PROCESSES = 1 << 26  # bytes; for less, starting processes takes longer than the work


@dataclass(frozen=True)
class Record:
    """One record. Records of a split are sorted by `key`; `fields` are the other fields."""

    key: str
    data: bytes
    fields: Mapping[str, np.generic]


class Unit(Protocol):
    """The input of one shard. It is sent to another process."""

    @property
    def num_bytes(self) -> int:
        """Approximate size of the shard."""
        ...

    @property
    def identity(self) -> str:
        """Identifies the content, so that a later call can tell whether the shard is still valid."""
        ...

    def records(self) -> Iterator[Record]:
        """Yield the records in the order in which they are written."""
        ...


@dataclass(frozen=True)
class _Task:
    split: str
    number: int
    unit: Unit


def build(directory: Path, *, dataset: str, splits: Mapping[str, Sequence[Unit]], num_processes: int) -> None:
    """Make a store of all units at `directory`, with each split sorted by its records' keys.

    An exception in a unit ends the call. Finished shards are kept for the next one.
    """
    directory = directory.resolve()
    workspace = directory.with_name(f".{directory.name}.building")
    make_directory(workspace)
    lock = open_locked(workspace / "lock")
    if lock is None:
        raise UserError(f"Another process is building {directory}. Wait until it is done, or end it.")
    with lock, explaining_full_disk(workspace):
        content = workspace / "content"
        _adopt(content, splits)
        tasks = [_Task(split, number, unit) for split, units in splits.items() for number, unit in enumerate(units)]
        missing = [task for task in tasks if not _is_finished(content, task)]
        if len(missing) < len(tasks):
            print(f"{len(tasks) - len(missing)} of {len(tasks)} shards are there already.", flush=True)
        if missing:
            _announce(missing, workspace)
            _write_shards(missing, content, num_processes)
        _finish(content, dataset, splits)
        sync_tree(content)
        os.rename(content, directory)
        sync_directory(directory.parent)
        shutil.rmtree(workspace)


def _is_finished(content: Path, task: _Task) -> bool:
    return _note_path(content, task).exists() and _shard_path(content, task).exists()


def _adopt(content: Path, splits: Mapping[str, Sequence[Unit]]) -> None:
    """Keep what an earlier call left if its plan was the same; delete it otherwise."""
    plan = json.dumps({split: [unit.identity for unit in units] for split, units in splits.items()}).encode()
    path = content.parent / _PLAN
    if not path.exists() or path.read_bytes() != plan:
        for folder in (content, content.with_name(_NOTES)):
            shutil.rmtree(folder, ignore_errors=True)
        write_file(path, plan)
    for split in splits:
        (content / split).mkdir(parents=True, exist_ok=True)
        (content.with_name(_NOTES) / split).mkdir(parents=True, exist_ok=True)


def _announce(tasks: Sequence[_Task], directory: Path) -> None:
    required, free = sum(task.unit.num_bytes for task in tasks), shutil.disk_usage(directory).free
    print(
        f"Writing {len(tasks)} shards: {format_bytes(required)} of disk space needed, {format_bytes(free)} free.",
        flush=True,
    )
    if required > free:
        raise full_disk(directory, required)


def _write_shards(tasks: Sequence[_Task], content: Path, num_processes: int) -> None:
    total = sum(task.unit.num_bytes for task in tasks)
    if num_processes == 1 or total < _WORTH_PROCESSES:
        with byte_progress("preprocess", total) as report:
            done = 0
            for task in tasks:
                _write_shard(task, content)
                done += task.unit.num_bytes
                report(done)
        return
    executor = concurrent.futures.ProcessPoolExecutor(
        min(num_processes, len(tasks)), multiprocessing.get_context("spawn"), follow, (os.getpid(),)
    )
    try:
        pending = {executor.submit(_write_shard, task, content) for task in tasks}
        with byte_progress("preprocess", total) as report:
            while pending:
                finished, pending = concurrent.futures.wait(
                    pending, _POLL_SEC, return_when=concurrent.futures.FIRST_EXCEPTION
                )
                for future in finished:
                    future.result()
                report(min(total, sum(_bytes_so_far(content, task) for task in tasks)))
    except concurrent.futures.process.BrokenProcessPool:
        raise AlgoperfError(
            "A process that wrote shards was killed, maybe because memory ran out. Run the same command again: "
            "it keeps the finished shards."
        ) from None
    finally:
        executor.shutdown(cancel_futures=True)


def _bytes_so_far(content: Path, task: _Task) -> int:
    shard = _shard_path(content, task)
    for path in (shard, _part_path(shard)):
        try:
            return path.stat().st_size
        except FileNotFoundError:
            continue
    return 0


def _shard_path(content: Path, task: _Task) -> Path:
    return content / task.split / shard_name(task.number)


def _part_path(shard: Path) -> Path:
    return shard.with_name(shard.name + ".part")


def _note_path(content: Path, task: _Task) -> Path:
    return content.with_name(_NOTES) / task.split / (shard_name(task.number) + ".npz")


def _write_shard(task: _Task, content: Path) -> None:
    """Write the shard, then the note that marks it as finished."""
    shard = _shard_path(content, task)
    part = _part_path(shard)
    keys: list[str] = []
    lengths: list[int] = []
    fields: dict[str, list[np.generic]] = {}
    with explaining_full_disk(content, task.unit.num_bytes):
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
        _sync(part)
        sha256 = sha256_of(part)
        os.replace(part, shard)
        _write_note(_note_path(content, task), shard, keys, lengths, fields, sha256)


def _write_note(
    path: Path, shard: Path, keys: list[str], lengths: list[int], fields: dict[str, list[np.generic]], sha256: str
) -> None:
    size = shard.stat().st_size
    ends = np.cumsum(np.array(lengths, np.int64)) + (size - sum(lengths))  # after the header of the .npy file
    columns = {f"field_{name}": np.array(values) for name, values in fields.items()}
    part = _part_path(path)
    with part.open("wb") as file:
        np.savez(
            file,
            key=np.array(keys),
            offset=ends - lengths,
            length=np.array(lengths, np.int64),
            sha256=sha256,
            **columns,  # type: ignore[arg-type]  # no column is called allow_pickle
        )
    _sync(part)
    os.replace(part, path)


def _sync(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())


def _finish(content: Path, dataset: str, splits: Mapping[str, Sequence[Unit]]) -> None:
    """Turn the notes into index, fields and manifest."""
    files: dict[str, StoredFile] = {}
    table: dict[str, dict[str, object]] = {}
    for split, units in splits.items():
        arrays, shards = _gather(content, [_Task(split, number, unit) for number, unit in enumerate(units)])
        files |= {f"{split}/{name}": file for name, file in shards.items()}
        for name, array in arrays.items():
            path = content / split / f"{name}.npy"
            np.save(path, array)
            files[f"{split}/{path.name}"] = StoredFile(
                sha256_of(path), path.stat().st_size, array.dtype.str, array.shape
            )
        table[split] = {"num_examples": len(arrays[INDEX]), "fields": sorted(arrays)}
    for path in content.rglob("*"):
        if path.is_file() and str(path.relative_to(content)) not in files:
            path.unlink()  # remains of a half-written shard
    write_manifest(content, dataset, table, files)


def _gather(content: Path, tasks: Sequence[_Task]) -> tuple[dict[str, np.ndarray], dict[str, StoredFile]]:
    """Collect index and fields of one split, and its shards."""
    notes, shards = [], {}
    for task in tasks:
        path = _shard_path(content, task)
        with np.load(_note_path(content, task)) as loaded:
            note = dict(loaded)
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
