"""Makes reproducible tar and zip archives: the same bytes at any time, for any user."""

from __future__ import annotations

import io
import tarfile
import zipfile
from collections.abc import Mapping

_DATE = (1980, 1, 1, 0, 0, 0)  # the earliest date in a zip


def tar_of(members: Mapping[str, bytes]) -> bytes:
    """Make a tar of files, without times or owners."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def zip_of(members: Mapping[str, bytes]) -> bytes:
    """Make a zip of already compressed files, without times."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(name, _DATE), content)
    return buffer.getvalue()
