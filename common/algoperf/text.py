"""Numbers, times, paths and settings in messages, for people."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any


def counted(number: float, one: str, many: str | None = None) -> str:
    """A number and its noun, such as "1 run" and "2,000 runs"; `many` if the plural is not `one` with an s.

    Numbers from files may be fractions, which are rounded, or infinite.
    """
    shown = f"{number:,}" if isinstance(number, int) else f"{number:,.0f}"
    return f"{shown} {one if shown == '1' else many or f'{one}s'}"


def format_bytes(num_bytes: float) -> str:
    """Human-readable, such as `9.9 MB`, in decimal units as used for disks and networks."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if abs(num_bytes) < 1000:
            return f"{num_bytes:.0f} {unit}" if unit == "bytes" else f"{num_bytes:.1f} {unit}"
        num_bytes /= 1000
    return f"{num_bytes:.1f} TB"


def duration(seconds: float) -> str:
    """Seconds for people: `4.2 s`, `95 s`, `12 min`, `3.4 h`."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:,.1f} h"


def typed(path: Path) -> str:
    """A path as it would be typed here: relative to the current folder if it lies below it."""
    absolute, here = path.absolute(), Path.cwd()
    return shlex.quote(str(absolute.relative_to(here) if absolute.is_relative_to(here) else absolute))


def fate(name: str, before: Any, after: Any, since: str = "since") -> str | None:
    """What has become of a file or the like that is known by its SHA-256, None where it is missing.

    None if these are no hashes: then the values themselves say it. Of hashes, nobody can tell what has changed.
    """
    if not any(isinstance(value, str) and re.fullmatch(r"[0-9a-f]{64}", value) for value in (before, after)):
        return None
    if after is None:
        return f"{name} is gone"
    return f"{name} has {'come' if before is None else 'changed'} {since}"
