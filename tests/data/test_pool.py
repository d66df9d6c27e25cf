"""Workers: same results, pauses, failures, deaths."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import psutil
import pytest

from algoperf.data.workers.pool import Task, WorkerPool, default_num_workers
from algoperf.data.workers.pooled import chunk_rows
from algoperf.errors import AlgoperfError, DataError, UserError
from places import SUPPORT
from row_sources import Counting, Failing, Slow

NUM_ROWS = 40


@pytest.fixture(autouse=True)
def _sources_are_found_by_workers(monkeypatch):
    path = [str(SUPPORT), *filter(None, [os.environ.get("PYTHONPATH")])]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(path))


@contextlib.contextmanager
def running(num_workers: int):
    pool = WorkerPool(num_workers)
    try:
        yield pool
    finally:
        pool.close()


def tasks(pool: WorkerPool, offset: int = 0) -> list[Task]:
    chunk = chunk_rows(NUM_ROWS, pool.num_workers, Counting().layout())
    return [
        Task(start, min(start + chunk, NUM_ROWS), (offset + start, min(start + chunk, NUM_ROWS) - start))
        for start in range(0, NUM_ROWS, chunk)
    ]


def wait_until(condition) -> None:
    deadline = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.parametrize("num_workers", [0, 1, 2])
def test_batches_are_the_same_for_any_number_of_workers(num_workers):
    with running(num_workers) as pool:
        pending = [pool.begin(Counting(), NUM_ROWS, tasks(pool, 1000 * number)) for number in range(5)]
        for number, batch in enumerate(pending):
            result = batch.result()
            np.testing.assert_array_equal(result["number"], 1000 * number + np.arange(NUM_ROWS))
            np.testing.assert_array_equal(result["square"][:, 1], result["number"].astype(np.float32) ** 2)
            assert all(array.ctypes.data % 64 == 0 for array in result.values()) or not num_workers


def test_memory_is_used_again_only_when_nobody_looks_at_it():
    with running(1) as pool:
        first = pool.begin(Counting(), NUM_ROWS, tasks(pool)).result()
        view = first["square"][3:5, :1]
        expected = view.copy()
        del first
        for number in range(1, 6):
            pool.begin(Counting(), NUM_ROWS, tasks(pool, 1000 * number)).result()
        np.testing.assert_array_equal(view, expected)
        assert len(pool._memory._mapped) == 2
        del view
        second = pool.begin(Counting(), NUM_ROWS, tasks(pool)).result()
        third = pool.begin(Counting(), NUM_ROWS, tasks(pool)).result()
        assert len(pool._memory._mapped) == 2
        del second, third
        pool.trim()
        assert pool.begin(Counting(), NUM_ROWS, tasks(pool)).result()["number"][-1] == NUM_ROWS - 1


def test_batches_outlive_the_pool():
    with running(1) as pool:
        batch = pool.begin(Counting(), NUM_ROWS, tasks(pool)).result()
    np.testing.assert_array_equal(batch["number"], np.arange(NUM_ROWS))


def test_discarded_batches_free_their_memory():
    with running(1) as pool:
        for _ in range(10):
            pool.begin(Counting(), NUM_ROWS, tasks(pool)).discard()
            pool.begin(Counting(), NUM_ROWS, tasks(pool)).result()
        assert len(pool._memory._mapped) <= 3


def test_many_small_tasks_do_not_jam():
    """More tasks and results than the sockets hold."""
    with running(2) as pool:
        small = [Task(row, row + 1, (row, 1)) for row in range(NUM_ROWS)]
        pending = [pool.begin(Counting(), NUM_ROWS, small) for _ in range(40)]
        for batch in pending:
            np.testing.assert_array_equal(batch.result()["number"], np.arange(NUM_ROWS))


def progress(file: Path) -> int:
    return file.stat().st_size if file.exists() else 0


def at_rest(file: Path) -> int:
    """The progress after which there is none for a while."""
    before = -1
    while before < progress(file):
        before = progress(file)
        time.sleep(0.5)
    return before


def test_training_tasks_stand_still_while_paused(tmp_path):
    log = tmp_path / "rows"
    with running(2) as pool:
        batch = pool.begin(Slow(str(log), 0.01), 200, [Task(start, start + 20, 20) for start in range(0, 200, 20)])
        wait_until(lambda: progress(log) >= 2)
        pool.pause()
        before = at_rest(log)  # after the rows that were begun
        urgent = pool.begin(Counting(), NUM_ROWS, tasks(pool), urgent=True)
        assert urgent.result()["number"][-1] == NUM_ROWS - 1
        time.sleep(0.4)
        assert progress(log) == before < 200
        cpu = [psutil.Process(worker.pid).cpu_times() for worker in pool._workers]
        time.sleep(0.3)
        later = [psutil.Process(worker.pid).cpu_times() for worker in pool._workers]
        assert sum(new.user - old.user for old, new in zip(cpu, later, strict=True)) < 0.05  # they do not spin
        pool.resume()
        batch.result()
        assert progress(log) == 200


def test_tasks_that_come_during_a_pause_wait(tmp_path):
    log = tmp_path / "rows"
    with running(1) as pool:
        pool.begin(Counting(), NUM_ROWS, tasks(pool)).result()
        pool.pause()
        pool.pause()
        batch = pool.begin(Slow(str(log), 0.0), 5, [Task(0, 5, 5)])
        time.sleep(0.3)
        assert progress(log) == 0
        pool.resume()
        pool.resume()
        batch.result()
        assert progress(log) == 5


@pytest.mark.parametrize("num_workers", [0, 1])
def test_damaged_data_is_reported_as_such(num_workers):
    with running(num_workers) as pool:
        with pytest.raises(DataError, match="row 7 is damaged"):
            pool.begin(Failing("data"), NUM_ROWS, tasks(pool)).result()
        pool.begin(Counting(), NUM_ROWS, tasks(pool)).result()  # the others go on


def test_other_errors_bring_their_traceback():
    with (
        running(1) as pool,
        pytest.raises(AlgoperfError, match=r"(?s)A data worker failed.*row_sources\.py.*KeyError: 7"),
    ):
        pool.begin(Failing("other"), NUM_ROWS, tasks(pool)).result()


def test_a_killed_worker_is_noticed(tmp_path):
    with running(2) as pool:
        batch = pool.begin(Slow(str(tmp_path / "rows"), 0.05), 200, [Task(0, 100, 100), Task(100, 200, 100)])
        wait_until(lambda: progress(tmp_path / "rows") >= 1)
        os.kill(pool._workers[0].pid, signal.SIGKILL)
        with pytest.raises(AlgoperfError, match=r"1 of 2 data workers .*SIGKILL.*memory may have run out"):
            batch.result()
        with pytest.raises(AlgoperfError, match="SIGKILL"):
            pool.begin(Counting(), NUM_ROWS, tasks(pool))


def test_workers_ignore_the_signals_of_the_terminal():
    with running(1) as pool:
        pool.begin(Counting(), NUM_ROWS, tasks(pool)).result()
        for number in (signal.SIGINT, signal.SIGTERM):
            os.kill(pool._workers[0].pid, number)
        pool.begin(Counting(), NUM_ROWS, tasks(pool)).result()


PARENT = """
import sys, time
from row_sources import Slow
from algoperf.data.workers.pool import Task, WorkerPool
pool = WorkerPool(2)
if sys.argv[2] == "paused":
    pool.pause()
