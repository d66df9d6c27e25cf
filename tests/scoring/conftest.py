"""Builds folders of runs in the published layout."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from algoperf.versions import load_version


class Runs:
    """A folder of runs to be filled, with targets of `version`; `trial` returns the trial's folder."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.version = load_version()

    def trial(
        self,
        submission: str,
        workload: str,
        rows: list[tuple[float, float]] | None,
        *,
        study: int = 0,
        trial: int = 1,
        framework: str = "jax",
        stamp: str = "",
        status: dict | None = None,
    ) -> Path:
        """Write a trial with evaluations of (seconds, metric value); None: it ended before its first evaluation."""
        where = Path(submission) / f"study_{study}" / f"{workload}_{framework}{stamp}" / f"trial_{trial}"
        folder = self.root / where
        folder.mkdir(parents=True)
        (folder / "meta_data_0.json").write_text("{}")
        if rows is not None:
            limits = self.version.limits(workload)
            name, test = (f"test/{limits.metric},", "0.5,") if limits.test_target is not None else ("", "")
            lines = [f"global_step,score,{name}validation/{limits.metric}"]
            lines += [f"{step},{seconds},{test}{value}" for step, (seconds, value) in enumerate(rows)]
            (folder / "eval_measurements.csv").write_text("\n".join(lines) + "\n")
        if status is not None:
            (folder / "status.json").write_text(json.dumps(status))
        return folder

    def reaching(self, submission: str, workload: str, seconds: float, **place) -> Path:
        """A trial that misses its target once, then reaches it exactly, after `seconds`."""
        limits = self.version.limits(workload)
        miss = limits.validation_target + (1 if limits.goal == "min" else -1)
        return self.trial(submission, workload, [(seconds / 2, miss), (seconds, limits.validation_target)], **place)

    def missing(self, submission: str, workload: str, **place) -> Path:
        """A trial that never reaches its target."""
        limits = self.version.limits(workload)
        miss = limits.validation_target + (1 if limits.goal == "min" else -1)
        return self.trial(submission, workload, [(5, miss), (10, miss)], **place)


@pytest.fixture
def runs(tmp_path: Path) -> Runs:
    return Runs(tmp_path / "runs")
