"""Trials at scale mini, limited by steps instead of seconds: other load only changes their duration."""

from __future__ import annotations

import csv
import dataclasses
import json
import multiprocessing
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import common

from algoperf.data.contracts import dataset_dir
from algoperf.trial import launch
from algoperf.trial.request import Request, settle
from algoperf.workload.registry import find_workload


@dataclasses.dataclass(frozen=True)
class Run:
    """A trial to make.

    Attributes:
      point: hyperparameters; None for self-tuning.
      steps: maximum number; `hint`: step hint for the submission, the workload's if None.
      every: steps between evaluations.
    """

    workload: str
    submission: Path
    framework: str
    point: Mapping[str, Any] | None
    steps: int
    every: int
    seed: int
    output_dir: str
    hint: int | None = None


@dataclasses.dataclass(frozen=True)
class Result:
    """The evaluations of a run: steps, validation and test values, seconds on the clock, and how it ended.

    Test values are NaN where there is no test split.
    """

    steps: list[int]
    validation: list[float]
    test: list[float]
    times: list[float]
    status: str

    @property
    def seconds(self) -> float:
        """Seconds on the clock at the end."""
        return self.times[-1]


def train(run: Run) -> Result:
    """Do a run in this process."""
    with tempfile.TemporaryDirectory(dir=run.output_dir) as folder:
        space = Path(folder) / "point.json"
        space.write_text(json.dumps([run.point]))
        tuned = run.point is not None
        settled = settle(
            Request(
                workload=run.workload, framework=run.framework, submission=run.submission,  # type: ignore[arg-type]
                ruleset="external" if tuned else "self", search_space=space if tuned else None, num_studies=1,
                num_trials=1, seed=run.seed, scale="mini", data_dir=common.DATA, output_dir=Path(folder),
                max_global_steps=run.steps, eval_every_steps=run.every, resume=False, checkpoints="none",
            )
        )  # fmt: skip
        limits = settled.version.limits(run.workload, "mini")
        changes: dict[str, Any] = {"max_runtime_sec": 1e9, "step_hint": run.hint or limits.step_hint}
        table = {**settled.version.table, run.workload: {"mini": dataclasses.replace(limits, **changes)}}
        settings = dataclasses.replace(settled, version=dataclasses.replace(settled.version, table=table))
        settings.directory.mkdir(parents=True)
        launch.train_in_this_process(settings, 0, [])
        with (settings.directory / "eval_measurements.csv").open(newline="") as file:
            rows = list(csv.DictReader(file))
        status = json.loads((settings.directory / "status.json").read_text())["status"]
    names = (f"{split}/{limits.metric}" for split in ("validation", "test"))
    values = [[float(row.get(name, "nan")) for row in rows] for name in names]
    return Result([int(row["global_step"]) for row in rows], *values, [float(row["score"]) for row in rows], status)


def made(runs: Sequence[Run], processes: int) -> list[Result]:
    """Do runs, each in a separate process."""
    with multiprocessing.get_context("spawn").Pool(processes, maxtasksperchild=1) as pool:
        return pool.map(train, runs, chunksize=1)


def prepare(workload: str) -> None:
    """Make the workload's miniature data if it does not exist."""
    dataset = find_workload(workload).at("mini").dataset
    raw, data = (dataset_dir(root, dataset, "mini") for root in (common.DATA / "raw", common.DATA))
    dataset.miniature(raw)
    dataset.preprocess(raw, data)


def best(result: Result, goal: str) -> float:
    """The best validation value of a run."""
    return (max if goal == "max" else min)(result.validation)
