"""Starts several processes of one trial on one machine as torchrun would, watches them, and ends them together.

torchrun itself adds its own traceback when a process fails, and leaves its processes running when it is killed. Users
may still start a trial with their own torchrun.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from types import FrameType

from algoperf.system import follow, usable_cores

_PARENT = "ALGOPERF_PARENT_PROCESS"
_POLL_SEC = 0.05


def is_member() -> bool:
    """Whether this process was started by `run`."""
    return _PARENT in os.environ


def die_with_parent() -> None:
    """Have the kernel kill this process when the one that started it by `run` ends, for whatever reason."""
    follow(int(os.environ[_PARENT]))


def run(command: list[str], num_processes: int, grace_sec: float = 30.0) -> list[int]:
    """Run `command` in `num_processes` processes; returns their exit codes, or negative signal numbers.

    Every SIGTERM and SIGINT is passed on. When one process has ended, the others have `grace_sec` seconds to end too;
    then they are killed.
    """
    port = _free_port()
    processes = [
        subprocess.Popen(command, env=_environment(rank, num_processes, port), process_group=0)
        for rank in range(num_processes)
    ]

    def pass_on(number: int, frame: FrameType | None) -> None:
        del frame
        for process in processes:
            process.send_signal(number)

    handlers = {number: signal.signal(number, pass_on) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        return _wait(processes, grace_sec)
    finally:
        _restore(handlers)
        for process in processes:
            process.kill()


def _restore(handlers: dict[signal.Signals, Callable[[int, FrameType | None], object] | int | None]) -> None:
    for number, handler in handlers.items():
        signal.signal(number, handler)


def _wait(processes: list[subprocess.Popen[bytes]], grace_sec: float) -> list[int]:
    deadline = None
    while None in (codes := [process.poll() for process in processes]):
        if deadline is None and any(code is not None for code in codes):
            deadline = time.monotonic() + grace_sec
        if deadline is not None and time.monotonic() > deadline:
            for process in processes:
                process.kill()
        time.sleep(_POLL_SEC)
    return [process.wait() for process in processes]


def _environment(rank: int, num_processes: int, port: int) -> dict[str, str]:
    """The variables that torchrun sets and `torch.distributed` reads."""
    threads = max(1, usable_cores() // num_processes)
    return {
        "OMP_NUM_THREADS": str(threads),
        **os.environ,
        _PARENT: str(os.getpid()),
        "RANK": str(rank),
        "LOCAL_RANK": str(rank),
        "WORLD_SIZE": str(num_processes),
        "LOCAL_WORLD_SIZE": str(num_processes),
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
    }


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
