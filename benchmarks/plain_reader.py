"""The minimum that scoring must do: read every file, row by row, and take the time of the first row at the target.

A baseline for `scoring.py`: it checks no files, computes no uncertainty or second rule, and only prints the scores.
"""

from __future__ import annotations

import csv
import math
import statistics
import sys
from collections import defaultdict
from pathlib import Path

import common  # noqa: F401  (finds this clone's packages)

from algoperf.versions import load_version

VERSION = load_version("v0.5")


def first_hit(file: Path, workload: str) -> float:
    """Seconds at the first row that reached the target."""
    limits = VERSION.limits(workload)
    with file.open(newline="") as handle:
        rows = csv.reader(handle)
        header = next(rows)
        time, metric = header.index("score"), header.index(f"validation/{limits.metric}")
        return next((float(row[time]) for row in rows if row[metric] and limits.reached(float(row[metric]))), math.inf)


def main(root: Path) -> None:
    """Print the exact score of every submission."""
    studies: dict[tuple[str, str], dict[str, float]] = defaultdict(dict)
    columns = [*VERSION.scored, *VERSION.held_out.values()]
    for file in root.glob("*/study_*/*_*/trial_*/eval_measurements.csv"):
        submission, study, folder = file.parts[-5:-2]
        workload = folder.rpartition("_")[0]
        if workload in columns:
            cell = studies[submission, workload]
            cell[study] = min(cell.get(study, math.inf), first_hit(file, workload))
    names = sorted({submission for submission, _ in studies})
    time = {(s, w): statistics.median(studies.get((s, w), {"": math.inf}).values()) for s in names for w in columns}
    for workload, variant in VERSION.held_out.items():
        for name in names:
            if math.isinf(time[name, workload]):
                time[name, variant] = math.inf
    best = {workload: min(time[name, workload] for name in names) for workload in columns}
    for (name, workload), seconds in time.items():
        time[name, workload] = seconds if seconds <= 4 * best[workload] else math.inf
    for workload, variant in VERSION.held_out.items():
        for name in names:
            if math.isinf(time[name, variant]):
                time[name, workload] = math.inf
    best = {workload: min(time[name, workload] for name in names) for workload in columns}
    for name in names:
        ratios = [time[name, workload] / best[workload] for workload in VERSION.scored]
        print(name, sum(max(0.0, 4 - ratio) / 3 for ratio in ratios if ratio == ratio) / len(ratios))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
