"""A trial of PyTorch on a CPU does not ask the kernel for the same memory at every step."""

from __future__ import annotations

import os
import subprocess
import sys

SCRIPT = """
import resource, torch
from algoperf.frameworks import load_backend

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(5):
        torch.ones(1 << 22)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

by_default = faults()
load_backend("pytorch")
faults()
print(by_default, faults())
"""


def test_freed_memory_is_kept():
    """Empty pages, each of which the kernel has to hand out: without the backend, and with it."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], env=environment, capture_output=True, text=True, check=True, timeout=200
    )
    by_default, kept = map(int, done.stdout.split())
    assert kept < by_default / 10
