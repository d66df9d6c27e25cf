"""Downloads where there is no room or no right to write."""

import subprocess
from pathlib import Path

import pytest

from algoperf.data.transfer.download import RemoteFile, download
from algoperf.data.transfer.partial_download import PartialFile
from algoperf.errors import DiskFull, UserError, explaining_full_disk
from downloads import CONTENT, QUICK, assert_complete, part_of, remote


def test_too_little_space_is_noticed_before_anything_is_fetched(server, tmp_path):
    file = RemoteFile(server.url("file.bin"), "file.bin", 10**18, "")
    with pytest.raises(DiskFull, match=rf"Not enough disk space in {tmp_path}: .*{10**18} bytes\) needed.*free"):
        download([file], tmp_path, patience=QUICK)
    assert server.requests == []


def test_a_directory_that_cannot_be_written_is_a_user_error(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=r"Cannot write .*/file/below: Not a directory"):
        download([RemoteFile("http://127.0.0.1:9/x", "x", 5, "")], tmp_path / "file" / "below")
    with pytest.raises(UserError, match=r"Cannot write /proc/x\.part"):
        PartialFile(Path("/proc/x"), 5).__enter__()  # not even root may


def test_a_full_device_is_an_error_with_numbers(tmp_path):
    with (
        pytest.raises(DiskFull, match=r"Not enough disk space .*\(700000 bytes\) needed"),
        explaining_full_disk(tmp_path, 700_000),
        open("/dev/full", "wb", buffering=0) as full,  # a real ENOSPC on any machine
    ):
        full.write(b"x")


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 1 MiB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(disk)], capture_output=True, check=False
    )
    if mounted.returncode != 0:
        pytest.skip("mounting a file system needs root")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


def test_a_disk_that_fills_up_keeps_the_part_for_later(server, small_disk):
    file = remote(server)
    filler = small_disk / "filler"
    server.behaviour.before_body = lambda: filler.write_bytes(bytes(600_000)) and None
    with pytest.raises(DiskFull, match="Not enough disk space") as caught:
        download([file], small_disk, patience=QUICK)
    kept = part_of(small_disk).stat().st_size
    assert 0 < kept < len(CONTENT)
    assert f"({len(CONTENT) - kept} bytes) needed" in str(caught.value)
    filler.unlink()
    server.behaviour.before_body = lambda: None
    download([file], small_disk, patience=QUICK)
    assert_complete(small_disk)
    assert server.requests[-1].range == f"bytes={kept}-"
