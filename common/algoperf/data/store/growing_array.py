"""A `.npy` file that grows row by row, for arrays that do not fit into memory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

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
        self._write_header()
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
        self._write_header()
        assert self._file.tell() == self._header_bytes, "numpy changed the padding of .npy headers"
        self.close()

    def close(self) -> None:
        """Close without completing the file."""
        self._file.close()

    def _write_header(self) -> None:
        header = {
            "descr": np.lib.format.dtype_to_descr(self.dtype),
            "fortran_order": False,
            "shape": self.shape,
        }
        np.lib.format.write_array_header_1_0(self._file, header)
