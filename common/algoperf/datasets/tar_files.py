"""Tar archives that are the same bytes whenever and by whomever they are made."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Mapping


def tar_of(members: Mapping[str, bytes]) -> bytes:
    """A tar of files, without times or owners."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()
