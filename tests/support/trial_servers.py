"""Runs the trials of the habit table one after the other, in one process per PyTorch device."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from trial_runs import Run

SCRIPT = Path(__file__).with_name("trial_server.py")
# Only CPUs give equal bits. The tests compare trials with each other, so unoptimised code is enough.
QUICK_XLA = "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true"
# Functions that published PyTorch submissions call although torch has deprecated them.
DEPRECATED = "ignore:torch.distributed.nn.functional.all_reduce is deprecated:FutureWarning"


@dataclass(frozen=True)
class Part:
    """A trial until it ends, or until it gets SIGTERM in step `stop_at`."""

    run: Run
    stop_at: int | None = None


class Place:
    """Processes that run one trial at a time: one for JAX with any number of devices, one per device for PyTorch."""

    def __init__(self, framework: str, num_devices: int) -> None:
        self._num_processes = num_devices if framework == "pytorch" else 1
        environment = {
            **os.environ,
            "XLA_FLAGS": f"--xla_force_host_platform_device_count={num_devices} {QUICK_XLA}",
            "JAX_PLATFORMS": "cpu",
            "CUDA_VISIBLE_DEVICES": "",
            "OMP_NUM_THREADS": "1",
        }
        command = [sys.executable, "-W", "error", "-W", DEPRECATED, str(SCRIPT), framework]
        self._processes = [
            subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            for _ in range(self._num_processes)
        ]

    def train(self, parts: Sequence[Part]) -> list[int]:
        """Run the parts in order; returns their exit codes. Of several processes, the first nonzero code counts."""
        return [self._train(part) for part in parts]

    def _train(self, part: Part) -> int:
        part.run.output.mkdir(parents=True, exist_ok=True)
        job = {
            "arguments": part.run.arguments(num_processes=None),
            "log": str(part.run.log),
            "stop_at": part.stop_at,
        }
        for process, environment in zip(self._processes, self._environments(part.run), strict=True):
            print(json.dumps({**job, "environment": environment}), file=process.stdin, flush=True)
        codes = [int(process.stdout.readline()) for process in self._processes]
        return next((code for code in codes if code), 0)

    def _environments(self, run: Run) -> Iterator[dict[str, str]]:
        """Environments: torchrun's variables, and a folder for files that submissions put under /tmp."""
        port = _free_port()
        for rank in range(self._num_processes):
            group = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": self._num_processes, "MASTER_PORT": port}
            torchrun = {"MASTER_ADDR": "127.0.0.1", **{name: str(value) for name, value in group.items()}}
            yield {"TMPDIR": str(run.output), **(torchrun if self._num_processes > 1 else {})}

    def close(self) -> None:
        for process in self._processes:
            process.stdin.close()
            process.wait()
            process.stdout.close()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
