"""A worker of `pool.py`: takes tasks, makes rows in shared memory, and reports when they are done."""

from __future__ import annotations

import mmap
import os
import pickle
import signal
import socket
import sys
import traceback
from collections.abc import Callable

from algoperf.data.workers.pool import MESSAGE_BYTES, wait_until_ready
from algoperf.data.workers.shared_memory import Slot, arrays_in
from algoperf.errors import DataError

_LONGEST_MESSAGE = MESSAGE_BYTES // 2


class _ParentGoneError(Exception):
    """The parent process is gone."""


class _Worker:
    def __init__(self, training: int, urgent: int, results: int, gate: int, memory: int) -> None:
        self._training, self._urgent = (socket.socket(fileno=number) for number in (training, urgent))
        self._results = socket.socket(fileno=results)
        self._gate, self._memory = gate, memory
        self._mapped: dict[Slot, mmap.mmap] = {}

    def run(self) -> None:
        """Work until the parent is gone."""
        while True:
            if not self._gate_is_open():
                self._wait_for_gate()
            wait_until_ready([self._urgent.fileno(), self._training.fileno()])
            if not self._serve(self._urgent, lambda: None) and self._gate_is_open():
                self._serve(self._training, self._between)

    def _gate_is_open(self) -> bool:
        return bool(wait_until_ready([self._gate], timeout_sec=0))

    def _between(self) -> None:
        if not self._gate_is_open():
            self._wait_for_gate()

    def _wait_for_gate(self) -> None:
        """Do only urgent tasks until the gate opens."""
        while not self._gate_is_open():
            wait_until_ready([self._urgent.fileno(), self._gate])
            self._serve(self._urgent, lambda: None)

    def _serve(self, sock: socket.socket, between: Callable[[], None]) -> bool:
        """Try to take and run a task, and return whether there was one: another worker may be faster."""
        try:
            message = sock.recv(MESSAGE_BYTES, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return False
        if not message:
            raise _ParentGoneError
        number, slot, num_rows, source, task = pickle.loads(message)
        failure = None
        try:
            arrays = arrays_in(self._map(slot), source.layout(), num_rows)
            part = {name: array[task.start : task.stop] for name, array in arrays.items()}
            source.fill(task.content, part, between)
        except DataError as error:
            failure = ("data", str(error))
        except _ParentGoneError:
            raise
        except Exception:
            failure = ("other", traceback.format_exc()[-_LONGEST_MESSAGE:])
        self._results.send(pickle.dumps((number, failure)))
        return True

    def _map(self, slot: Slot) -> mmap.mmap:
        if slot not in self._mapped:
            self._mapped[slot] = mmap.mmap(self._memory, slot.num_bytes, offset=slot.offset)
        return self._mapped[slot]


def main() -> None:
    """Work for the parent. Ignore signals meant for it: a step that is finishing still needs its data."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    try:
        _Worker(*map(int, sys.argv[1:])).run()
    except (_ParentGoneError, BrokenPipeError, ConnectionResetError):
        os._exit(0)


if __name__ == "__main__":
    main()
