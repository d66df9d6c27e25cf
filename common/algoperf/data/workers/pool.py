"""Worker processes that make batches in shared memory.

    parent --tasks (training)--> workers     any free worker takes the next task
    parent --tasks (urgent)----> workers     evaluation: goes first, and also while training tasks must wait
    parent <--results----------- workers
    parent --gate--------------> workers     while closed, no training task makes progress

Workers are separate programs, not forks, because this process may have threads and devices. They exit when the
sockets close; the kernel closes them if this process is killed.
"""

from __future__ import annotations

import atexit
import os
import pickle
import select
import signal
import socket
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn, Protocol

import numpy as np

from algoperf.data.contracts import Batch, PendingBatch
from algoperf.data.workers.shared_memory import Layout, SharedMemory, Slot, bytes_needed
from algoperf.errors import AlgoperfError, DataError, UserError
from algoperf.system import clean_python, local_process, usable_cores

WORKERS_VARIABLE = "ALGOPERF_DATA_WORKERS"
_DEATH_SEC = 1.0  # time for a process that has closed its sockets to end
MESSAGE_BYTES = 1 << 17


class RowSource(Protocol):
    """Makes rows of batches. It is pickled into every task, so it should hold little more than a path."""

    def layout(self) -> Layout:
        """The fields of a batch."""
        ...

    def fill(self, task: Any, out: Mapping[str, np.ndarray], between: Callable[[], None]) -> None:
        """Make the rows that `task` describes. Call `between` after each row: a worker may have to wait there."""
        ...


@dataclass(frozen=True)
class Task:
    """One worker's part of a batch: which rows, and what the source needs to make them."""

    start: int
    stop: int
    content: Any


@dataclass(frozen=True)
class _Later:
    """A batch that this process makes on demand."""

    source: RowSource
    num_rows: int
    tasks: Sequence[Task]

    def wait(self) -> None:
        """No worker is involved: return at once."""

    def result(self) -> Batch:
        batch = {
            name: np.empty((self.num_rows, *shape), dtype) for name, (shape, dtype) in self.source.layout().items()
        }
        for task in self.tasks:
            part = {name: array[task.start : task.stop] for name, array in batch.items()}
            self.source.fill(task.content, part, _go_on)
        return batch

    def discard(self) -> None:
        """Nothing has been started: do nothing."""


def _go_on() -> None:
    """The `between` of this process: never wait."""


class _Shared:
    """A batch that workers are making."""

    def __init__(self, pool: WorkerPool, slot: Slot, layout: Layout, num_rows: int, num_tasks: int) -> None:
        self.missing, self.discarded = num_tasks, False
        self.error: AlgoperfError | None = None
        self._pool, self._slot, self._layout, self._num_rows = pool, slot, layout, num_rows

    def wait(self) -> None:
        """Wait for the workers."""
        while self.missing:
            self._pool._receive(wait=True)

    def result(self) -> Batch:
        """Return the arrays that the workers filled, or raise what one of them raised."""
        self.wait()
        if self.error is not None:
            self._pool._memory.give_back(self._slot)
            raise self.error
        return self._pool._memory.arrays(self._slot, self._layout, self._num_rows)

    def discard(self) -> None:
        """Reuse the memory once the workers are done."""
        self.discarded = True
        if not self.missing:
            self._pool._memory.give_back(self._slot)

    def _done(self, error: AlgoperfError | None) -> None:
        self.missing -= 1
        self.error = self.error or error
        if self.discarded and not self.missing:
            self._pool._memory.give_back(self._slot)


