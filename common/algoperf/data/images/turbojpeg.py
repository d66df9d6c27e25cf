"""Decodes parts of a JPEG through the C interface of libjpeg-turbo 3, which saves a quarter of the time.

No Python package offers this. The library comes with the package `turbojpeg` or from the system. If it is
missing, `jpeg.py` decodes whole pictures instead: the pixels are the same.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import importlib.util
from functools import lru_cache
from pathlib import Path

import numpy as np

_DECOMPRESS, _RGB = 1, 0  # values of the library's enumerations
_JPEG_WIDTH, _JPEG_HEIGHT = 5, 6
_FATAL = 1
_START_OF_SCAN = b"\xff\xda"
_ALIGNMENT = 32  # a part must begin at an MCU (block of blocks), which is at most this many pixels wide
_MARGIN = 2  # pixels; smooth chroma upsampling reads the neighbours of a pixel


class _Region(ctypes.Structure):
    _fields_ = [(name, ctypes.c_int) for name in ("x", "y", "w", "h")]


class JpegDecoder:
    """One decoder, for one thread. Methods raise ValueError with the library's message if bytes are not a JPEG."""

    def __init__(self, library: ctypes.CDLL) -> None:
        self._library = library
        self._handle = library.tj3Init(_DECOMPRESS)

    def size(self, data: bytes) -> tuple[int, int]:
        """Height and width."""
        if _START_OF_SCAN not in data:  # for a header without a picture, the library reports success and a stale size
            raise ValueError("its header is incomplete")
        if self._library.tj3DecompressHeader(self._handle, data, len(data)):
            self._check()
        return self._library.tj3Get(self._handle, _JPEG_HEIGHT), self._library.tj3Get(self._handle, _JPEG_WIDTH)

    def part(self, data: bytes, top: int, left: int, height: int, width: int) -> np.ndarray:
        """Decode a part of the picture last passed to `size`: uint8 (height, width, 3)."""
        whole_height = self._library.tj3Get(self._handle, _JPEG_HEIGHT)
        whole_width = self._library.tj3Get(self._handle, _JPEG_WIDTH)
        first_row, first_column = max(0, top - _MARGIN), max(0, left - _MARGIN) // _ALIGNMENT * _ALIGNMENT
        rows = min(whole_height, top + height + _MARGIN) - first_row
        columns = min(whole_width, left + width + _MARGIN) - first_column
        pixels = np.empty((rows, columns, 3), np.uint8)
        region = _Region(first_column, first_row, columns, rows)
        if self._library.tj3SetCroppingRegion(self._handle, region):
            self._check()
        if self._library.tj3Decompress8(self._handle, data, len(data), pixels.ctypes.data, 3 * columns, _RGB):
            self._check()
        down, right = top - first_row, left - first_column
        return pixels[down : down + height, right : right + width]

    def _check(self) -> None:
        """Raise if pixels were lost. Skipped bytes are no error."""
        message = self._library.tj3GetErrorStr(self._handle).decode(errors="replace")
        if self._library.tj3GetErrorCode(self._handle) == _FATAL or "premature end" in message.lower():
            raise ValueError(message)


@lru_cache(maxsize=1)
def decoder() -> JpegDecoder | None:
    """The decoder of this process; None if the library is missing or older than version 3."""
    for path in _candidates():
        try:
            library = ctypes.CDLL(path)
            _declare(library)
        except (OSError, AttributeError):
            continue
        return JpegDecoder(library)
    return None


def _candidates() -> list[str]:
    package = importlib.util.find_spec("turbojpeg")
    bundled = [] if package is None or package.origin is None else Path(package.origin).parent.glob("turbojpeg.libs/*")
    system = ctypes.util.find_library("turbojpeg")
    return [*map(str, bundled), *filter(None, [system])]


def _declare(library: ctypes.CDLL) -> None:
    handle, integer, size = ctypes.c_void_p, ctypes.c_int, ctypes.c_size_t
    for name, result, arguments in (
        ("tj3Init", handle, [integer]),
        ("tj3DecompressHeader", integer, [handle, ctypes.c_char_p, size]),
        ("tj3Get", integer, [handle, integer]),
        ("tj3SetCroppingRegion", integer, [handle, _Region]),
        ("tj3Decompress8", integer, [handle, ctypes.c_char_p, size, ctypes.c_void_p, integer, integer]),
        ("tj3GetErrorStr", ctypes.c_char_p, [handle]),
        ("tj3GetErrorCode", integer, [handle]),
    ):
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
