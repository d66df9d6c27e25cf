"""Data on a machine's own disk: copied there once, before any clock starts, by whichever run comes first.

Where many nodes read from one file server, they wait for it and for each other, and a run's time says so. The copy is
made from the shared store, checked against its hashes on the way, and left for the next run:

    <scratch>/algoperf-<user id>/<first letters of the data's hash>/<dataset>/<scale>/
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from algoperf.data.files import make_directory, open_locked
from algoperf.data.publish import publishing
from algoperf.data.store.manifest import MANIFEST, check_hash, damaged, read_manifest
from algoperf.data.store.store import store_exists
from algoperf.errors import UserError, explaining_full_disk
from algoperf.text import format_bytes

_CHUNK_BYTES = 1 << 24
_POLL_SEC = 0.2
_NAME_LETTERS = 16


class Stopped(Exception):
    """The run was asked to stop while its data were copied."""

    def __init__(self) -> None:
        super().__init__("stopped while its data were copied")


def on_scratch(scratch: str, store: Path, stopped: Callable[[], bool], say: Callable[[str], None]) -> Path:
    """The folder of preprocessed data below `scratch` that has a copy of a store, made now if it is not there yet.

    Variables in `scratch`, such as $TMPDIR, are those of this machine. Raises UserError if one is not set, DataError if
    the store is damaged, DiskFull if there is no room, and Stopped as soon as `stopped` says so.
    """
    manifest = read_manifest(store)
    place = Path(os.path.expandvars(scratch)).expanduser()
    if "$" in str(place) or not place.is_absolute():
        raise UserError(f"scratch = {scratch!r} of the site's file is {str(place)!r} here: no folder from the root on.")
    folder = place / f"algoperf-{os.getuid()}" / str(manifest["hash"])[:_NAME_LETTERS]
    copy = folder / store.relative_to(store.parents[1])
    make_directory(folder)
    if folder.stat().st_uid != os.getuid():
        raise UserError(f"{folder} belongs to somebody else. Choose another scratch folder.")
    with _lock(folder / ".lock", stopped):
        if not store_exists(copy):
            begin, size = time.monotonic(), sum(int(file["num_bytes"]) for file in manifest["files"].values())
            say(f"copying {format_bytes(size)} from {store} to {copy}")
            with explaining_full_disk(folder, size), publishing(copy) as content:
                for name, file in manifest["files"].items():
                    check_hash(store, name, _copied(store / name, content / name, stopped), file["sha256"])
                _copied(store / MANIFEST, content / MANIFEST, stopped)
            say(f"copied in {time.monotonic() - begin:.1f} s")
    return folder


def _lock(path: Path, stopped: Callable[[], bool]) -> BinaryIO:
    """The lock of a folder, which another run of this machine may hold while it copies."""
    while (lock := open_locked(path)) is None:
        if stopped():
            raise Stopped
        time.sleep(_POLL_SEC)
    return lock


def _copied(source: Path, target: Path, stopped: Callable[[], bool]) -> str:
    """The SHA-256 of a file, after copying it."""
    if not source.is_file():
        raise damaged(source.parent, f"{source.name} is not there")
    digest = hashlib.sha256()
    target.parent.mkdir(parents=True, exist_ok=True)
    with source.open("rb") as old, target.open("wb") as new:
        while chunk := old.read(_CHUNK_BYTES):
            if stopped():
                raise Stopped
            digest.update(chunk)
            new.write(chunk)
    return digest.hexdigest()
