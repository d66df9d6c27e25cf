"""What can be seen of files without reading them, to learn whether somebody changed them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

Sighting = tuple[int, int, int]
"""Size, number in the file system, and when the file system last noted a change, which no user can set."""


def sightings(folder: Path) -> dict[str, Sighting]:
    """All files in a folder, by their paths within."""
    found = {}
    for place, _, names in os.walk(folder):
        for name in names:
            path = Path(place, name)
            seen = path.stat()
            found[str(path.relative_to(folder))] = (seen.st_size, seen.st_ino, seen.st_ctime_ns)
    return found


def changed(before: Mapping[str, Sighting], folder: Path) -> list[str]:
    """The files that are new, gone or changed since."""
    now = sightings(folder)
    return sorted(name for name in before.keys() | now.keys() if before.get(name) != now.get(name))
