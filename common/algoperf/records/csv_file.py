"""A csv file that grows by whole rows and survives crashes."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from algoperf.data.files import write_file
from algoperf.errors import DiskFull, explaining_full_disk


class CsvFile:
    """A csv file to which each row is appended by one system call.

    The first row decides the columns. Columns that appear later are added on the right; for that the file is replaced
    atomically. A row that a crash cut off is dropped on opening: it was never acknowledged.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._columns: list[str] = []
        if path.exists():
            self._drop_torn_row()
            with path.open(newline="") as file:
                self._columns = next(csv.reader(file), [])

    def append(self, row: Mapping[str, Any], durable: bool = True) -> None:
        """Append one row. Missing columns stay empty.

        The row survives if this process is killed; a `durable` one survives a crash of the machine too.
        """
        new = sorted(set(row) - set(self._columns))
        if new:
            self._widen(new)
        text = self._text([row.get(column, "") for column in self._columns])
        with explaining_full_disk(self._path.parent, len(text)), self._path.open("ab", buffering=0) as file:
            if file.write(text) != len(text):
                self._drop_torn_row()
                raise DiskFull(self._path.parent, len(text))
            if durable:
                os.fsync(file.fileno())

    def rows(self) -> list[dict[str, str]]:
        """All rows, as text by column name."""
        return self.read(self._path)

    @staticmethod
    def read(path: Path) -> list[dict[str, str]]:
        """The rows of a file, without changing it; none if it does not exist."""
        if not path.exists():
            return []
        with path.open(newline="") as file:
            return list(csv.DictReader(file))

    def _widen(self, new: list[str]) -> None:
        rows = self.rows()
        self._columns += new
        lines = [self._columns, *([row.get(column, "") for column in self._columns] for row in rows)]
        write_file(self._path, b"".join(self._text(line) for line in lines))

    def _drop_torn_row(self) -> None:
        content = self._path.read_bytes()
        if content and not content.endswith(b"\n"):
            os.truncate(self._path, content.rfind(b"\n") + 1)

    def keep_first(self, num_rows: int, copy: Path) -> None:
        """Keep only the first rows; the file is copied to `copy` before."""
        rows = self.rows()[:num_rows]
        write_file(copy, self._path.read_bytes())
        lines = [self._columns, *([row[column] for column in self._columns] for row in rows)]
        write_file(self._path, b"".join(self._text(line) for line in lines))

    @staticmethod
    def _text(values: list[Any]) -> bytes:
        line = io.StringIO()
        # One row is one line: otherwise a torn row could not be recognised.
        plain = [" ".join(value.splitlines()) if isinstance(value, str) else value for value in values]
        csv.writer(line, lineterminator="\n").writerow(plain)
        return line.getvalue().encode()
