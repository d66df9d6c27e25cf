"""`benchmarks/update_rules.py` runs, and counts what lists of tensors save."""

from __future__ import annotations

import json
import subprocess
import sys


def test_lists_start_fewer_operations(repository, tmp_path):
    script = repository / "benchmarks" / "update_rules.py"
    options = ["--quick", "--workload", "digits", "--baselines", "nadamw_pytorch", "--json", tmp_path / "rows.json"]
    done = subprocess.run([sys.executable, script, *options], capture_output=True, text=True, check=False, timeout=240)
    assert done.returncode == 0, done.stderr
    (row,) = json.loads((tmp_path / "rows.json").read_text())["rows"]
    assert row["baseline"] == "nadamw_pytorch"
    # digits has 8 parameters, all of which fit into one list
    assert row["single, operations"] == 8 * row["lists, operations"]
    assert row["lists, operations"] == row["lists of a GPU, operations"] == 13
