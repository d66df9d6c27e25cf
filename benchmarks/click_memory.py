"""Peak memory of criteo1tb at full size: steps, an evaluation and a checkpoint, and the same trial resumed.

Real trials of NAdamW run on data of scale mini, each in a process of its own, on the CPU, where everything is host
memory. Parameters and the two moments have 6.5 GB. Needs 12 GB of free memory, and as much disk as the state.

Goal: at most 1.6 times what parameters and optimizer state need. Dense gradients, which are not counted as needed, make
a step take 1.33 times that.
"""

from __future__ import annotations

import contextlib
import json
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any
from unittest import mock

import common

from algoperf.errors import AlgoperfError

BATCH_SIZE = 4_096
EVALUATED_STEP, LAST_STEP = 2, 3
NUM_ROWS, EMBED_DIM = 4_194_304, 128
WORKLOAD = "criteo1tb"
OTHERS = 2_396_545  # parameters beside the table
COPIES = 3  # parameters, and two moments of NAdamW
GOAL = 1.6
GET_BATCH_SIZE = f"\n\ndef get_batch_size(workload_name):\n    return {BATCH_SIZE}\n"


def peak_bytes() -> int:
    """Most memory that this process has had; not `ru_maxrss`, which begins with that of the parent at the fork."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert found is not None
    return int(found.group(1)) * 1024


class Saved(AlgoperfError):
    """Raised when the first checkpoint is on disk, to end the trial from within."""


def trial(framework: str, num_rows: int, output_dir: Path) -> None:
    """Train, evaluate and save until there is a checkpoint; or go on from the one that is there, to the end."""
    from algoperf.data.contracts import dataset_dir
    from algoperf.frameworks import load_backend
    from algoperf.submission.loading import load_submission
    from algoperf.trial import resume
    from algoperf.workload.registry import find_workload

    full = find_workload(WORKLOAD).with_fields({"model": {"vocab_size": num_rows}})
    small = full.at("mini")
    settings = common.settings(
        WORKLOAD, framework, output_dir, submission_file=output_dir / "submission" / "submission.py",
        max_global_steps=LAST_STEP, eval_every_steps=EVALUATED_STEP, skip_evals=False,
        definition=full.with_fields({"dataset": small.dataset, "examples": small.examples, "eval_batch_size": 8_192}),
        data_dir=dataset_dir(common.DATA, small.dataset, "mini"),
    )  # fmt: skip
    is_first = not settings.directory.exists()
    settings.directory.mkdir(parents=True, exist_ok=True)
    backend, save = load_backend(framework), resume.save  # type: ignore[arg-type]

    def save_and_stop(*given: Any) -> None:
        save(*given)
        if is_first:
            raise Saved("saved")

    before, begin, status = peak_bytes(), time.monotonic(), "saved"
    with mock.patch.object(resume, "save", save_and_stop), contextlib.suppress(Saved):
        status = common.run_trial(settings, load_submission(settings.submission_file), backend).name.lower()
    seconds = time.monotonic() - begin
    print(json.dumps({"status": status, "imported": before, "peak": peak_bytes(), "s": seconds}))


def measure(framework: str, num_rows: int, folder: Path) -> list[dict[str, Any]]:
    """A row for the first process, and one for the resumed one."""
    source = (common.baseline(framework) / "submission.py").read_text()
    (folder / "submission").mkdir()  # of its own: all files of the folder of a submission are hashed
    (folder / "submission" / "submission.py").write_text(source + GET_BATCH_SIZE)
    rows = []
    for what in ("steps, evaluation, checkpoint", "resumed"):
        command = [sys.executable, __file__, "--trial", framework, str(num_rows), str(folder)]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
        found = json.loads(done.stdout.splitlines()[-1])
        needed = COPIES * 4 * (num_rows * EMBED_DIM + OTHERS)
        rows.append(
            {"framework": framework, "trial": what, "status": found["status"], "imported GB": found["imported"] / 1e9,
             "peak GB": found["peak"] / 1e9, "peak / needed": found["peak"] / needed, "goal": GOAL, "s": found["s"]}
        )  # fmt: skip
        print(rows[-1], flush=True)
    return rows


def main() -> None:
    """Measure the requested frameworks."""
    if sys.argv[1:2] == ["--trial"]:
        framework, num_rows, folder = sys.argv[2:]
        trial(framework, int(num_rows), Path(folder))
        return
    parser = common.parser(__doc__)
    parser.add_argument("--frameworks", default=",".join(common.FRAMEWORKS))
    parser.add_argument("--rows", type=int, default=NUM_ROWS, help="of the table; fewer for a rehearsal")
    options = parser.parse_args()
    common.prepare(WORKLOAD)
    rows = []
    for framework in options.frameworks.split(","):
        with tempfile.TemporaryDirectory(dir=common.ROOT / "build") as made:
            rows += measure(framework, options.rows, Path(made))
    common.report("Memory of criteo1tb at full size", rows, options.json)


if __name__ == "__main__":
    main()
