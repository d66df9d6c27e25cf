"""Makes reproducible tar and zip archives, the same bytes at any time, for any user; and writes those of miniatures."""

from __future__ import annotations

import io
import tarfile
import zipfile
from collections.abc import Mapping
from pathlib import Path

from algoperf.data.files import make_directory, write_file
from algoperf.errors import UserError

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


def write_archives(raw_dir: Path, contents: Mapping[str, bytes]) -> None:
    """Write the files of a miniature. UserError if other files have their names."""
    make_directory(raw_dir)
    for name, content in contents.items():
        path = raw_dir / name
        if path.exists() and (path.stat().st_size != len(content) or path.read_bytes() != content):
            raise UserError(
                f"{path} holds something else than the miniature dataset; it may be a real download. Choose another "
                "raw data directory, or remove it."
            )
        write_file(path, content)
