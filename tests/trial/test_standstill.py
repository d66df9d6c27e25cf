"""All descendants of a process stand still, and whoever goes on meanwhile is named; memory that is private."""

import ctypes
import signal
import subprocess
import sys
import time
from collections.abc import Iterator

import psutil
import pytest

from algoperf.trial.apart.standstill import Standstill

BUSY = "print(flush=True)\nwhile True: sum(range(1000))"


@pytest.fixture
def program() -> Iterator[psutil.Popen]:
    with psutil.Popen([sys.executable, "-c", BUSY], stdout=subprocess.PIPE) as busy:
        busy.stdout.readline()
        yield busy
        busy.kill()


@pytest.fixture
def others(program) -> list[int]:
    """What must not stand still: processes of the test run itself."""
    return [each.pid for each in psutil.Process().children() if each.pid != program.pid]


def test_a_program_stands_still_and_goes_on(program, others):
    announced = []
    standstill = Standstill(announced.append)
    assert standstill.begin(others) == []
    assert program.status() == psutil.STATUS_STOPPED
    assert standstill.end(others) == []
    assert program.status() != psutil.STATUS_STOPPED
    assert announced == [[program.pid], []]


def test_whoever_is_continued_is_named_even_if_it_hardly_computes(program, others):
    standstill = Standstill(lambda processes: None)
    standstill.begin(others)
    program.send_signal(signal.SIGCONT)
    while program.status() == psutil.STATUS_STOPPED:
        time.sleep(0.001)
    (problem,) = standstill.end(others)
    assert f"process {program.pid}" in problem


def test_work_of_a_moment_is_named_when_it_has_stopped_again(program, others):
    standstill = Standstill(lambda processes: None)
    standstill.begin(others)
    before = sum(program.cpu_times()[:2])
    program.send_signal(signal.SIGCONT)
    while sum(program.cpu_times()[:2]) < before + 0.05:
        time.sleep(0.001)
    program.send_signal(signal.SIGSTOP)
    while program.status() != psutil.STATUS_STOPPED:
        time.sleep(0.001)
    (problem,) = standstill.end(others)
    assert "computed for" in problem


@pytest.mark.skipif(sys.platform != "linux", reason="Linux only")
def test_memory_is_private():
    code = "import algoperf.system as s, ctypes; s.keep_memory_private(); print(ctypes.CDLL(None).prctl(3))"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "0"
    assert ctypes.CDLL(None).prctl(3) == 1  # PR_GET_DUMPABLE
