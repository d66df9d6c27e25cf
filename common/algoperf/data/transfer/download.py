"""Downloads files over HTTP: resumable, checked, and never incomplete under the final name."""

from __future__ import annotations

import errno
import shutil
import socket
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from algoperf.data.files import make_directory, sha256_of
from algoperf.data.transfer.partial_download import PartialFile
from algoperf.data.transfer.progress import ReportProgress, byte_progress
from algoperf.errors import DataError, DiskFull, text_of
from algoperf.text import counted, format_bytes

if TYPE_CHECKING:
    import requests

_CHUNK_BYTES = 1 << 16
_LONGEST_WAIT_SEC = 60.0
_TRANSIENT = (408, 429)  # client errors that mean "later" rather than "never"
_RANGE_NOT_SATISFIABLE = 416


@dataclass(frozen=True)
class RemoteFile:
    """A file on the web. `name` is its path below the download directory.

    `sha256` is hexadecimal, or None if it is not known: then any content of the right size is accepted.
    """

    url: str
    name: str
    num_bytes: int
    sha256: str | None

    def __post_init__(self) -> None:
        path = PurePosixPath(self.name)
        if not self.name or path.is_absolute() or ".." in path.parts:
            raise ValueError(f"name must be a path below the download directory, not {self.name!r}")


@dataclass(frozen=True)
class Patience:
    """How long to keep trying on a bad connection.

    Up to `attempts` connections in a row may fail without a new byte, or `attempts_without_network` if not even the
    server's address was found or reached and nothing has come in this call. The wait between them starts at
    `backoff_sec` and doubles up to a minute. `timeout_sec` limits the silence on a connection, not the length of the
    transfer.
    """

    timeout_sec: float = 30.0
    attempts: int = 8
    attempts_without_network: int = 2
    backoff_sec: float = 1.0
    report_period_sec: float = 5.0

    def wait_sec(self, failures: int) -> float:
        """How long to wait after this many failures in a row (0: the connection broke, but brought new bytes)."""
        return float(min(self.backoff_sec * 2 ** (failures - 1), _LONGEST_WAIT_SEC))


class _BrokenTransferError(Exception):
    """The connection ended early; another one may continue."""


class _WrongContentError(Exception):
    """The server sent something other than the expected file."""


def download(files: Sequence[RemoteFile], directory: Path, *, patience: Patience | None = None) -> None:
    """Fetch `files` into `directory`; those already there and correct are skipped.

    After an interruption, the next call continues where it stopped. Raises DataError if a file is unavailable, is
    still wrong after a second full download, or does not fit on the disk.
    """
    missing = [file for file in files if not _is_complete(file, directory)]
    if not missing:
        print(f"All files ({len(files)}) are already in {directory}.", flush=True)
        return
    make_directory(directory)
    _announce(missing, directory)
    for file in missing:
        _fetch(file, directory / file.name, patience or Patience())


def announced_size(url: str, name: str) -> int:
    """The size in bytes of a file whose size is not published, as its server states it.

    Raises DataError if the server cannot be reached or does not state it.
    """
    import requests

    try:
        # One byte, not only the head: links that are signed for reading refuse that.
        with requests.get(url, headers={"Range": "bytes=0-0"}, stream=True, timeout=Patience.timeout_sec) as response:
            status, length = response.status_code, response.headers.get("Content-Length", "")
            size = _content_range(response)[1] if status == 206 else int(length) if length.isdigit() else None
    except requests.RequestException as error:
        raise DataError(f"Cannot fetch {name} from {url}: {error}. Check the link and the network.") from error
    if status not in (200, 206):
        raise DataError(
            f"Cannot fetch {name} from {url}: HTTP {status} {response.reason}. Links may expire: ask for new ones."
        )
    if not size:
        raise DataError(f"Cannot fetch {name} from {url}: the server does not say how many bytes it has.")
    return size


def _is_complete(file: RemoteFile, directory: Path) -> bool:
    path = directory / file.name
    if not path.exists():
        return False
    if path.stat().st_size == file.num_bytes and file.sha256 in (None, sha256_of(path)):
        return True
    print(f"{path} is not the file expected (size or SHA-256 differ); fetching it again.", flush=True)
    return False


