"""Memory of a trial on the host: when it is freed, and when it is kept."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys

import jax
import pytest

from algoperf import checkpoint
from places import BASELINES
from trial_runs import Run, copy_first_checkpoint

SCRIPT = """
import resource, torch
from algoperf.frameworks import load_backend
from algoperf.frameworks.torch import workload
from algoperf.random_utils import PRNGKey
from algoperf.versions import load_version
from algoperf.workload.registry import find_workload

def faults(size=1 << 22):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(5):
        torch.ones(size)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

by_default = faults()
backend = load_backend("pytorch")
faults()
kept = faults()
workload._HUGE_BYTES = 1
backend.bind(find_workload("digits"), load_version("v0.6").limits("digits", "full")).init_model_fn(PRNGKey(0))
print(by_default, kept, faults(1 << 24))
"""


def test_pytorch_keeps_freed_memory_unless_its_tensors_are_huge():
    """Empty pages, each of which the kernel has to hand out: by default, with the backend, with a huge parameter."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], env=environment, capture_output=True, text=True, check=True, timeout=200
    )
    by_default, kept, huge = map(int, done.stdout.split())
    assert kept < by_default / 10
    assert huge > by_default


@pytest.mark.usefixtures("optimised_jax")
def test_jax_frees_what_is_replaced_before_it_restores(tmp_path, data_root, monkeypatch):
    run = Run(
        BASELINES / "nadamw_jax", "jax", data_root, tmp_path / "whole", {"max_global_steps": 4, "eval_every_steps": 2}
    )
    copy_first_checkpoint(monkeypatch, run.output, tmp_path / "resumed")
    assert run.here() == 0
    alive = []

    def restore(*given):
        alive.append(sum(array.nbytes for array in jax.live_arrays()))
        restored = checkpoint.files.restore(*given)
        alive.append(sum(array.nbytes for array in jax.live_arrays()))
        return restored

    monkeypatch.setattr(checkpoint, "restore", restore)
    before = sum(array.nbytes for array in jax.live_arrays())
    assert dataclasses.replace(run, output=tmp_path / "resumed").here() == 0
    assert alive[0] - before < (alive[1] - before) / 10
