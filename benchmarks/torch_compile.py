"""The effect of `torch.compile` on each workload's full-scale model on CPU: compile time, fallback frames, speed.

Every case is a real trial without evaluations, in a separate process with an empty compilation cache.
"""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import common

BATCH_SIZES = {
    "mnist": 128,
    **dict.fromkeys(common.FULL_MODELS, 8),
    "ogbg": 64,
    "finewebedu_lm": 1,
    "librispeech_deepspeech": 2,
    "wmt": 2,
}
del BATCH_SIZES["librispeech_conformer"]  # never compiled, as published
STEPS = 4
POLICIES = {"eager": "off", "compiled": "on"}


def measure(workload: str, policy: str) -> dict[str, Any]:
    """Run one trial; returns seconds of the first step and of a later one."""
    from algoperf.frameworks import load_backend
    from algoperf.records.status import Status, read_status
    from algoperf.submission.loading import load_submission

    with tempfile.TemporaryDirectory() as folder:
        settings = common.settings(
            workload, "pytorch", Path(folder), compile_policy=policy, max_global_steps=STEPS, keep_checkpoints=None
        )
        submission = load_submission(settings.submission_file)
        batched = dataclasses.replace(submission, get_batch_size=lambda name: BATCH_SIZES[workload])
        end = common.run_trial(settings, batched, load_backend("pytorch"))
        status = read_status(settings.directory) or {}
    if end is not Status.MAX_STEPS_REACHED:
        raise SystemExit(f"{workload}: {status['message']}")
    seconds = status["seconds"]
    return {
        "first step s": seconds["first_step"],
        "compiling s": seconds["compile"],
        "later step ms": (seconds["submission"] - seconds["first_step"]) / (STEPS - 1) * 1e3,
        "what": status["compilation"],
    }


def main() -> None:
    """Measure every case in a separate process."""
    parser = common.parser(__doc__)
    parser.add_argument("--workloads", default=",".join(BATCH_SIZES), help="these only, separated by commas")
    parser.add_argument("--case", nargs=2, metavar=("WORKLOAD", "POLICY"), help="only this one")
    options = parser.parse_args()
    if options.case:
        print(json.dumps(measure(*options.case)))
        return
    rows = []
    for workload in options.workloads.split(","):
        common.prepare(workload)
        for name, policy in POLICIES.items():
            with tempfile.TemporaryDirectory() as cache:
                environment = {"OMP_NUM_THREADS": "1", **os.environ, "TORCHINDUCTOR_CACHE_DIR": cache}
                command = [sys.executable, __file__, "--case", workload, policy]
                done = subprocess.run(command, check=True, stdout=subprocess.PIPE, env=environment)
            found = json.loads(done.stdout.splitlines()[-1])
            rows.append({"workload": workload, "batch": BATCH_SIZES[workload], "mode": name, **found})
    common.report("torch.compile on CPU", rows, options.json)


if __name__ == "__main__":
    main()
