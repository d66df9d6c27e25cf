"""Times and paths in messages, for people."""

from __future__ import annotations

import shlex
from pathlib import Path


def hours(value: float) -> str:
    """A time that is given in hours: `12.0 h`, `4.7 min`, `3.0 s`."""
    if value >= 1:
        return f"{value:,.1f} h"
    return f"{value * 60:.1f} min" if value * 60 >= 1 else f"{value * 3600:.1f} s"


def typed(path: Path) -> str:
    """A path as it would be typed here: relative to the current folder if it lies below it."""
    absolute, here = path.absolute(), Path.cwd()
    return shlex.quote(str(absolute.relative_to(here) if absolute.is_relative_to(here) else absolute))
