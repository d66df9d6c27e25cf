"""Builds large stores: in parallel, and resumable after any interruption.

The work is cut into units, one per shard. Finished shards lie in `.<name>.building` beside the store, each with a
note of its content. A later call reuses those whose units are unchanged. At the end, the form of the units makes splits
of shards and notes, and one rename gives the directory the store's name.
"""

from __future__ import annotations

import concurrent.futures
import concurrent.futures.process
import itertools
import json
import multiprocessing
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from algoperf.data.files import make_directory, open_locked, sync_directory, sync_file, write_file  # fmt: skip
from algoperf.data.publish import sync_tree
from algoperf.data.store.manifest import StoredFile, write_manifest, write_store_files
from algoperf.data.transfer.progress import byte_progress
from algoperf.errors import AlgoperfError, DiskFull, UserError, explaining_full_disk
from algoperf.system import follow
from algoperf.text import counted, format_bytes

_PLAN = "plan.json"
_NOTES = "notes"  # beside the content: needed until the content has the store's name
PARTS = "parts"  # for forms whose shards are not files of the store
_POLL_SEC = 0.2
_WORTH_PROCESSES = 1 << 26  # bytes; for less, starting processes takes longer than the work


class Unit(Protocol):
    """The input of one shard. It is sent to another process. The form says what else it needs."""

    @property
    def num_bytes(self) -> int:
        """Approximate size of the shard."""
        ...

    @property
    def identity(self) -> str:
        """Identifies the content, so that a later call can tell whether the shard is still valid."""
        ...


@dataclass(frozen=True)
class Task:
    """A unit, and its place in its split."""

    split: str
    number: int
    unit: Any


@dataclass(frozen=True)
class Workspace:
    """The folder in which a store is built."""

    directory: Path

    @property
    def content(self) -> Path:
        """What becomes the store."""
        return self.directory / "content"

    def note_path(self, task: Task) -> Path:
        """The note that marks a shard as finished."""
        return self.directory / _NOTES / task.split / f"shard_{task.number:05d}.npz"

    def write_note(self, task: Task, columns: Mapping[str, Any]) -> None:
        """Write the note of a shard that is on disk."""
        path = self.note_path(task)
        part = part_path(path)
        with part.open("wb") as file:
            np.savez(file, **columns)
        sync_file(part)
        os.replace(part, path)

    def read_note(self, task: Task) -> dict[str, np.ndarray]:
        """The columns of a note."""
        with np.load(self.note_path(task)) as loaded:
            return dict(loaded)


@dataclass(frozen=True)
class SplitContent:
    """A finished split: number of examples, names of fields, and its files, by their paths in the store."""

    num_examples: int
    fields: list[str]
    files: dict[str, StoredFile]


class Form(Protocol):
    """What units write: `record_units.RECORDS` or `array_units.ARRAYS`. It is sent to other processes."""

    def is_finished(self, workspace: Workspace, task: Task) -> bool:
        """Whether an earlier call wrote the shard."""
        ...

    def bytes_so_far(self, workspace: Workspace, task: Task) -> int:
        """How much of the shard is written."""
        ...

    def write(self, workspace: Workspace, task: Task) -> None:
        """Write the shard durably, then its note."""
        ...

    def is_begun(self, workspace: Workspace, split: str) -> bool:
        """Whether `finish` has used up shards of the split, so that no other units can be written."""
        ...

    def finish(self, workspace: Workspace, split: str, tasks: Sequence[Task]) -> SplitContent:
        """Make the split of its shards. It may be called again if it was interrupted."""
        ...


def build(
    directory: Path,
    *,
    dataset: str,
    splits: Mapping[str, Sequence[Unit]],
    form: Form,
    num_processes: int,
    other_files: Mapping[str, bytes] | None = None,
) -> None:
    """Make a store of all units at `directory`, and of `other_files` (see `Store.read_file`).

    An exception in a unit ends the call. Finished shards are kept for the next one.
    """
    directory = directory.resolve()
    workspace = Workspace(directory.with_name(f".{directory.name}.building"))
    make_directory(workspace.directory)
    lock = open_locked(workspace.directory / "lock")
    if lock is None:
        raise UserError(f"Another process is building {directory}. Wait until it is done, or end it.")
    with lock, explaining_full_disk(workspace.directory):
        _adopt(workspace, splits, form)
        tasks = {split: [Task(split, *numbered) for numbered in enumerate(units)] for split, units in splits.items()}
        _write_missing(workspace, [task for of_split in tasks.values() for task in of_split], form, num_processes)
        contents = {split: form.finish(workspace, split, of_split) for split, of_split in tasks.items()}
        _finish(workspace.content, dataset, contents, other_files or {})
        sync_tree(workspace.content)
        os.rename(workspace.content, directory)
        sync_directory(directory.parent)
        shutil.rmtree(workspace.directory)