class WorkerPool:
    """Makes batches in `num_workers` processes, or in this process if that is 0."""

    def __init__(self, num_workers: int) -> None:
        self.num_workers = num_workers
        self._batches: dict[int, _Shared] = {}
        self._next_batch = 0
        self._paused = False
        self._workers: list[subprocess.Popen[bytes]] = []
        self._broken: str | None = None
        if num_workers:
            self._start()

    def begin(self, source: RowSource, num_rows: int, tasks: Sequence[Task], *, urgent: bool = False) -> PendingBatch:
        """Start making a batch. Urgent batches go first, and are made even while the pool is paused."""
        if not self.num_workers:
            return _Later(source, num_rows, tasks)
        if self._broken:
            raise AlgoperfError(self._broken)
        layout = source.layout()
        slot = self._memory.take(bytes_needed(layout, num_rows))
        number, self._next_batch = self._next_batch, self._next_batch + 1
        batch = self._batches[number] = _Shared(self, slot, layout, num_rows, len(tasks))
        sock = self._urgent if urgent else self._training
        for task in tasks:
            self._send(sock, pickle.dumps((number, slot, num_rows, source, task)))
        return batch

    def pause(self) -> None:
        """Stop training tasks, from the next row on, until `resume`."""
        if self.num_workers and not self._paused:
            os.read(self._gate[0], 1)
        self._paused = True

    def resume(self) -> None:
        """Let training tasks continue."""
        if self.num_workers and self._paused:
            os.write(self._gate[1], b"+")
        self._paused = False

    def trim(self) -> None:
        """Give unused shared memory back to the system."""
        if self._workers:
            self._memory.trim()

    def close(self) -> None:
        """End the workers. Batches that are in use stay valid."""
        if not self._workers:
            return
        for sock in (self._training, self._urgent, self._results):
            sock.close()
        for descriptor in (*self._gate, *self._watched):
            os.close(descriptor)
        for worker in self._workers:
            worker.kill()  # it has nothing to clean up
            worker.wait()
        self._workers = []
        self._memory.close()
        self._broken = self._broken or "The data workers have been ended."

    def _start(self) -> None:
        self._memory = SharedMemory()
        self._training, training = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._urgent, urgent = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._results, results = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._gate = os.pipe()
        os.write(self._gate[1], b"+")
        theirs = [training.fileno(), urgent.fileno(), results.fileno(), self._gate[0], self._memory.descriptor]
        command = clean_python("algoperf.data.workers.worker", *map(str, theirs))
        environment = _environment()
        self._workers = [
            subprocess.Popen(command, pass_fds=theirs, env=environment, stdin=subprocess.DEVNULL)
            for _ in range(self.num_workers)
        ]
        for sock in (training, urgent, results):
            sock.close()
        self._watched = [os.pidfd_open(worker.pid) for worker in self._workers]
        for own in (self._training, self._urgent, self._results):
            own.setblocking(False)
        atexit.register(self.close)

    def _send(self, sock: socket.socket, message: bytes) -> None:
        while True:
            try:
                sock.send(message)
            except BlockingIOError:  # workers may be waiting for us to take their results
                wait_until_ready([self._results.fileno(), *self._watched], writable=sock.fileno())
                self._receive(wait=False)
            except (BrokenPipeError, ConnectionResetError):
                self._fail()
            else:
                return

    def _receive(self, *, wait: bool) -> None:
        """Take one result if there is one, or wait for it if `wait`. Raises if a worker has ended."""
        if self._broken:
            raise AlgoperfError(self._broken)
        ready = wait_until_ready([self._results.fileno(), *self._watched], timeout_sec=None if wait else 0)
        if self._results.fileno() in ready:
            message = self._results.recv(MESSAGE_BYTES)
            if not message:
                self._fail()
            number, failure = pickle.loads(message)
            batch = self._batches[number]
            batch._done(None if failure is None else _as_error(*failure))
            if not batch.missing:
                del self._batches[number]
        elif ready:
            self._fail()

    def _fail(self) -> NoReturn:
        wait_until_ready(self._watched, timeout_sec=_DEATH_SEC)
        codes = [code for code in (worker.poll() for worker in self._workers) if code is not None]
        how = ", ".join(
            f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
            for code in sorted(set(codes))
        )
        self._broken = (
            f"{len(codes) or 'Some'} of {self.num_workers} data workers ended unexpectedly ({how or 'still ending'}). "
            f"If that was SIGKILL, memory may have run out: fewer workers need less ({WORKERS_VARIABLE})."
        )
        self.close()
        raise AlgoperfError(self._broken)


def wait_until_ready(
    readable: Sequence[int], *, writable: int | None = None, timeout_sec: float | None = None
) -> set[int]:
    """Which of the descriptors are ready. Unlike `select`, this works for descriptors of any number."""
    poll = select.poll()
    for descriptor in readable:
        poll.register(descriptor, select.POLLIN)
    if writable is not None:
        poll.register(writable, select.POLLOUT)
    return {descriptor for descriptor, _ in poll.poll(None if timeout_sec is None else timeout_sec * 1000)}


def _as_error(kind: str, message: str) -> AlgoperfError:
    return DataError(message) if kind == "data" else AlgoperfError(f"A data worker failed:\n{message}")


def _environment() -> dict[str, str]:
    """One thread per worker, and the same `algoperf` package as in this process."""
    package_root = str(Path(__file__).resolve().parents[3])
    path = os.pathsep.join([package_root, *filter(None, [os.environ.get("PYTHONPATH")])])
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    # Keep the working directory off the path: it belongs to the user and may hold anything.
    return {**os.environ, **threads, "PYTHONPATH": path, "PYTHONSAFEPATH": "1"}


def default_num_workers() -> int:
    """ALGOPERF_DATA_WORKERS, or this process's share of the cores, less one for itself."""
    given = os.environ.get(WORKERS_VARIABLE)
    if given is not None:
        if not given.isdigit():
            raise UserError(f"{WORKERS_VARIABLE}={given!r}: allowed are whole numbers from 0 on.")
        return int(given)
    num_processes = local_process()[1]
    return max(0, usable_cores() // num_processes - 1)


_pool: WorkerPool | None = None


def shared_pool() -> WorkerPool:
    """The pool of this process, started when it is first needed."""
    global _pool  # noqa: PLW0603  # one per process: all datasets share the cores
    if _pool is None or _pool._broken:
        _pool = WorkerPool(default_num_workers())
    return _pool
