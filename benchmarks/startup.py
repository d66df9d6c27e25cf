"""What a user waits for: help, a trial that is already finished, and the first step of a new trial.

It reports CPU time, which other load hardly changes, and wall time. Goal: at most 0.5 CPU seconds for
`algoperf --help`. The first step ends when its update function returns; it includes JAX's compilation.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import common


def train(submission: Path, framework: str, output_dir: Path, steps: int = 2) -> list[str | Path]:
    """The command that trains for a few steps on mnist."""
    return [
        common.ALGOPERF, "train", "--workload", "mnist", "--framework", framework, "--submission", submission,
        "--ruleset", "self", "--scale", common.SCALES["mnist"], "--data-dir", common.DATA,
        "--output-dir", output_dir, "--max-global-steps", str(steps), "--skip-evals",
    ]  # fmt: skip


def whole(what: str, command: list[str | Path], repetitions: int) -> dict[str, Any]:
    """Medians over whole processes; the first one warms the page cache and is not counted."""
    runs = [common.timed(command) for _ in range(repetitions + 1)][1:]
    return {
        "what": what,
        "CPU s": statistics.median(run.cpu for run in runs),
        "wall s": statistics.median(run.wall for run in runs),
    }


def first_step(framework: str, folder: Path, repetitions: int) -> list[dict[str, Any]]:
    """Median times from the call to the first step."""
    submission = common.probing_submission(folder, framework)
    begins, ends = [], []
    for repetition in range(repetitions + 1):
        called = time.time()
        run = common.timed(train(submission, framework, folder / f"runs_{framework}_{repetition}"))
        begins.append(common.probed(run.output, "begins") - called)
        ends.append(common.probed(run.output, "ended") - called)
    return [
        {"what": f"call to begin of first step, {framework}", "wall s": statistics.median(begins[1:])},
        {"what": f"call to end of first step, {framework}", "wall s": statistics.median(ends[1:])},
    ]


def main() -> None:
    """Measure all."""
    options = common.parser(__doc__).parse_args()
    repetitions = 2 if options.quick else 7
    common.prepare("mnist")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        rows = [whole("`algoperf --help`", [common.ALGOPERF, "--help"], repetitions)]
        rows.append(whole("`algoperf train --help`", [common.ALGOPERF, "train", "--help"], repetitions))
        for framework in common.FRAMEWORKS:
            rows += first_step(framework, folder, repetitions)
            command = train(common.baseline(framework), framework, folder / "finished")
            common.timed(command)
            rows.append(whole(f"`algoperf train` on a finished trial, {framework}", command, repetitions))
    common.report("Start-up (median)", rows, options.json)


if __name__ == "__main__":
    main()
