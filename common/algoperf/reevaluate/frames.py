"""Messages between two processes: a kind, a length, and bytes."""

from __future__ import annotations

import struct
from typing import BinaryIO

ARRAYS, ERROR = b"A", b"E"
_HEADER = struct.Struct("<cQ")


def write_frame(stream: BinaryIO, kind: bytes, content: bytes) -> None:
    """Send one message."""
    stream.write(_HEADER.pack(kind, len(content)))
    stream.write(content)
    stream.flush()


def read_frame(stream: BinaryIO) -> tuple[bytes, bytes] | None:
    """Receive one message; None at the end of the stream, also if that comes within a message."""
    header = stream.read(_HEADER.size)
    if len(header) < _HEADER.size:
        return None
    kind, length = _HEADER.unpack(header)
    content = stream.read(length)
    return (kind, content) if len(content) == length else None
