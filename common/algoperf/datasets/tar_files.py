"""Makes reproducible tar archives: the same bytes at any time, for any user."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Mapping


def tar_of(members: Mapping[str, bytes]) -> bytes:
    """Make a tar of files, without times or owners."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()
