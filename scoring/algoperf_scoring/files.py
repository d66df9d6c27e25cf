"""Writes text files whole or not at all."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from algoperf.errors import DiskFull, UserError, explaining_full_disk


def write_whole(file: Path, text: str) -> None:
    """Write a file atomically, creating its folder. Raises UserError if that fails."""
    part = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        with explaining_full_disk(file.parent, len(text.encode())):
            file.parent.mkdir(parents=True, exist_ok=True)
            part.write_text(text, encoding="utf-8")
            part.replace(file)
    except DiskFull:
        part.unlink(missing_ok=True)
        raise
    except OSError as error:
        with contextlib.suppress(OSError):
            part.unlink()
        raise UserError(f"Cannot write {file}: {error.strerror}. Choose another place.") from error
