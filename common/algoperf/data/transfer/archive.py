"""Unpacks archives from the web: completely or not at all, and never outside their directory."""

from __future__ import annotations

import gzip
import posixpath
import shutil
import stat
import tarfile
import zipfile
import zlib
from pathlib import Path, PurePosixPath
from typing import Any

from algoperf.data.publish import publishing
from algoperf.errors import DataError, UserError, explaining_full_disk_below

_TAR_SUFFIXES = (".tar", ".tar.gz", ".tgz")
_CORRUPT = (EOFError, zlib.error, gzip.BadGzipFile, tarfile.TarError, zipfile.BadZipFile)
_CHUNK_BYTES = 1 << 20


def extract(archive: Path, directory: Path) -> None:
    """Unpack a tar, tar.gz, zip, or a single .gz file into `directory`, which must be new or empty.

    A single `x.gz` becomes `directory/x`. Raises DataError if the archive is missing, truncated or corrupt,
    or has a member outside `directory`; nothing is left behind then.
    """
    name = archive.name.lower()
    if not name.endswith((*_TAR_SUFFIXES, ".zip", ".gz")):
        raise UserError(f"Cannot unpack {archive}: not one of {', '.join(_TAR_SUFFIXES)}, .zip, .gz.")
    if not archive.is_file():
        raise DataError(f"{archive} is not there. Run the `download` task (or `miniature`) first.")
    if directory.is_dir() and any(directory.iterdir()):
        raise UserError(f"Cannot unpack into {directory}: it is not empty. Remove it or choose another directory.")
    with publishing(directory) as temporary, explaining_full_disk_below(directory, temporary):
        try:
            if name.endswith(_TAR_SUFFIXES):
                _extract_tar(archive, temporary)
            elif name.endswith(".zip"):
                _extract_zip(archive, temporary)
            else:
                _extract_gz(archive, temporary)
        except _CORRUPT as error:
            reason = str(error).partition("\n")[0].rstrip(":")  # tarfile lists every format it tried
            raise DataError(
                f"{archive} cannot be unpacked, it is truncated or corrupt: {reason}. Delete it and download it again."
            ) from error


def _unsafe(archive: Path, member: str, reason: str) -> DataError:
    return DataError(
        f"{archive} is refused: its member {member!r} {reason}. No known dataset has such a member: delete "
        "the archive and get it from its original source."
    )


def _leaves_tree(path: str) -> bool:
    """Whether a path inside an archive is absolute or climbs above the top."""
    return path.startswith("/") or posixpath.normpath(path).split("/")[0] == ".."


def _extract_tar(archive: Path, directory: Path) -> None:
    links: set[PurePosixPath] = set()
    with tarfile.open(archive, "r:*") as tar:
        for member in tar:
            _check_tar_member(archive, member, links)
            if member.issym():
                links.add(PurePosixPath(posixpath.normpath(member.name)))
            tar.extract(member, directory, **_attributes())
        _check_tar_end(tar)


def _attributes() -> dict[str, Any]:
    """Owners and dangerous modes are not taken over: by tarfile's `data` filter, which Python 3.11 has since 3.11.4."""
    return {"filter": "data"} if hasattr(tarfile, "data_filter") else {"set_attrs": False}


def _check_tar_member(archive: Path, member: tarfile.TarInfo, links: set[PurePosixPath]) -> None:
    """Check more than tarfile's `data` filter, which chains of links have bypassed before."""
    if not (member.isfile() or member.isdir() or member.issym() or member.islnk()):
        raise _unsafe(archive, member.name, "is a device or a pipe")
    if _leaves_tree(member.name):
        raise _unsafe(archive, member.name, "lies outside the archive")
    path = PurePosixPath(posixpath.normpath(member.name))
    if path in links or not links.isdisjoint(path.parents):
        raise _unsafe(archive, member.name, "is written through a link of the same archive")
    if member.issym() and _leaves_tree(posixpath.join(posixpath.dirname(member.name), member.linkname)):
        raise _unsafe(archive, member.name, f"links to {member.linkname!r} outside the archive")
    if member.islnk() and _leaves_tree(member.linkname):
        raise _unsafe(archive, member.name, f"links to {member.linkname!r} outside the archive")


def _check_tar_end(tar: tarfile.TarFile) -> None:
    """Require the end marker: tarfile accepts a file that was cut between two members."""
    file = tar.fileobj
    assert file is not None
    file.seek(tar.offset)
    if len(file.read(tarfile.BLOCKSIZE)) < tarfile.BLOCKSIZE:
        raise tarfile.ReadError("the end marker is missing")
    while file.read(_CHUNK_BYTES):
        pass  # read to the end of the compressed stream, where its checksum is


def _extract_zip(archive: Path, directory: Path) -> None:
    with zipfile.ZipFile(archive) as opened:
        for member in opened.infolist():
            if _leaves_tree(member.filename) or "\\" in member.filename or ":" in member.filename:
                raise _unsafe(archive, member.filename, "lies outside the archive")
            if stat.S_ISLNK(member.external_attr >> 16):
                raise _unsafe(archive, member.filename, "is a link")
            opened.extract(member, directory)  # checks the member's checksum


def _extract_gz(archive: Path, directory: Path) -> None:
    with gzip.open(archive, "rb") as source, (directory / archive.stem).open("wb") as target:
        shutil.copyfileobj(source, target, _CHUNK_BYTES)