def _announce(files: Sequence[RemoteFile], directory: Path) -> None:
    """Print what will be downloaded; raise if it cannot fit on the disk."""
    required = sum(max(file.num_bytes - _bytes_there(file, directory), 0) for file in files)
    free = shutil.disk_usage(directory).free
    print(
        f"Fetching {counted(len(files), 'file')} into {directory}: "
        f"{format_bytes(required)} of disk space needed, {format_bytes(free)} free.",
        flush=True,
    )
    if required > free:
        raise DiskFull(directory, required)


def _bytes_there(file: RemoteFile, directory: Path) -> int:
    part = directory / f"{file.name}.part"
    return part.stat().st_size if part.exists() else 0


def _fetch(file: RemoteFile, target: Path, patience: Patience) -> None:
    """Fetch one file. If its content is wrong, fetch it once more from the start."""
    make_directory(target.parent)
    with (
        PartialFile(target, file.num_bytes) as part,
        byte_progress(file.name, file.num_bytes, period_sec=patience.report_period_sec) as report,
    ):
        for is_last_try in (False, True):
            try:
                _receive(file, part, patience, report)
                if file.sha256 not in (None, part.sha256):
                    raise _WrongContentError(f"its SHA-256 is {part.sha256}, expected {file.sha256}")
            except _WrongContentError as wrong:
                part.restart()
                if not is_last_try:
                    print(f"{file.name}: {wrong}; fetching it once more from the start.", flush=True)
                    continue
                part.discard()
                raise DataError(
                    f"{file.name} from {file.url} is not the file expected: {wrong}. The published file may "
                    f"have changed, or a proxy replaces it. Get it in another way, put it at {target} and "
                    "run again."
                ) from None
            part.publish()
            return


def _receive(file: RemoteFile, part: PartialFile, patience: Patience, report: ReportProgress) -> None:
    """Fill `part` up to the expected size, over as many connections as needed."""
    import requests
    import urllib3

    failures, begin = 0, part.size
    furthest = begin  # a server that ignores ranges starts over; repeated bytes are not progress
    while part.size < file.num_bytes:
        try:
            _receive_once(file, part, patience.timeout_sec, report)
        except (_BrokenTransferError, requests.RequestException, urllib3.exceptions.HTTPError) as error:
            failures = 0 if part.size > furthest else failures + 1
            furthest = max(furthest, part.size)
            offline = furthest == begin and _is_without_network(error)
            allowed = patience.attempts_without_network if offline else patience.attempts
            if failures >= allowed:
                raise _gave_up(file, part, failures, error, offline) from error
            wait = patience.wait_sec(failures)
            print(
                f"{file.name}: {_reason(error)}; trying again in {wait:.3g} s ({failures} of {allowed} attempts "
                "failed in a row)",
                flush=True,
            )
            time.sleep(wait)


def _gave_up(file: RemoteFile, part: PartialFile, failures: int, error: Exception, offline: bool) -> DataError:
    here = (
        f"the {part.size} of {file.num_bytes} bytes that are here are kept in {part.path}, and the next call continues "
        "from there"
        if part.size
        else "nothing was written"
    )
    if offline:
        host = urlsplit(file.url).hostname
        why = f"there is no network here, or it does not know {host}. On a machine without network, copy the raw data"
        return DataError(
            f"Cannot fetch {file.url}: {why} from one that has it; {here}. {_by_hand(file)} "
            f"Last problem: {_reason(error)}."
        )
    return DataError(
        f"Cannot fetch {file.url}: {failures} attempts in a row brought nothing new; {here}. "
        f"Last problem: {_reason(error)}. Check the network, then run the same command again."
    )


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """An error and what caused it, also as requests and urllib3 keep it."""
    seen: list[BaseException] = []
    while error is not None and error not in seen:
        seen.append(error)
        yield error
        inside = [getattr(error, "reason", None), *error.args, error.__cause__, error.__context__]
        error = next((one for one in inside if isinstance(one, BaseException) and one not in seen), None)


def _is_without_network(error: BaseException) -> bool:
    """Whether the server's address could not be found or reached."""
    return any(
        isinstance(one, socket.gaierror)
        or (isinstance(one, OSError) and one.errno in (errno.ENETUNREACH, errno.EHOSTUNREACH))
        for one in _causes(error)
    )


