"""The raw files of fastMRI: where they come from, and how they are found and unpacked.

Its agreement is between its owner and the user, who gets links that expire. They may be given in a text file, or the
archives may be fetched by hand. Archives are unpacked once, file by file: an interrupted call goes on where it stopped.
"""

from __future__ import annotations

import gzip
import lzma
import os
import re
import shutil
import tarfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, BinaryIO

from algoperf.data.files import make_directory, sync_directory, write_file
from algoperf.data.transfer.download import RemoteFile, announced_size, download
from algoperf.data.transfer.progress import byte_progress
from algoperf.errors import DataError, DiskFull, explaining_full_disk
from algoperf.text import format_bytes

PARTS = ("train", "val")
"""The archives that are used. The third, `knee_singlecoil_test`, has no ground truth."""
LINKS = "links.txt"
_SUFFIXES = (".tar.xz", ".tar.gz", ".tgz", ".tar")
_URL = re.compile(r"""https?://[^\s"'<>]+""")
_CORRUPT = (EOFError, lzma.LZMAError, zlib.error, gzip.BadGzipFile, tarfile.TarError)
_CHUNK_BYTES = 1 << 22
_GROWTH = 1.3  # unpacked size over that of the archive, about
_DONE = "unpacked.txt"  # names the archive that a folder was unpacked from


def archive_name(part: str) -> str:
    """The name of an archive without suffix, and of the folder in it."""
    return f"knee_singlecoil_{part}"


def fetch(raw_dir: Path) -> None:
    """Fetch what `links.txt` has links for. DataError, saying where to get each file, if something is missing."""
    text = (raw_dir / LINKS).read_text(errors="replace") if (raw_dir / LINKS).is_file() else ""
    for part in PARTS:
        link = _link(text, part)
        if _find(raw_dir, part) is None and link is not None:
            url, name = link
            download([RemoteFile(url, name, announced_size(url, name), None)], raw_dir)
    missing = [part for part in PARTS if _find(raw_dir, part) is None]
    if missing:
        raise _missing(raw_dir, missing)


def _link(text: str, part: str) -> tuple[str, str] | None:
    """The first address in a text that ends in an archive of the part, and the archive's name."""
    for url in _URL.findall(text):
        name = url.partition("?")[0].rpartition("/")[2]
        if name in (archive_name(part) + suffix for suffix in _SUFFIXES):
            return url, name
    return None


def _missing(raw_dir: Path, parts: list[str]) -> DataError:
    volumes = {"train": 973, "val": 199}
    lines = "".join(f"\n  missing   {archive_name(part)}.tar.xz: {volumes[part]} volumes" for part in parts)
    return DataError(
        "fastMRI cannot be fetched for you: its agreement is between you and NYU Langone Health. Fill in the form at "
        "https://fastmri.med.nyu.edu/ for the single-coil knee data. The answer has a link for each archive:"
        f"{lines}\nEither write the links into {raw_dir / LINKS}, and run the same command again: it fetches them. Or "
        f"fetch the archives yourself, and put them (or symbolic links) into {raw_dir}. Archives may end in "
        f"{', '.join(_SUFFIXES)}, or be unpacked: folders {' and '.join(map(archive_name, PARTS))} with .h5 files. The "
        "archive knee_singlecoil_test is not needed. Needed in all: about 90 GB for the archives; for preprocessing "
        "115 GB more to unpack them, which is freed at the end, and 53 GB for the store."
    )


def _find(raw_dir: Path, part: str) -> Path | None:
    """The unpacked folder of a part if it is there, else its archive."""
    name = archive_name(part)
    folders = [folder for folder in (raw_dir / name, raw_dir / f"singlecoil_{part}") if folder.is_dir()]
    archives = [path for suffix in _SUFFIXES if (path := raw_dir / f"{name}{suffix}").is_file()]
    return next(iter([*folders, *archives]), None)


def volume_folder(raw_dir: Path, part: str, workspace: Path) -> Path:
    """The folder that holds the volumes of a part; if there is only an archive, it is unpacked into the workspace.

    DataError if neither is there, or if the archive is damaged.
    """
    found = _find(raw_dir, part)
    if found is None:
        raise _missing(raw_dir, [part])
    if found.is_dir():
        return found
    folder = workspace / part
    _unpack(found, folder)
    return folder


def _unpack(archive: Path, folder: Path) -> None:
    state = archive.stat()
    source = f"{archive.name} {state.st_size} {state.st_mtime_ns}"
    done, begun = folder / _DONE, folder / f"{_DONE}.begun"
    if done.is_file() and done.read_text() == source:
        return
    if not (begun.is_file() and begun.read_text() == source):
        shutil.rmtree(folder, ignore_errors=True)
        make_directory(folder)
        write_file(begun, source.encode())
    there = sum(path.stat().st_size for path in folder.glob("*.h5"))
    required, free = max(0, round(state.st_size * _GROWTH) - there), shutil.disk_usage(folder).free
    print(
        f"Unpacking {archive.name}: about {format_bytes(required)} of disk space needed, {format_bytes(free)} free.",
        flush=True,
    )
    if required > free:
        raise DiskFull(folder, required)
    try:
        with explaining_full_disk(folder):
            _unpack_volumes(archive, folder)
    except _CORRUPT as error:
        raise DataError(
            f"{archive} cannot be unpacked, it is truncated or corrupt: {error}. Delete it and fetch it again."
        ) from error
    write_file(done, source.encode())


def _unpack_volumes(archive: Path, folder: Path) -> None:
    """Write each volume under its own name when it is complete; those that are there are skipped."""
    seen: set[str] = set()
    with archive.open("rb") as raw, byte_progress(archive.name, archive.stat().st_size) as report:
        stream = _decompressed(raw)
        with tarfile.open(fileobj=stream, mode="r|") as tar:
            for member, name in _volumes(tar):
                if name in seen:
                    raise DataError(f"{archive} holds {name} twice. Fetch it again from its source.")
                seen.add(name)
                target = folder / name
                if not (target.is_file() and target.stat().st_size == member.size):
                    content = tar.extractfile(member)
                    assert content is not None, "it is a file"
                    _write(content, target)
                report(raw.tell())
        while stream.read(_CHUNK_BYTES):
            pass  # to the end of the compressed stream, where its checksum is
    sync_directory(folder)


def _volumes(tar: tarfile.TarFile) -> Iterator[tuple[tarfile.TarInfo, str]]:
    """The volumes of an archive, each with its name without folders."""
    for member in tar:
        name = member.name.rpartition("/")[2]
        if member.isfile() and is_volume(name):
            yield member, name


def is_volume(name: str) -> bool:
    """Whether a file is a volume; hidden files, which some systems add, are not."""
    return name.endswith(".h5") and not name.startswith(".")


def _decompressed(raw: BinaryIO) -> BinaryIO:
    """What an archive holds. Its first bytes tell its format; its name may be wrong."""
    start = raw.read(6)
    raw.seek(0)
    if start == b"\xfd7zXZ\x00":
        return lzma.open(raw)  # type: ignore[return-value]  # it reads bytes
    if start[:2] == b"\x1f\x8b":
        return gzip.open(raw)  # type: ignore[return-value]
    return raw


def _write(content: IO[bytes], target: Path) -> None:
    part = target.with_name(target.name + ".part")
    with part.open("wb") as file:
        shutil.copyfileobj(content, file, _CHUNK_BYTES)
        file.flush()
        os.fsync(file.fileno())
    os.replace(part, target)
