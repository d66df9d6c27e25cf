"""Graphs on one device or two: with the same batches the same training steps, and the same metrics."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from test_devices import TWO_PROCESSES

from algoperf.data.contracts import dataset_dir
from algoperf.datasets.ogbg.dataset import MOLPCBA
from places import SUPPORT

SCRIPT = SUPPORT / "graph_device_run.py"
# Rounding may exchange two graphs in the ranking that average precision looks at.
RANKING = 1e-3


def run(framework: str, num_devices: int, data_dir: Path, out: Path) -> list[dict[str, np.ndarray]]:
    environment = {
        **os.environ,
        "XLA_FLAGS": f"--xla_force_host_platform_device_count={num_devices}",
        "OMP_NUM_THREADS": "1",
    }
    launcher = TWO_PROCESSES if framework == "pytorch" and num_devices == 2 else ["-W", "error"]
    command = [sys.executable, *launcher, str(SCRIPT), framework, str(data_dir), str(out), "2"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=280)
    assert done.returncode == 0, done.stderr
    results = []
    for file in sorted(out.glob("*.npz")):
        with np.load(file) as arrays:
            results.append(dict(arrays))
    return results


@pytest.mark.parametrize("framework", ["jax", "pytorch"])
def test_one_device_or_two(framework, prepare, tmp_path_factory):
    """Every process reports what one device finds; in PyTorch each of them makes its own graphs only."""
    data_dir = dataset_dir(prepare(MOLPCBA, "mini"), MOLPCBA, "mini")
    with ThreadPoolExecutor() as pool:
        calls = [pool.submit(run, framework, count, data_dir, tmp_path_factory.mktemp("graphs")) for count in (1, 2)]
        [[alone], together] = [call.result() for call in calls]
    assert len(together) == (2 if framework == "pytorch" else 1)
    for process in together:
        assert (alone["num_devices"], process["num_devices"]) == (1, 2)
        assert process.keys() == alone.keys()
        assert process["position"] == alone["position"]
        for name, expected in alone.items():
            tolerance = RANKING if name.endswith("mean_average_precision") else 1e-5
            if name != "num_devices":
                difference = np.linalg.norm(process[name] - expected)
                assert difference <= tolerance * np.linalg.norm(expected) + 1e-8, name