def _adopt(workspace: Workspace, splits: Mapping[str, Sequence[Unit]], form: Form) -> None:
    """Keep the shards of an earlier call whose units are the same; delete what it left otherwise."""
    plan = {split: [unit.identity for unit in units] for split, units in splits.items()}
    path = workspace.directory / _PLAN
    folders = [workspace.content, workspace.directory / _NOTES, workspace.directory / PARTS]
    before = json.loads(path.read_bytes()) if path.exists() else {}
    if before != plan:
        if before.keys() != plan.keys() or any(form.is_begun(workspace, split) for split in plan):
            for folder in folders:
                shutil.rmtree(folder, ignore_errors=True)
        else:
            _forget_changed(workspace, before, plan)
        write_file(path, json.dumps(plan).encode())
    for folder in folders:
        for split in splits:
            (folder / split).mkdir(parents=True, exist_ok=True)


def _forget_changed(workspace: Workspace, before: Mapping[str, list[str]], plan: Mapping[str, list[str]]) -> None:
    """Delete the notes of units that are others now; without a note, a shard is written again."""
    for split, identities in before.items():
        for number, (old, new) in enumerate(itertools.zip_longest(identities, plan[split])):
            if old != new:
                workspace.note_path(Task(split, number, None)).unlink(missing_ok=True)


def _write_missing(workspace: Workspace, tasks: Sequence[Task], form: Form, num_processes: int) -> None:
    missing = [task for task in tasks if not form.is_finished(workspace, task)]
    if len(missing) < len(tasks):
        print(f"{len(tasks) - len(missing)} of {counted(len(tasks), 'shard')} are there already.", flush=True)
    if missing:
        _announce(missing, workspace.directory)
        if num_processes == 1 or sum(task.unit.num_bytes for task in missing) < _WORTH_PROCESSES:
            _write_here(workspace, missing, form)
        else:
            _write_in_processes(workspace, missing, form, num_processes)


def _announce(tasks: Sequence[Task], directory: Path) -> None:
    required, free = sum(task.unit.num_bytes for task in tasks), shutil.disk_usage(directory).free
    print(
        f"Writing {counted(len(tasks), 'shard')}: {format_bytes(required)} of disk space needed, "
        f"{format_bytes(free)} free.",
        flush=True,
    )
    if required > free:
        raise DiskFull(directory, required)


def _write_here(workspace: Workspace, tasks: Sequence[Task], form: Form) -> None:
    with byte_progress("preprocess", sum(task.unit.num_bytes for task in tasks)) as report:
        done = 0
        for task in tasks:
            _write(form, workspace, task)
            done += task.unit.num_bytes
            report(done)


def _write_in_processes(workspace: Workspace, tasks: Sequence[Task], form: Form, num_processes: int) -> None:
    total = sum(task.unit.num_bytes for task in tasks)
    executor = concurrent.futures.ProcessPoolExecutor(
        min(num_processes, len(tasks)), multiprocessing.get_context("spawn"), follow, (os.getpid(),)
    )
    try:
        pending = {executor.submit(_write, form, workspace, task) for task in tasks}
        with byte_progress("preprocess", total) as report:
            while pending:
                finished, pending = concurrent.futures.wait(
                    pending, _POLL_SEC, return_when=concurrent.futures.FIRST_EXCEPTION
                )
                for future in finished:
                    future.result()
                report(min(total, sum(form.bytes_so_far(workspace, task) for task in tasks)))
    except concurrent.futures.process.BrokenProcessPool:
        raise AlgoperfError(
            "A process that wrote shards was killed, maybe because memory ran out. Run the same command again: "
            "it keeps the finished shards."
        ) from None
    finally:
        executor.shutdown(cancel_futures=True)


def _write(form: Form, workspace: Workspace, task: Task) -> None:
    with explaining_full_disk(workspace.directory, task.unit.num_bytes):
        form.write(workspace, task)


def part_path(path: Path) -> Path:
    """Where a shard or note lies while it is being written."""
    return path.with_name(path.name + ".part")


def _finish(
    content: Path, dataset: str, contents: Mapping[str, SplitContent], other_files: Mapping[str, bytes]
) -> None:
    """Remove what an interrupted call left, and write the manifest."""
    files = {name: file for split in contents.values() for name, file in split.files.items()}
    for path in content.rglob("*"):
        if path.is_file() and str(path.relative_to(content)) not in files:
            path.unlink()
    files |= write_store_files(content, other_files)
    table = {split: {"num_examples": made.num_examples, "fields": made.fields} for split, made in contents.items()}
    write_manifest(content, dataset, table, files)
