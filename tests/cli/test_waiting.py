"""Commands that take long say what they do, at least every few seconds."""

from __future__ import annotations

import contextlib
import os
import pty
import re
import subprocess
import sys

from algoperf.waiting import _PlainLines, next_line_sec

BUSY = """
import sys, time
from algoperf import waiting
waiting.SILENCE_SEC = 0.1
print("before")
with waiting.waiting("reading") as say:
    time.sleep(0.5)
    say("writing")
    time.sleep(0.5)
    with waiting.waiting("something inside"):
        time.sleep(0.5)
    with waiting.pausing():
        time.sleep(0.5)
        print("a bar of its own")
print("after")
"""
AT_ONCE = """
from algoperf.waiting import waiting
with waiting("reading"):
    print("done")
"""


def run(code: str) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)


def test_in_a_pipe_lines_say_what_goes_on_and_for_how_long():
    """On standard error, so that standard output holds the result only."""
    done = run(BUSY)
    assert done.stdout == "before\na bar of its own\nafter\n"
    lines = done.stderr.splitlines()
    assert all(re.fullmatch(r"[a-z ]+: \d+ s so far", line) for line in lines), lines
    said = list(dict.fromkeys(line.partition(":")[0] for line in lines))
    assert said == ["reading", "writing", "something inside"]


def test_who_waits_for_devices_says_so_ever_less_often_but_every_minute():
    waited, said = 0.0, []
    for _ in range(7):
        waited = next_line_sec(waited)
        said.append(waited)
    assert said == [5, 10, 30, 60, 120, 180, 240]
    assert next_line_sec(31.5) == 60, "something else was said meanwhile"


def test_a_wait_for_devices_in_another_process_is_thinned_out_too():
    lines = _PlainLines("mnist")
    lines.say("mnist: waiting for the devices")
    assert lines._devices_since is not None
    assert lines._pause_sec(lines._devices_since + 31) == 29
    lines.say("mnist: step 1")
    assert lines._pause_sec(lines._begin + 31) == 5


def test_what_is_done_at_once_is_not_announced():
    done = run(AT_ONCE)
    assert (done.stdout, done.stderr) == ("done\n", "")


def test_on_a_terminal_a_line_is_redrawn_and_removed():
    ours, theirs = pty.openpty()
    with subprocess.Popen([sys.executable, "-c", BUSY], stdout=theirs, stderr=theirs, stdin=theirs) as process:
        os.close(theirs)
        parts = []
        with contextlib.suppress(OSError):
            while part := os.read(ours, 4096):
                parts.append(part)
        os.close(ours)
    text = b"".join(parts).decode()
    assert process.returncode == 0, text
    for what in ("reading", "writing", "something inside", "a bar of its own"):
        assert what in text
    last = re.split(r"\r\n|\x1b\[2K", text)
    assert last[-2].strip() == "after"


def test_a_failing_block_ends_the_line():
    code = AT_ONCE.replace('print("done")', 'raise SystemExit("failed")')
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (1, "failed\n")
