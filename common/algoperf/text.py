"""Times, paths and settings in messages, for people."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any


def hours(value: float) -> str:
    """A time that is given in hours: `12.0 h`, `4.7 min`, `3.0 s`."""
    if value >= 1:
        return f"{value:,.1f} h"
    return f"{value * 60:.1f} min" if value * 60 >= 1 else f"{value * 3600:.1f} s"


def typed(path: Path) -> str:
    """A path as it would be typed here: relative to the current folder if it lies below it."""
    absolute, here = path.absolute(), Path.cwd()
    return shlex.quote(str(absolute.relative_to(here) if absolute.is_relative_to(here) else absolute))


def setting_in_words(value: Any) -> str:
    """A setting in a message: as Python writes it, but hashes with the first 12 of their 64 digits."""
    is_hash = isinstance(value, str) and re.fullmatch(r"[0-9a-f]{64}", value)
    return repr(value[:12] if is_hash else value)
