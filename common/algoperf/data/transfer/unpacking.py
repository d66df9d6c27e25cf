"""Unpacks archives beside the store that is made of them, and removes what was unpacked when the store is there.

Never into the raw folder: it may be read-only, as it is in containers.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from algoperf.data.files import make_directory, write_file
from algoperf.data.transfer.archive import extract
from algoperf.errors import DataError, DiskFull
from algoperf.text import counted, format_bytes


@contextmanager
def workspace(data_dir: Path) -> Iterator[Path]:
    """A hidden folder beside a store, `.<name>.unpacked`.

    It is removed if the block ends without an error. Otherwise what is in it stays, and the next call finds it.
    """
    folder = data_dir.resolve().with_name(f".{data_dir.name}.unpacked")
    make_directory(folder)
    yield folder
    shutil.rmtree(folder)


@contextmanager
def unpacked(archives: Mapping[str, Path], data_dir: Path, growth: float = 1.0) -> Iterator[Path]:
    """A `workspace` with the content of each archive in a folder named by its key, completely or not at all.

    Args:
      archives: by name of their folders; those that were unpacked before may be gone. A file that has changed since is
        unpacked anew.
      data_dir: the store that is made.
      growth: size of what is unpacked over that of the archives, about.

    Raises DataError if an archive is missing or damaged, DiskFull before anything is unpacked.
    """
    with workspace(data_dir) as folder:
        missing = {name: archive for name, archive in archives.items() if not _is_there(folder, name, archive)}
        for archive in missing.values():
            if not archive.is_file():
                raise DataError(
                    f"{archive} is not there. Run the `download` task first, or check the raw data directory."
                )
        _require_space(folder, len(missing), round(growth * sum(each.stat().st_size for each in missing.values())))
        for name, archive in missing.items():
            print(f"Unpacking {archive.name}", flush=True)
            if (folder / name).is_dir():
                shutil.rmtree(folder / name)
            write_file(_note(folder, name), "\n".join(_identity(archive)).encode())
            extract(archive, folder / name)
        yield folder


def _note(folder: Path, name: str) -> Path:
    """The file that says which archive a folder comes from."""
    return folder / f"{name}.from"


def _identity(archive: Path) -> tuple[str, str]:
    """Place of an archive, and what changes with its content."""
    state = archive.stat()
    return str(archive.resolve()), f"{state.st_size} {state.st_mtime_ns}"


def _is_there(folder: Path, name: str, archive: Path) -> bool:
    """Whether this archive, or the one that was at its place, has been unpacked."""
    note = _note(folder, name)
    if not ((folder / name).is_dir() and note.is_file()):
        return False
    known = note.read_text().splitlines()
    return known == list(_identity(archive)) if archive.is_file() else known[0] == str(archive.resolve())


def _require_space(folder: Path, num_archives: int, required: int) -> None:
    if not num_archives:
        return
    free = shutil.disk_usage(folder).free
    print(
        f"Unpacking {counted(num_archives, 'archive')} into {folder}: about {format_bytes(required)} of disk "
        "space needed until "
        f"the store is made, {format_bytes(free)} free.",
        flush=True,
    )
    if required > free:
        raise DiskFull(folder, required)
