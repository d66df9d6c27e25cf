"""The part of a file that has been downloaded so far."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from types import TracebackType
from typing import Self

from algoperf.data.files import explaining_refusal, open_locked, sync_directory
from algoperf.errors import UserError, explaining_full_disk

_READ_BYTES = 1 << 20


class PartialFile:
    """`<name>.part` beside its target. It is hashed while it grows, and gets the target's name at the end.

    Writes are unbuffered: once `append` returns, the bytes survive a kill. The file is locked, because two processes
    downloading the same file would mix their bytes. Beside it, `<name>.part.validator` keeps the server's version
    (ETag or date) of the bytes.
    """

    def __init__(self, target: Path, num_bytes: int) -> None:
        self._target, self._num_bytes = target, num_bytes
        self._path = target.with_name(target.name + ".part")
        self._validator_path = target.with_name(target.name + ".part.validator")
        self.size = 0  # bytes

    def __enter__(self) -> Self:
        with explaining_refusal(self._path):
            file = open_locked(self._path)
        if file is None:
            raise UserError(
                f"Another process is fetching {self._target} (it holds {self._path.name}). Wait until it is "
                "done, or end it and run the same command again."
            )
        self._file = file
        self._hash = hashlib.sha256()
        while chunk := file.read(_READ_BYTES):
            self._hash.update(chunk)
            self.size += len(chunk)
        if self.size > self._num_bytes:
            self.restart()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._file:
            if error is not None and self.size == 0:  # nothing that a next call could go on from
                self.discard()

    @property
    def path(self) -> Path:
        """Where the bytes so far lie."""
        return self._path

    @property
    def sha256(self) -> str:
        """Hexadecimal SHA-256 of the bytes so far."""
        return self._hash.hexdigest()

    @property
    def validator(self) -> str | None:
        """The `If-Range` value that makes the server continue this version only; None if unknown."""
        try:
            return self._validator_path.read_text(encoding="latin-1") or None
        except FileNotFoundError:
            return None

    @validator.setter
    def validator(self, value: str | None) -> None:
        with explaining_full_disk(self._target.parent, self._num_bytes - self.size):
            self._validator_path.write_text(value or "", encoding="latin-1")

    def append(self, chunk: bytes) -> None:
        """Write and hash more bytes. DataError if the disk is full; the bytes that fitted are kept."""
        rest = memoryview(chunk)
        while rest:
            with explaining_full_disk(self._target.parent, self._num_bytes - self.size):
                written = self._file.write(rest)  # fewer than requested if the disk fills up
            self._hash.update(rest[:written])
            self.size += written
            rest = rest[written:]

    def restart(self) -> None:
        """Drop all bytes and start over."""
        if self.size:
            self._file.seek(0)
            self._file.truncate()
        self._hash = hashlib.sha256()
        self.size = 0
        self._validator_path.unlink(missing_ok=True)

    def publish(self) -> None:
        """Sync to disk, then rename to the target in one step."""
        with explaining_full_disk(self._target.parent):
            os.fsync(self._file.fileno())
        os.replace(self._path, self._target)
        self._validator_path.unlink(missing_ok=True)
        sync_directory(self._target.parent)

    def discard(self) -> None:
        """Delete the partial file."""
        self.restart()
        self._path.unlink(missing_ok=True)