def _reason(error: BaseException) -> str:
    """What went wrong, without the layers around it."""
    innermost = list(_causes(error))[-1]
    return (getattr(innermost, "strerror", None) or text_of(innermost) or type(innermost).__name__).rstrip(".")


def _receive_once(file: RemoteFile, part: PartialFile, timeout_sec: float, report: ReportProgress) -> None:
    """Request the missing bytes over one connection, and append what arrives."""
    import requests

    with requests.get(file.url, headers=_headers(part), stream=True, timeout=timeout_sec) as response:
        _check_status(file, part, response)
        _check_announced_size(file, response)
        if not _continues(part, response):
            part.restart()
        part.validator = _validator(response)
        # Read undecoded bytes: some servers label a .gz file as a compressed transfer.
        for chunk in response.raw.stream(_CHUNK_BYTES, decode_content=False):
            if part.size + len(chunk) > file.num_bytes:
                raise _WrongContentError(f"its size is more than the {file.num_bytes} bytes expected")
            part.append(chunk)
            report(part.size)
    if part.size < file.num_bytes:
        raise _BrokenTransferError("the server closed the connection early")


def _headers(part: PartialFile) -> dict[str, str]:
    headers = {"Accept-Encoding": "identity"}
    if part.size:
        headers["Range"] = f"bytes={part.size}-"
        if part.validator:
            headers["If-Range"] = part.validator
    return headers


def _check_status(file: RemoteFile, part: PartialFile, response: requests.Response) -> None:
    """Return if a body with content follows. Otherwise the error's type says whether to try again."""
    status = response.status_code
    if status in (200, 206):
        return
    if status == _RANGE_NOT_SATISFIABLE and part.size:
        part.restart()  # the server's file is shorter than our part, so it is a different file
        raise _BrokenTransferError("the server has no bytes from there on (HTTP 416)")
    if status >= 500 or status in _TRANSIENT:
        raise _BrokenTransferError(f"HTTP {status} {response.reason}")
    raise DataError(
        f"Cannot fetch {file.url}: HTTP {status} {response.reason}. Open the address in a browser: it may "
        f"have moved, need a login or a licence agreement. {_by_hand(file)}"
    )


def _content_range(response: requests.Response) -> tuple[int | None, int | None]:
    """First byte and total size from a 206 response, e.g. `bytes 500-999/1000`; None if unknown."""
    unit, _, span = response.headers.get("Content-Range", "").partition(" ")
    span, _, total = span.partition("/")
    first = span.partition("-")[0]
    if unit != "bytes":
        return None, None
    return int(first) if first.isdigit() else None, int(total) if total.isdigit() else None


def _continues(part: PartialFile, response: requests.Response) -> bool:
    """Whether the body starts where `part` ends; a server may send everything (200) or another range."""
    if response.status_code == 206 and part.size:
        first, _ = _content_range(response)
        if first != part.size:
            part.restart()
            raise _BrokenTransferError("the server sent other bytes than asked for")
        return True
    return False


def _check_announced_size(file: RemoteFile, response: requests.Response) -> None:
    """DataError if the server states another size. Raised before writing, so the bytes on disk are kept."""
    if response.status_code == 206:
        announced = _content_range(response)[1]
    else:
        length = response.headers.get("Content-Length", "")
        announced = int(length) if length.isdigit() else None
    if announced not in (None, file.num_bytes):
        raise DataError(
            f"{file.url} has {announced} bytes now, expected {file.num_bytes}. Either a proxy or login page "
            "answers in its place (open the address in a browser), or the published file changed. "
            f"{_by_hand(file)}"
        )


def _by_hand(file: RemoteFile) -> str:
    content = "" if file.sha256 is None else f" with SHA-256 {file.sha256}"
    return (
        f"A file of {file.num_bytes} bytes{content}, put into the download directory as "
        f"{file.name}, is accepted as well."
    )


def _validator(response: requests.Response) -> str | None:
    """The strong ETag, else the date: what `If-Range` may carry (RFC 9110, 13.1.5)."""
    etag = response.headers.get("ETag", "")
    return etag if etag.startswith('"') else response.headers.get("Last-Modified")
