"""Trains every baseline to the targets of `digits` under self-tuning: the table of submissions/README.md.

Evaluations are every ten steps, not by time, so the number of steps to the targets does not depend on the machine or
its load. Seconds do: they are the submission time after the first step, in which JAX compiles. Compiled code is cached
for all studies.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import statistics
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")  # spinning threads starve other processes

import common

os.environ.update(
    JAX_COMPILATION_CACHE_DIR=str(common.DATA.parent / "jax_cache"),
    JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS="0",
    JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES="-1",
)

from algoperf.cli import main as algoperf

BASELINES = common.ROOT / "submissions" / "baselines"
README = common.ROOT / "submissions" / "README.md"
TABLE = re.compile(r"(<!-- digits_baselines.py --write -->\n).*?(\n<!-- end -->)", re.DOTALL)
EVERY, MAX_STEPS = 10, 3000


def names() -> list[str]:
    """Names of the baselines, without their frameworks."""
    return sorted({path.parent.name.rpartition("_")[0] for path in BASELINES.glob("*/submission.py")})


def call(*words: Any) -> None:
    """Run the command line in this process, quietly: importing a framework takes longer than most trials."""
    with contextlib.redirect_stdout(io.StringIO()) as output:
        try:
            algoperf([str(word) for word in words])
        except SystemExit as end:
            if end.code:
                sys.exit(f"algoperf {' '.join(map(str, words))}\nfailed:\n{output.getvalue()}")


def train(submission: Path, framework: str, study: int, folder: Path) -> dict[str, Any]:
    """Run one trial and return its status."""
    call(
        "train", "--workload", "digits", "--framework", framework, "--submission", submission, "--ruleset", "self",
        "--study", study, "--data-dir", common.DATA, "--output-dir", folder, "--checkpoints", "none",
        "--eval-every-steps", EVERY, "--max-global-steps", MAX_STEPS, "--num-processes", 1,
    )  # fmt: skip
    file = folder / submission.name / f"study_{study}" / f"digits_{framework}" / "trial_1" / "status.json"
    status: dict[str, Any] = json.loads(file.read_text())
    return status


def row(name: str, studies: Sequence[int]) -> dict[str, str]:
    """A baseline's steps to the targets per study, and median seconds after the first step, in both frameworks."""
    cells = {"baseline": name}
    for framework in common.FRAMEWORKS:
        with tempfile.TemporaryDirectory() as folder:
            runs = [train(BASELINES / f"{name}_{framework}", framework, study, Path(folder)) for study in studies]
        steps = [str(run["global_step"]) if run["status"] == "target_reached" else run["status"] for run in runs]
        cells[f"{framework}: steps"] = ", ".join(steps)
        seconds = [run["seconds"]["submission"] - run["seconds"]["first_step"] for run in runs]
        cells[f"{framework}: seconds"] = f"{statistics.median(seconds):.2f}"
    return cells


def main() -> None:
    """Print the table; with --write, update the one in submissions/README.md."""
    parser = common.parser(__doc__)
    parser.add_argument("--studies", type=int, default=3, metavar="N", help="repetitions with other seeds")
    parser.add_argument("--write", action="store_true", help="put the table into submissions/README.md")
    parser.add_argument("names", nargs="*", help="baselines without their framework; all if none is named")
    options = parser.parse_args()
    if options.write and (options.names or options.quick):
        parser.error("--write is for the whole table: not with --quick, and without names.")
    if unknown := set(options.names) - set(names()):
        parser.error(f"no baseline {', '.join(sorted(unknown))}. There are: {', '.join(names())}.")
    common.prepare("digits")
    studies, rows = range(1, 2 if options.quick else options.studies + 1), []
    for name in options.names or names():
        rows.append(row(name, studies))
        print(*rows[-1].values(), sep=" | ", file=sys.stderr, flush=True)
    common.report(f"Baselines on digits, {len(studies)} studies", rows, options.json)
    if options.write:
        README.write_text(TABLE.sub(lambda found: found[1] + common.markdown(rows) + found[2], README.read_text()))


if __name__ == "__main__":
    main()
