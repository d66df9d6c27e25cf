"""Publishes directories atomically: complete or not at all."""

from __future__ import annotations

import errno
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from algoperf.data.files import explaining_refusal, make_directory, open_locked, sync_directory
from algoperf.errors import UserError


@contextmanager
def publishing(directory: Path) -> Iterator[Path]:
    """Yield an empty directory to fill; on success it becomes `directory`, on failure nothing remains.

    It is published with one rename, after everything is synced to disk. If another process published the same
    directory in the meantime, its version stays and ours is discarded. The next call for the same directory
    removes leftovers of killed runs, but not those of live processes. Raises UserError if
    `directory` can never be renamed into place (a file, a mount point).
    """
    directory = directory.resolve()  # a rename would replace a symbolic link instead of following it
    _check_replaceable(directory)
    make_directory(directory.parent)
    _remove_leftovers(directory)
    workspace, lock = _make_workspace(directory)
    try:
        content = workspace / "content"
        content.mkdir()
        yield content
        sync_tree(content)
        _rename(content, directory)
    finally:
        shutil.rmtree(workspace, ignore_errors=True)
        lock.close()


def _check_replaceable(directory: Path) -> None:
    if directory.exists() and not directory.is_dir():
        raise UserError(f"{directory} is a file, but a directory is to be written. Remove it or choose another.")
    if directory.is_mount():
        raise UserError(
            f"{directory} is a mount point, which cannot be put into place in one step. Choose a directory inside it."
        )


def _workspace_prefix(directory: Path) -> str:
    return f".{directory.name}.unpublished-"


def _make_workspace(directory: Path) -> tuple[Path, BinaryIO]:
    """Make a sibling of `directory` and lock it. Holding the lock shows other processes that we are alive."""
    while True:
        workspace = directory.with_name(_workspace_prefix(directory) + secrets.token_hex(8))
        with explaining_refusal(directory):
            workspace.mkdir()
        try:
            lock = open_locked(workspace / "lock")
        except FileNotFoundError:
            continue  # another process saw it unlocked, mistook it for a leftover and removed it
        if lock is not None:
            return workspace, lock


def _remove_leftovers(directory: Path) -> None:
    prefix = _workspace_prefix(directory)
    for workspace in directory.parent.iterdir():
        if not workspace.name.startswith(prefix):
            continue
        try:
            lock = open_locked(workspace / "lock")
        except OSError:
            continue  # just removed by its owner, or owned by another user
        if lock is not None:
            shutil.rmtree(workspace, ignore_errors=True)
            lock.close()


def sync_tree(directory: Path) -> None:
    """Wait until every file and directory below `directory` is on disk."""
    for parent, _, names in os.walk(directory):
        for name in names:
            path = Path(parent, name)
            if path.is_symlink():
                continue  # a link has no content to sync
            with path.open("rb") as file:
                os.fsync(file.fileno())
        sync_directory(Path(parent))


def _rename(content: Path, directory: Path) -> None:
    try:
        os.rename(content, directory)  # replaces an empty directory, refuses any other
    except OSError as error:
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
            raise
        print(f"{directory} was written by another process in the meantime; keeping that one.", flush=True)
        return
    sync_directory(directory.parent)
