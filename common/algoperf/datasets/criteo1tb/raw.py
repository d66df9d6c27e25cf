"""The raw files: one per day, `day_0.gz` to `day_23.gz`; a zip of them, or unpacked text, will do as well."""

from __future__ import annotations

import contextlib
import gzip
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from algoperf.data.transfer.download import RemoteFile, announced_size, download
from algoperf.errors import DataError
from algoperf.text import counted

URL = "https://huggingface.co/datasets/criteo/CriteoClickLogs/resolve/main/"
LINES_PER_DAY = (
    195_841_983, 199_563_535, 196_792_019, 181_115_208, 152_115_810, 172_548_507, 204_846_845, 200_801_003,
    193_772_492, 198_424_372, 185_778_055, 153_588_700, 169_003_364, 194_216_520, 194_081_279, 187_154_596,
    177_984_934, 163_382_602, 142_061_091, 156_534_237, 193_627_464, 192_215_183, 189_747_893, 178_274_637,
)  # fmt: skip
_TEXT_SUFFIXES = ("", ".csv", ".txt")
_CORRUPT = (EOFError, OSError, zlib.error, zipfile.BadZipFile)
_GZIP = b"\x1f\x8b"  # the beginning of a compressed file


@dataclass(frozen=True)
class Day:
    """Where the text of a day is: a file, or a member of a zip; compressed or not."""

    name: str
    path: Path
    member: str | None
    num_bytes: int
    changed_ns: int

    @property
    def identity(self) -> str:
        """Tells whether the file is still the same."""
        return f"{self.name} {self.path.name} {self.member} {self.num_bytes} {self.changed_ns}"

    def __str__(self) -> str:
        return str(self.path) if self.member is None else f"{self.member} in {self.path}"

    @contextlib.contextmanager
    def opened(self) -> Iterator[IO[bytes]]:
        """The text of the day, as a stream. What goes wrong in the block while reading becomes a DataError."""
        try:
            with contextlib.ExitStack() as stack:
                stream: IO[bytes] = stack.enter_context(self.path.open("rb"))
                if self.member is not None:
                    stream = stack.enter_context(zipfile.ZipFile(stream).open(self.member))
                start = stream.read(len(_GZIP))
                stream.seek(0)
                if start == _GZIP:
                    stream = stack.enter_context(gzip.GzipFile(fileobj=stream))  # type: ignore[arg-type]  # it reads bytes
                yield stream
        except _CORRUPT as error:
            raise DataError(
                f"{self} cannot be read, it is truncated or corrupt: {error}. Delete it and fetch it again."
            ) from error


def fetch(raw_dir: Path, num_days: int) -> None:
    """Fetch the days that are not there in any form, 342 GB in all."""
    missing = [name for name in _day_names(num_days) if _find(raw_dir, name) is None]
    if not missing:
        print(f"All days ({num_days}) are already in {raw_dir}.", flush=True)
        return
    try:
        files = [RemoteFile(URL + name, name, announced_size(URL + name, name), None) for name in _packed(missing)]
        download(files, raw_dir)
    except DataError as error:
        raise DataError(
            f"{error} Files that you have from elsewhere may be put into {raw_dir}: day_0.gz and so on, a zip of them, "
            "or unpacked text called day_0 or day_0.csv."
        ) from error


def find_days(raw_dir: Path, num_days: int) -> list[Day]:
    """Where the days are. DataError, naming the first one, if some are missing."""
    names = _day_names(num_days)
    found = {name: _find(raw_dir, name) for name in names}
    missing = [name for name, day in found.items() if day is None]
    if missing:
        raise DataError(
            f"{raw_dir} has no {missing[0]}.gz, and neither a zip with it nor its text; {len(missing)} of {num_days} "
            "days are missing. Run the `download` task first, or check the raw data directory."
        )
    surplus = _find(raw_dir, f"day_{num_days}")
    if surplus is not None:
        raise DataError(
            f"{surplus} is not expected: there should be {counted(num_days, 'day')}. Is this another scale's data?"
        )
    return [day for day in found.values() if day is not None]


def _day_names(num_days: int) -> list[str]:
    return [f"day_{number}" for number in range(num_days)]


def _packed(names: Sequence[str]) -> list[str]:
    return [f"{name}.gz" for name in names]


def _find(raw_dir: Path, name: str) -> Day | None:
    """The file of a day: compressed, in a zip, or as text."""
    candidates = [raw_dir / f"{name}.gz", *(raw_dir / f"{name}{suffix}" for suffix in _TEXT_SUFFIXES)]
    path = next(filter(Path.is_file, candidates), None)
    if path is not None:
        return _day(name, path, None)
    for archive in sorted(raw_dir.glob("*.zip")):
        for member in _members(archive):
            if member.rpartition("/")[2] in (path.name for path in candidates):
                return _day(name, archive, member)
    return None


def _members(archive: Path) -> list[str]:
    try:
        with zipfile.ZipFile(archive) as opened:
            return [name for name in opened.namelist() if not name.endswith("/")]
    except _CORRUPT as error:
        raise DataError(f"{archive} is no zip, or damaged: {error}. Delete it and fetch it again.") from error


def _day(name: str, path: Path, member: str | None) -> Day:
    state = path.stat()
    return Day(name, path, member, state.st_size, state.st_mtime_ns)
