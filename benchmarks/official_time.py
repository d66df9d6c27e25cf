"""What it costs that the official time is the parent's: its difference from the trial's own account, and its CPU time.

Each trial is a short one of the baseline, with evaluations by steps. A difference per evaluation is what the parent has
charged to the submission since the evaluation before, minus what the trial itself has. The parent's CPU seconds are
those of `algoperf train` without its processes, from its start to its end: imports included.
"""

from __future__ import annotations

import itertools
import json
import statistics
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import common
import psutil

WORKLOADS = ("digits", "mnist", "cifar")
STEPS, EVALUATIONS = {"digits": 1000, "mnist": 400, "cifar": 20}, 20
_SAMPLE_SEC = 0.02


def train(workload: str, framework: str, folder: Path, num_evaluations: int) -> tuple[dict[str, Any], float]:
    """Run a trial; returns its parent's account, and the CPU seconds of the parent itself."""
    every = STEPS[workload] // EVALUATIONS
    options = {
        "workload": workload, "framework": framework, "submission": common.baseline(framework), "ruleset": "self",
        "scale": common.SCALES.get(workload, "mini"), "data-dir": common.DATA, "output-dir": folder,
        "max-global-steps": every * num_evaluations, "eval-every-steps": every, "num-processes": 1,
    }  # fmt: skip
    words = [str(word) for name, value in options.items() for word in (f"--{name}", value)]
    command = [str(common.ALGOPERF), "train", *words, "--share", "--no-verify"]
    used = 0.0
    with (folder / "output").open("w") as output, psutil.Popen(command, stdout=output, stderr=output) as parent:
        while parent.poll() is None:
            try:
                times = parent.cpu_times()
                used = max(used, times.user + times.system)
                parent.wait(_SAMPLE_SEC)
            except (psutil.TimeoutExpired, psutil.NoSuchProcess, subprocess.TimeoutExpired):
                continue
    if parent.returncode != 0:
        raise SystemExit((folder / "output").read_text())
    (file,) = folder.rglob("referee.json")
    account: dict[str, Any] = json.loads(file.read_text())
    return account, used


def row(workload: str, framework: str, num_evaluations: int) -> dict[str, Any]:
    """The differences of a trial."""
    with tempfile.TemporaryDirectory() as folder:
        account, used = train(workload, framework, Path(folder), num_evaluations)
    evaluations = account["evaluations"]
    ahead = [0.0, *(each["submission_sec"] - each["trial_sec"] for each in evaluations)]
    differences = [1000 * (after - before) for before, after in itertools.pairwise(ahead)]
    return {
        "workload": workload,
        "framework": framework,
        "evaluations": len(evaluations),
        "official s": evaluations[-1]["submission_sec"],
        "difference ms per evaluation": statistics.median(differences),
        "middle half": common.spread(differences),
        "largest ms": max(differences, key=abs),
        "parent's CPU s": used,
    }


def main() -> None:
    """Measure all workloads in both frameworks."""
    options = common.parser(__doc__).parse_args()
    rows = []
    for workload in WORKLOADS:
        common.prepare(workload)
        num_evaluations = 4 if options.quick else EVALUATIONS
        rows += [row(workload, framework, num_evaluations) for framework in common.FRAMEWORKS]
    common.report("Official time and the trial's own account", rows, options.json)


if __name__ == "__main__":
    main()
