"""Small tools for files that must survive crashes, full disks and other processes."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from algoperf.errors import UserError, explaining_full_disk

_REFUSED = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOENT, errno.ENOTDIR, errno.EEXIST)


def sha256_of(path: Path) -> str:
    """Hexadecimal SHA-256 of a file's content."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def make_directory(directory: Path) -> None:
    """Make a directory and its parents; UserError if the system refuses."""
    with explaining_refusal(directory):
        directory.mkdir(parents=True, exist_ok=True)


def sync_directory(directory: Path) -> None:
    """Sync `directory`, so that renames and new files in it survive a power failure."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_file(path: Path) -> None:
    """Wait until the content of a file is on disk."""
    with path.open("rb") as file:
        os.fsync(file.fileno())


def write_file(path: Path, content: bytes) -> None:
    """Write a small file durably: `path` holds either its old content or all of `content`."""
    part = path.with_name(path.name + ".part")
    with explaining_full_disk(path.parent, len(content)), explaining_refusal(path):
        try:
            with part.open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
        except OSError:
            part.unlink(missing_ok=True)  # half of it must not keep the disk full
            raise
        os.replace(part, path)
        sync_directory(path.parent)


def open_locked(path: Path) -> BinaryIO | None:
    """Open (or make) `path` unbuffered and lock it for this process; None while another one holds it.

    The kernel drops the lock when the file is closed, even if its process is killed. So if the lock is free, its
    owner is gone.
    """
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # The previous owner may have renamed or removed the file between our open and our lock.
            current = path.exists() and os.path.samestat(os.fstat(descriptor), path.stat())
        except BlockingIOError:
            os.close(descriptor)
            return None
        except BaseException:
            os.close(descriptor)
            raise
        if current:
            return open(descriptor, "r+b", buffering=0)
        os.close(descriptor)


@contextmanager
def explaining_refusal(path: Path) -> Iterator[None]:
    """Turn the system's error from creating `path` into a UserError."""
    try:
        yield
    except OSError as error:
        if error.errno not in _REFUSED:
            raise
        raise UserError(f"Cannot write {path}: {error.strerror}. Choose a directory where you may write.") from error
