"""`benchmarks/mini_correlation.py` finds full agreement where there is, and its opposite."""

from __future__ import annotations

import json
import math
import subprocess
import sys

SCRIPT = """
import json, math, sys
sys.path.insert(0, sys.argv[1])
import mini_correlation as script
script.NUM_REPLICATES = 100
names = list(script.PUBLIC)
workloads = ["a", "b", "c", "d"]
def cells(of):
    return {(workload, name): {"steps": of(at, place), "seconds": of(at, place)}
            for at, workload in enumerate(workloads) for place, name in enumerate(names)}
public = cells(lambda at, place: 100.0 * (at + 1) / (place + 1 + at / 10))
mini = {"same": public, "reversed": cells(lambda at, place: 1 / public[workloads[at], names[place]]["steps"]),
        "missed": cells(lambda at, place: math.inf if place == 2 else 1.0 + place)}
found = {name: script.agreement(workloads, of, public, "steps") for name, of in mini.items()}
found["table"] = script.table(workloads[:1], mini["missed"], public)
print(json.dumps(found))
"""


def test_agreement_of_ranks(repository):
    command = [sys.executable, "-c", SCRIPT, str(repository / "benchmarks")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=240)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    same, turned, missed = found["same"], found["reversed"], found["missed"]
    assert (same["rho"], same["n"], same["workloads"]) == (1.0, 8, 4)
    assert math.isclose(same["low"], 1.0)
    assert same["pairs in the same order"] == "12 of 12"
    assert turned["rho"] == -1.0
    assert turned["pairs in the same order"] == "0 of 12"
    assert missed["rho"] < 0, "never is later than late"
    assert found["table"] == [
        {"workload": "a", "steps, mini": "1 2 -", "steps, public": "3 2 1", "seconds, mini": "1 2 -",
         "seconds, public": "3 2 1"}
    ]  # fmt: skip
