"""How generous the allowance for evaluations is: published runs that would have been charged for long ones.

    python benchmarks/evaluation_allowance.py ARCHIVE...

Each archive (tar) has `eval_measurements.csv` files in the published layout. What a clean evaluation takes is not known
for published runs: the median of a run's last three stands for it. Runs with fewer than four evaluations are left out,
and so are first evaluations, in which the reference still read its data.
"""

from __future__ import annotations

import csv
import io
import itertools
import statistics
import sys
import tarfile
from collections.abc import Iterator

from algoperf.records.allowance import BASE_SEC, FACTOR, excess_sec
from algoperf.records.layout import EVAL_FILE

COLUMN = "accumulated_eval_time"
FACTORS, LAST = (2.0, 3.0, 4.0, FACTOR), 3


def durations(archive: str) -> Iterator[list[float]]:
    """Seconds of each evaluation of each run whose file has them."""
    with tarfile.open(archive) as files:
        for member in files:
            if not member.name.endswith(EVAL_FILE) or (file := files.extractfile(member)) is None:
                continue
            rows = list(csv.DictReader(io.TextIOWrapper(file, errors="replace")))
            try:
                sums = [float(row[COLUMN]) for row in rows]
            except (KeyError, TypeError, ValueError):
                continue
            found = [after - before for before, after in itertools.pairwise([0.0, *sums])]
            if len(found) > LAST and min(found) > 0:
                yield found


def main() -> None:
    """Print how many runs would be charged, and how much, for several factors."""
    runs = [found for archive in sys.argv[1:] for found in durations(archive)]
    print(f"{len(runs)} runs, {sum(map(len, runs))} evaluations; {BASE_SEC:g} s and the factor:")
    for factor in FACTORS:
        clean = [statistics.median(found[-LAST:]) * factor / FACTOR for found in runs]
        charged = [excess_sec(found[1:], sec)[-1] for found, sec in zip(runs, clean, strict=True)]
        print(f"  {factor:g}: {sum(sec > 0 for sec in charged)} runs charged, at most {max(charged):.0f} s")


if __name__ == "__main__":
    main()
