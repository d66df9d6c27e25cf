"""A csv file that grows by whole rows and survives crashes."""

from __future__ import annotations

import csv
import hashlib
import io
import os
from collections.abc import Mapping
from io import FileIO
from pathlib import Path
from typing import Any

from algoperf.data.files import sha256_of, write_file
from algoperf.errors import DiskFull, explaining_full_disk


class CsvFile:
    """A csv file to which each row is appended by one system call.

    The first row decides the columns. Columns that appear later are added on the right; for that the file is replaced
    atomically. A row that a crash cut off is dropped on opening: it was never acknowledged.
    """

    def __init__(self, path: Path, keeps_content: bool = False) -> None:
        """With `keeps_content`, what was written stays in memory, so that it can be restored."""
        self._path = path
        self._columns: list[str] = []
        self._digest = hashlib.sha256()
        self._is_there = self._was_changed = False
        self._content = bytearray() if keeps_content else None
        if path.exists():
            self._drop_torn_row()
            with path.open(newline="") as file:
                self._columns = next(csv.reader(file), [])
            self._note(path.read_bytes(), afresh=True)

    def append(self, row: Mapping[str, Any], durable: bool = True) -> None:
        """Append one row. Missing columns stay empty.

        The row survives if this process is killed; a `durable` one survives a crash of the machine too.
        """
        new = sorted(set(row) - set(self._columns))
        if new:
            self._widen(new)
        text = self._text([row.get(column, "") for column in self._columns])
        with explaining_full_disk(self._path.parent, len(text)), self._appending() as file:
            if file.write(text) != len(text):
                self._drop_torn_row()
                raise DiskFull(self._path.parent, len(text))
            self._note(text)
            if durable:
                os.fsync(file.fileno())

    def _appending(self) -> FileIO:
        """The file, opened to append; OSError if it is a link, which would lead to a file of somebody else."""
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW
        return FileIO(os.open(self._path, flags, 0o666), "a")

    def rows(self) -> list[dict[str, str]]:
        """All rows that were found and written, as text by column name.

        What others add to the file is none of them, but in a file whose content is not kept, nobody can tell.
        """
        if self._content is not None:
            return list(csv.DictReader(io.StringIO(self._content.decode(errors="replace"), newline="")))
        return self.read(self._path) if self._is_there else []

    @staticmethod
    def read(path: Path) -> list[dict[str, str]]:
        """The rows of a file, without changing it; none if it does not exist."""
        if not path.exists():
            return []
        with path.open(newline="") as file:
            return list(csv.DictReader(file))

    @property
    def sha256(self) -> str:
        """Hexadecimal SHA-256 of what was found and written."""
        return self._digest.hexdigest()

    def was_changed(self) -> bool:
        """Whether the file was once not what was found and written: somebody else wrote to it, or removed it."""
        found = sha256_of(self._path) if self._path.is_file() else None
        self._was_changed |= found != (self.sha256 if self._is_there else None)
        return self._was_changed

    def restore(self) -> None:
        """Write what was found and written once more; only if the content was kept."""
        if self._content is not None and self._is_there:
            write_file(self._path, bytes(self._content))
        elif self._content is not None:
            self._path.unlink(missing_ok=True)

    def _note(self, text: bytes, afresh: bool = False) -> None:
        if afresh:
            self._digest = hashlib.sha256()
            if self._content is not None:
                self._content.clear()
        self._digest.update(text)
        self._is_there = True
        if self._content is not None:
            self._content += text

    def _replace(self, lines: list[list[Any]]) -> None:
        content = b"".join(self._text(line) for line in lines)
        write_file(self._path, content)
        self._note(content, afresh=True)

    def _widen(self, new: list[str]) -> None:
        self.was_changed()  # what others did goes with the old file
        rows = self.rows()
        columns = [*self._columns, *new]
        self._replace([columns, *([row.get(column, "") for column in columns] for row in rows)])
        self._columns = columns

    def _drop_torn_row(self) -> None:
        content = self._path.read_bytes()
        if content and not content.endswith(b"\n"):
            os.truncate(self._path, content.rfind(b"\n") + 1)

    def keep_first(self, num_rows: int, copy: Path) -> None:
        """Keep only the first rows; the file is copied to `copy` before."""
        rows = self.rows()[:num_rows]
        write_file(copy, self._path.read_bytes())
        self._replace([self._columns, *([row[column] for column in self._columns] for row in rows)])

    @staticmethod
    def _text(values: list[Any]) -> bytes:
        line = io.StringIO()
        # One row is one line: otherwise a torn row could not be recognised.
        plain = [" ".join(value.splitlines()) if isinstance(value, str) else value for value in values]
        csv.writer(line, lineterminator="\n").writerow(plain)
        return line.getvalue().encode()
