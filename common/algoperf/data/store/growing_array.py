"""`.npy` files that grow row by row, for arrays that do not fit into memory."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np


class GrowingArray:
    """Appends rows to a `.npy` file; dtype and row shape are those of the first rows.

    numpy pads the header so that the count of rows can be corrected in place at the end.
    """

    def __init__(self, path: Path, dtype: np.dtype[Any], row_shape: tuple[int, ...]) -> None:
        if dtype.hasobject:
            raise ValueError(f"{path.name}: arrays of Python objects cannot be stored; dtype is {dtype}")
        self.path, self.dtype, self.row_shape = path, dtype, row_shape
        self.num_rows = 0
        self._file = path.open("wb")
        write_header(self._file, self.dtype, self.shape)
        self._header_bytes = self._file.tell()

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of all rows appended so far."""
        return (self.num_rows, *self.row_shape)

    def append(self, rows: np.ndarray) -> None:
        """Append `rows`, shaped (num_rows, *row_shape)."""
        if rows.dtype != self.dtype or rows.shape[1:] != self.row_shape:
            raise ValueError(
                f"{self.path.name} holds rows of {self.dtype} {self.row_shape}, not {rows.dtype} {rows.shape[1:]}"
            )
        self._file.write(np.ascontiguousarray(rows).data)
        self.num_rows += len(rows)

    def finish(self) -> None:
        """Write the final shape and close."""
        self._file.seek(0)
        write_header(self._file, self.dtype, self.shape)
        assert self._file.tell() == self._header_bytes, "numpy changed the padding of .npy headers"
        self.close()

    def close(self) -> None:
        """Close without completing the file."""
        self._file.close()


class GrowingSplit:
    """The arrays of one split, `<folder>/<field>.npy`: they grow together.

    Attributes:
      fields: the arrays by name; empty before the first rows.
    """

    def __init__(self, folder: Path, split: str) -> None:
        self.fields: dict[str, GrowingArray] = {}
        self._folder, self._split = folder, split

    @property
    def num_rows(self) -> int:
        """How many rows were appended so far."""
        return next(iter(self.fields.values())).num_rows if self.fields else 0

    def append(self, rows: Mapping[str, np.ndarray]) -> None:
        """Append rows; fields, dtypes and row shapes must be those of the first call."""
        counts = {field: len(array) for field, array in rows.items()}
        if len(set(counts.values())) != 1:
            raise ValueError(f"split {self._split!r}: all fields need the same number of examples, not {counts}")
        if not self.fields:
            for field, array in rows.items():
                check_name(field)
                path = self._folder / f"{field}.npy"
                self.fields[field] = GrowingArray(path, array.dtype, array.shape[1:])
        if self.fields.keys() != rows.keys():
            raise ValueError(f"split {self._split!r} has the fields {sorted(self.fields)}, not {sorted(rows)}")
        for field, array in rows.items():
            self.fields[field].append(array)

    def finish(self) -> None:
        """Complete all arrays."""
        for array in self.fields.values():
            array.finish()

    def close(self) -> None:
        """Close all files, complete or not."""
        for array in self.fields.values():
            array.close()


def check_name(name: str) -> None:
    """ValueError if a split or field cannot have this name."""
    if not name.isidentifier():
        raise ValueError(f"{name!r} becomes a file name: use letters, digits and underscores")


def write_header(file: BinaryIO, dtype: np.dtype[Any], shape: tuple[int, ...]) -> None:
    """Write the header of a `.npy` file. Its length does not depend on the number of rows."""
    header = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(file, header)