batch = pool.begin(Slow(sys.argv[1], 0.01), 100000, [Task(n, n + 50, 50) for n in range(0, 100000, 50)][:40])
print(*(worker.pid for worker in pool._workers), flush=True)
time.sleep(100)
"""


@pytest.mark.parametrize("state", ["running", "paused"])
def test_workers_end_with_a_killed_parent(tmp_path, state):
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, str(tmp_path / "rows"), state], stdout=subprocess.PIPE, text=True
    )
    with parent:
        pids = [int(word) for word in parent.stdout.readline().split()]
        wait_until(lambda: state == "paused" or progress(tmp_path / "rows") >= 1)
        time.sleep(0.5 if state == "paused" else 0)
        parent.kill()
    assert len(pids) == 2
    wait_until(lambda: not any(psutil.pid_exists(pid) for pid in pids))


def test_default_number_of_workers(monkeypatch):
    monkeypatch.delenv("ALGOPERF_DATA_WORKERS", raising=False)
    monkeypatch.delenv("LOCAL_WORLD_SIZE", raising=False)
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(48)))
    assert default_num_workers() == 47
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "8")
    assert default_num_workers() == 5
    monkeypatch.setenv("ALGOPERF_DATA_WORKERS", "3")
    assert default_num_workers() == 3
    monkeypatch.setenv("ALGOPERF_DATA_WORKERS", "many")
    with pytest.raises(UserError, match="whole numbers from 0 on"):
        default_num_workers()


def test_workers_that_cannot_start_are_reported(monkeypatch):
    monkeypatch.setattr(sys, "executable", "false")
    with running(1) as pool, pytest.raises(AlgoperfError, match=r"1 of 1 data workers .* \(exit code 1\)"):
        pool.begin(Counting(), NUM_ROWS, tasks(pool)).result()
