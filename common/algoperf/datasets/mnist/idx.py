"""IDX, the file format of MNIST: a magic number, big-endian dimensions, then the values row by row.

    00 00 <type> <number of dimensions>   <dimension, 4 bytes> ...   <values>

Only type 08, unsigned bytes, is read and written. Files are compressed with gzip.
"""

from __future__ import annotations

import gzip
import math
import struct
import zlib
from pathlib import Path

import numpy as np

from algoperf.errors import DataError

_COMPRESSION = 1  # generated pictures: the highest level takes 17 times as long for 6 % less
_UNSIGNED_BYTE = 0x08


def encode_idx(array: np.ndarray) -> bytes:
    """A uint8 array as a gzip-compressed IDX file; the same bytes every time."""
    if array.dtype != np.uint8:
        raise ValueError(f"only uint8 arrays can be written, not {array.dtype}")
    header = struct.pack(f">HBB{array.ndim}I", 0, _UNSIGNED_BYTE, array.ndim, *array.shape)
    return gzip.compress(header + array.tobytes(), _COMPRESSION, mtime=0)


def read_idx(path: Path, row_shape: tuple[int, ...]) -> np.ndarray:
    """Read uint8 (N, *row_shape) from a gzip-compressed IDX file.

    Raises DataError if the file is missing, truncated or corrupt, or holds arrays of another shape.
    """
    if not path.is_file():
        raise DataError(f"{path} is not there. Run the `download` task first, or check the raw data directory.")
    try:
        content = gzip.decompress(path.read_bytes())
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise _corrupt(path, str(error)) from error
    num_dimensions = 1 + len(row_shape)
    header_bytes = 4 * (1 + num_dimensions)
    if len(content) < header_bytes:
        raise _corrupt(path, f"only {len(content)} bytes, its header alone has {header_bytes}")
    zero, kind, found_dimensions, *shape = struct.unpack_from(f">HBB{num_dimensions}I", content)
    if (zero, kind, found_dimensions) != (0, _UNSIGNED_BYTE, num_dimensions):
        raise _corrupt(path, f"magic number {content[:4].hex()}, expected 0000{_UNSIGNED_BYTE:02x}{num_dimensions:02x}")
    if tuple(shape[1:]) != row_shape:
        raise _corrupt(path, f"rows of shape {tuple(shape[1:])}, expected {row_shape}")
    if len(content) - header_bytes != math.prod(shape):
        raise _corrupt(path, f"{len(content) - header_bytes} bytes of values, expected {math.prod(shape)}")
    return np.frombuffer(content, np.uint8, offset=header_bytes).reshape(shape)


def _corrupt(path: Path, what: str) -> DataError:
    return DataError(f"{path} is truncated or corrupt: {what}. Delete it and run the `download` task again.")
