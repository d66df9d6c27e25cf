"""How long runs take: at most, and probably. Evaluations and logging count: they are paid for as well."""

from __future__ import annotations

import functools
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from algoperf.records.csv_file import CsvFile
from algoperf.records.layout import EVAL_FILE
from algoperf.versions import reading
from algoperf.workload.registry import base_workload_name

_PUBLISHED = Path(__file__).with_name("published_runs.toml")
_UNKNOWN_UNTIMED = 0.5  # a guess, and named so: the mean of the published workloads but for criteo1tb is 0.24


@dataclass(frozen=True)
class Estimate:
    """Seconds of one run.

    Attributes:
      bound_sec: if the whole budget is spent, evaluations included.
      estimate_sec: the mean of what such runs have taken.
      source: where that is known from.
    """

    bound_sec: float
    estimate_sec: float
    source: str


def estimate(workload: str, framework: str, ruleset: str, budget_sec: float, logs: Sequence[Path]) -> Estimate:
    """Times of one run: from recorded runs of the workload in `logs`, else from published ones, else a guess.

    Recorded runs of the same framework come first. Short runs say little about evaluations, so that the bound uses
    the larger of their share and the published one.
    """
    published = _published().get(ruleset, {}).get(base_workload_name(workload, tuple(_published()["self"])))
    recorded = _recorded(workload, framework, logs)
    if recorded:
        untimed = statistics.fmean(total / timed - 1 for timed, total in recorded)
        if published is not None:
            untimed = max(untimed, published["untimed"])
        mean = statistics.fmean(total for _, total in recorded)
        return Estimate(max(budget_sec * (1 + untimed), mean), mean, f"{len(recorded)} recorded runs")
    if published is not None:
        untimed, share = published["untimed"], published["budget_share"]
        bound = budget_sec * (1 + untimed)
        return Estimate(bound, bound * share, f"{published['runs']:.0f} published runs of v0.5")
    bound = budget_sec * (1 + _UNKNOWN_UNTIMED)
    return Estimate(bound, bound, "no such run is known: the whole budget, and half of it again for evaluations")


def _recorded(workload: str, framework: str, logs: Sequence[Path]) -> list[tuple[float, float]]:
    """Submission time and whole duration, in seconds, of the recorded runs of a workload."""
    for pattern in (f"{workload}_{framework}", f"{workload}_*"):
        folders = [folder for root in logs for folder in root.glob(f"*/study_*/{pattern}/trial_*")]
        found = [times for folder in folders if (times := _times(folder)) is not None]
        if found:
            return found
    return []


def _times(folder: Path) -> tuple[float, float] | None:
    """What the last evaluation of a run says of its times; None if there is none."""
    rows = CsvFile.read(folder / EVAL_FILE)
    try:
        timed, total = float(rows[-1]["accumulated_submission_time"]), float(rows[-1]["total_duration"])
    except (IndexError, KeyError, ValueError):
        return None
    return (timed, total) if 0 < timed <= total else None


@functools.cache
def _published() -> dict[str, dict[str, dict[str, float]]]:
    return reading.read_toml(_PUBLISHED)
