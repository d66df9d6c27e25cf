"""Changes tables inside a zip archive."""

from __future__ import annotations

import csv
import gzip
import io
import zipfile
from collections.abc import Callable
from pathlib import Path

from algoperf.datasets.archives import zip_of

Rows = list[list[str]]


def rewritten(archive: Path, target: Path, member: str, change: Callable[[Rows], Rows | None]) -> None:
    """Copy an archive with one compressed table changed; None leaves it out."""
    with zipfile.ZipFile(archive) as file:
        members = {name: file.read(name) for name in file.namelist()}
    rows = change(list(csv.reader(io.StringIO(gzip.decompress(members.pop(member)).decode()))))
    if rows is not None:
        members[member] = gzip.compress("".join(",".join(row) + "\n" for row in rows).encode(), mtime=0)
    target.write_bytes(zip_of(members))
