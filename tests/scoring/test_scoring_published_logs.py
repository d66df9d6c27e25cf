"""The logs of a past competition; skipped where they are not at hand."""

from __future__ import annotations

import csv
import math
import tarfile
from pathlib import Path

import pytest

import algoperf_scoring
from algoperf.versions import load_version

LOGS = Path(__file__).parents[3] / "shared" / "logs"
ARCHIVE = LOGS / "v05_self.tar.xz"
GOLDEN = LOGS / "v05_self" / "time_to_targets.min_time.csv"

# Published scores (4 decimals, trapezoid) of submissions whose score the held-out rule leaves alone.
PUBLISHED = {
    "schedule_free_adamw": 0.8542,
    "baseline": 0.8194,
    "sinv6_75": 0.1420,
    "sinv6": 0.0903,
    "adamg": 0.0,
}


@pytest.mark.skipif(not ARCHIVE.is_file() or not GOLDEN.is_file(), reason="competition logs are not at hand")
def test_self_tuning_logs_of_v05_give_the_published_times_and_scores(tmp_path: Path):
    with tarfile.open(ARCHIVE) as archive:
        archive.extractall(tmp_path, filter="data")
    board = algoperf_scoring.score(tmp_path, load_version("v0.5"), "self")
    entries = {entry.submission: entry for entry in board.entries}
    with GOLDEN.open(newline="") as file:
        golden = {row["submission"]: row for row in csv.DictReader(file)}
    assert set(entries) == set(golden)
    for name, entry in entries.items():
        for workload in board.workloads:
            _check(entry.cells.get(workload), golden[name][workload])
    for name, published in PUBLISHED.items():
        assert entries[name].score_trapezoid == pytest.approx(published, abs=6e-5)


def _check(cell: algoperf_scoring.Cell | None, golden: str) -> None:
    """An empty field means that there is no evaluation at all, `inf` that the target was not reached."""
    if not golden:
        assert cell is None
    else:
        assert cell is not None
        assert cell.seconds == float(golden) or math.isclose(cell.seconds, float(golden), abs_tol=1e-9, rel_tol=0)
