import hashlib
import itertools
import os
import pty
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from algoperf.data.transfer.download import Patience, RemoteFile, download
from algoperf.errors import DataError, UserError
from downloads import CONTENT, QUICK, assert_complete, part_of, remote


def test_fetches_into_a_new_directory_and_says_how_much(server, tmp_path, capsys):
    download([remote(server)], tmp_path / "new", patience=QUICK)
    assert_complete(tmp_path / "new")
    assert "1 file into" in (out := capsys.readouterr().out)
    assert "700.0 kB of disk space needed" in out


def test_skips_what_is_there(server, tmp_path):
    file = remote(server)
    download([file], tmp_path, patience=QUICK)
    download([file], tmp_path, patience=QUICK)
    assert len(server.requests) == 1


def test_replaces_a_damaged_file_of_the_right_size(server, tmp_path):
    (tmp_path / "file.bin").write_bytes(bytes(len(CONTENT)))
    download([remote(server)], tmp_path, patience=QUICK)
    assert_complete(tmp_path)


def test_empty_file(server, tmp_path):
    download([remote(server, b"")], tmp_path, patience=QUICK)
    assert_complete(tmp_path, b"")


@pytest.mark.parametrize("name", ["../up", "/abs", "a/../../b", ""])
def test_names_stay_below_the_directory(name):
    with pytest.raises(ValueError, match="below the download directory"):
        RemoteFile("http://x", name, 1, "")


def test_resumes_over_broken_connections_with_ranges(server, tmp_path):
    file = remote(server)
    server.behaviour.break_after = 200_000
    download([file], tmp_path, patience=QUICK)  # needs 4 connections, more than 3 attempts: each makes progress
    assert_complete(tmp_path)
    assert [request.range for request in server.requests] == [
        None, "bytes=200000-", "bytes=400000-", "bytes=600000-",
    ]  # fmt: skip
    assert server.requests[1].if_range == '"v1"'


def test_gives_up_when_nothing_new_comes_and_keeps_the_part(server, tmp_path):
    file = remote(server)
    server.behaviour.break_after, server.behaviour.break_count = 200_000, 1
    server.behaviour.before_body = lambda: setattr(server.behaviour, "status", 503)
    with pytest.raises(DataError, match=r"3 attempts in a row.* 200000 of 700000 bytes.*HTTP 503"):
        download([file], tmp_path, patience=QUICK)
    assert part_of(tmp_path).read_bytes() == CONTENT[:200_000]
    server.behaviour.status, server.behaviour.before_body = None, lambda: None
    download([file], tmp_path, patience=QUICK)
    assert_complete(tmp_path)
    assert server.requests[-1].range == "bytes=200000-"


def test_a_server_that_ignores_ranges_is_read_from_the_start(server, tmp_path):
    file = remote(server)
    server.behaviour.ignore_range = True
    server.behaviour.break_after, server.behaviour.break_count = 300_000, 2
    download([file], tmp_path, patience=QUICK)
    assert_complete(tmp_path)
    assert server.requests[-1].range == "bytes=300000-"


def test_repeating_the_same_bytes_is_no_progress(server, tmp_path):
    file = remote(server)
    server.behaviour.ignore_range = True
    lengths = itertools.chain([300_000], itertools.cycle([200_000, 250_000]))
    server.behaviour.before_body = lambda: setattr(server.behaviour, "break_after", next(lengths))
    with pytest.raises(DataError, match="3 attempts in a row"):
        download([file], tmp_path, patience=QUICK)
    # The first connection brought something; the three after it did not.
    assert len(server.requests) == 4


def test_early_end_without_content_length_is_resumed(server, tmp_path):
    file = remote(server)
    server.behaviour.without_length = True
    server.behaviour.break_after, server.behaviour.break_count = 300_000, 1
    download([file], tmp_path, patience=QUICK)
    assert_complete(tmp_path)


def test_silence_times_out_and_is_resumed(server, tmp_path):
    file = remote(server)
    pauses = iter([2.0])
    server.behaviour.before_body = lambda: time.sleep(next(pauses, 0))
    download([file], tmp_path, patience=Patience(timeout_sec=1.0, attempts=5, backoff_sec=0.01))
    assert_complete(tmp_path)
    assert len(server.requests) >= 2


def test_unreachable_server_is_an_error_that_names_the_address(tmp_path):
    file = RemoteFile("http://127.0.0.1:9/file.bin", "file.bin", 5, "")
    with pytest.raises(DataError, match=r"http://127\.0\.0\.1:9/file\.bin.*Check the network"):
        download([file], tmp_path, patience=QUICK)


