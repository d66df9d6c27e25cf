"""A file to download from a faulty server, and what must be on the disk afterwards."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np

from algoperf.data.transfer.download import Patience, RemoteFile
from faulty_server import FaultyServer

CONTENT = np.random.default_rng(0).bytes(700_000)
QUICK = Patience(timeout_sec=30, attempts=3, backoff_sec=0.01, report_period_sec=0.05)


def remote(server: FaultyServer, content: bytes = CONTENT, name: str = "file.bin") -> RemoteFile:
    server.behaviour.content = content
    return RemoteFile(server.url(name), name, len(content), hashlib.sha256(content).hexdigest())


def part_of(directory: Path) -> Path:
    return directory / "file.bin.part"


def assert_complete(directory: Path, content: bytes = CONTENT) -> None:
    """The file is there, right, and alone."""
    assert (directory / "file.bin").read_bytes() == content
    assert [path.name for path in directory.iterdir()] == ["file.bin"]