def test_every_wait_is_announced(server, tmp_path, capsys):
    server.behaviour.status, server.behaviour.status_count = 503, 2
    download([remote(server)], tmp_path, patience=QUICK)
    lines = [line for line in capsys.readouterr().out.splitlines() if "trying again" in line]
    assert lines == [
        "file.bin: HTTP 503 Service Unavailable; trying again in 0.01 s (1 of 3 attempts failed in a row)",
        "file.bin: HTTP 503 Service Unavailable; trying again in 0.02 s (2 of 3 attempts failed in a row)",
    ]


def test_without_any_network_it_ends_soon_and_says_what_can_be_done(tmp_path):
    """Names below .invalid exist nowhere."""
    file = RemoteFile("https://server.invalid/file.bin", "file.bin", 10, None)
    with pytest.raises(DataError) as caught:
        download([file], tmp_path, patience=Patience(attempts=10**6, backoff_sec=0.01))
    assert "there is no network here, or it does not know server.invalid" in str(caught.value)
    assert "put into the download directory as file.bin, is accepted as well" in str(caught.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("status", [401, 403, 404, 410])
def test_client_errors_are_not_retried(server, tmp_path, status):
    file = remote(server)
    server.behaviour.status = status
    with pytest.raises(DataError, match=rf"/file\.bin: HTTP {status}.*Open the address"):
        download([file], tmp_path, patience=QUICK)
    assert len(server.requests) == 1
    assert not (tmp_path / "file.bin").exists()


@pytest.mark.parametrize("status", [408, 429, 500, 503])
def test_transient_statuses_are_retried(server, tmp_path, status):
    file = remote(server)
    server.behaviour.status, server.behaviour.status_count = status, 2
    download([file], tmp_path, patience=QUICK)
    assert_complete(tmp_path)
    assert len(server.requests) == 3


def test_corrupt_bytes_are_fetched_once_more_from_the_start(server, tmp_path):
    file = remote(server)
    server.behaviour.corrupt_count = 1
    download([file], tmp_path, patience=QUICK)
    assert_complete(tmp_path)
    assert [request.range for request in server.requests] == [None, None]


def test_bytes_that_stay_corrupt_are_an_error_with_both_hashes(server, tmp_path):
    file = remote(server)
    server.behaviour.corrupt_count = 2
    wrong = hashlib.sha256(bytes([CONTENT[0] ^ 1]) + CONTENT[1:]).hexdigest()
    with pytest.raises(DataError, match=rf"file\.bin.*{wrong}.*{file.sha256}"):
        download([file], tmp_path, patience=QUICK)
    assert len(server.requests) == 2
    assert list(tmp_path.iterdir()) == []


def test_a_corrupt_part_is_fetched_anew(server, tmp_path):
    part_of(tmp_path).write_bytes(bytes(300_000))
    download([remote(server)], tmp_path, patience=QUICK)
    assert_complete(tmp_path)
    assert [request.range for request in server.requests] == ["bytes=300000-", None]


def test_a_complete_part_needs_no_connection(server, tmp_path):
    part_of(tmp_path).write_bytes(CONTENT)
    download([remote(server)], tmp_path, patience=QUICK)
    assert_complete(tmp_path)
    assert server.requests == []


def test_a_part_that_is_too_long_is_dropped(server, tmp_path):
    part_of(tmp_path).write_bytes(CONTENT + b"x")
    download([remote(server)], tmp_path, patience=QUICK)
    assert_complete(tmp_path)


def test_another_size_is_an_error_and_keeps_the_part(server, tmp_path):
    file = remote(server)
    part_of(tmp_path).write_bytes(CONTENT[:300_000])
    server.behaviour.content, server.behaviour.etag = b"please log in", None
    server.behaviour.ignore_range = True
    with pytest.raises(DataError, match=r"has 13 bytes now, expected 700000.*login page"):
        download([file], tmp_path, patience=QUICK)
    assert part_of(tmp_path).read_bytes() == CONTENT[:300_000]


def test_a_wrong_content_length_is_an_error(server, tmp_path):
    file = remote(server)
    server.behaviour.content_length = 600_000
    with pytest.raises(DataError, match="600000 bytes now, expected 700000"):
        download([file], tmp_path, patience=QUICK)


def test_a_file_that_grew_is_an_error_even_without_content_length(server, tmp_path):
    file = remote(server)
    server.behaviour.content, server.behaviour.without_length = CONTENT + b"more", True
    with pytest.raises(DataError, match="more than the 700000 bytes expected"):
        download([file], tmp_path, patience=QUICK)
    assert list(tmp_path.iterdir()) == []


def test_a_range_beyond_the_end_restarts(server, tmp_path):
    """416: the file on the server is shorter than the part."""
    file = remote(server)
    server.behaviour.content = CONTENT[:1000]
    part_of(tmp_path).write_bytes(CONTENT[:300_000])
    with pytest.raises(DataError, match="has 1000 bytes now"):
        download([file], tmp_path, patience=QUICK)
    assert [request.range for request in server.requests] == ["bytes=300000-", None]


def test_a_new_version_on_the_server_is_not_mixed_with_the_old(server, tmp_path):
    old = remote(server)
    server.behaviour.break_after, server.behaviour.break_count = 300_000, 1
    server.behaviour.before_body = lambda: setattr(server.behaviour, "status", 404)
    with pytest.raises(DataError, match="404"):
        download([old], tmp_path, patience=QUICK)
    server.behaviour.status, server.behaviour.before_body = None, lambda: None
    new_content = CONTENT[::-1]
    new = remote(server, new_content)
    server.behaviour.etag = '"v2"'
    download([new], tmp_path, patience=QUICK)
    assert_complete(tmp_path, new_content)
    assert (server.requests[-1].range, server.requests[-1].if_range) == ("bytes=300000-", '"v1"')
    assert len(server.requests) == 3


def test_two_processes_do_not_write_one_part(server, tmp_path):
    file = remote(server)
    entered, release = threading.Event(), threading.Event()
    server.behaviour.before_body = lambda: (entered.set(), release.wait(120))[0]
    first = threading.Thread(target=download, args=([file], tmp_path))
    first.start()
    assert entered.wait(120)
    with pytest.raises(UserError, match="Another process is fetching"):
        download([file], tmp_path, patience=QUICK)
    release.set()
    first.join()
    assert_complete(tmp_path)


DOWNLOADER = """
import sys
from pathlib import Path
from algoperf.data.transfer.download import Patience, RemoteFile, download
url, size, sha256, directory = sys.argv[1:]
file = RemoteFile(url, "file.bin", int(size), sha256)
download([file], Path(directory), patience=Patience(report_period_sec=0.05))
"""


def downloader(file: RemoteFile, directory: Path) -> list[str]:
    return [sys.executable, "-c", DOWNLOADER, file.url, str(file.num_bytes), file.sha256, str(directory)]


def test_killed_and_run_again_continues(server, tmp_path):
    file = remote(server)
    server.behaviour.bytes_per_sec = 400_000
    process = subprocess.Popen(downloader(file, tmp_path), stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and not (
        part_of(tmp_path).exists() and part_of(tmp_path).stat().st_size > 150_000
    ):
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    kept = part_of(tmp_path).stat().st_size
    assert 150_000 < kept < len(CONTENT)
    assert not (tmp_path / "file.bin").exists()
    server.behaviour.bytes_per_sec = None
    download([file], tmp_path, patience=QUICK)
    assert_complete(tmp_path)
    assert server.requests[-1].range == f"bytes={kept}-"
    assert server.requests[-1].if_range == '"v1"'


def test_progress_in_a_log_is_plain_lines(server, tmp_path):
    file = remote(server)
    server.behaviour.bytes_per_sec = 1_500_000
    out = subprocess.run(downloader(file, tmp_path), capture_output=True, check=True).stdout.decode()
    assert "\r" not in out
    assert "\x1b" not in out
    progress = [line for line in out.splitlines() if line.startswith("file.bin: ")]
    assert len(progress) >= 2
    assert all("of 700.0 kB" in line and "/s, " in line for line in progress)


def test_progress_on_a_terminal_is_a_bar(server, tmp_path):
    file = remote(server)
    ours, theirs = pty.openpty()
    environment = {**os.environ, "TERM": "xterm"}
    with subprocess.Popen(downloader(file, tmp_path), stdout=theirs, stdin=theirs, env=environment) as process:
        os.close(theirs)
        shown = b""
        try:
            while chunk := os.read(ours, 4096):
                shown += chunk
        except OSError:
            pass  # how Linux says that the other end is closed
    os.close(ours)
    assert process.returncode == 0
    assert b"\x1b[" in shown
    assert b"700.0/700.0 kB" in shown


def test_a_download_without_a_network_leaves_no_part(tmp_path):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        file = RemoteFile(f"http://127.0.0.1:{unused.getsockname()[1]}/file.bin", "file.bin", 10, "0" * 64)
        with pytest.raises(DataError, match="3 attempts in a row brought nothing new; nothing was written"):
            download([file], tmp_path, patience=QUICK)
    assert list(tmp_path.iterdir()) == []
