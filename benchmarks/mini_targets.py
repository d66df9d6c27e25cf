"""Finds the target of a workload at scale mini, by the benchmark's own protocol in small (docs/mini.md).

Every algorithm trains with several hyperparameter points for a fixed number of steps, without a target. The point with
the best validation value is repeated with other seeds. The validation target is the worst best value of these
repetitions (the benchmark takes the median; but here a sound submission must not miss by luck), the test target the
worst test value when it was reached. Steps, not seconds, limit the runs, so that other load does not matter.
"""

from __future__ import annotations

import csv
import dataclasses
import json
import multiprocessing
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import common

from algoperf import launcher, tuning
from algoperf.datasets.base import place
from algoperf.registry import find_workload
from algoperf.versions import DEFAULT_VERSION, load_version

ALGORITHMS = ("nadamw", "momentum")
UNREACHABLE = {"max": 1e9, "min": -1e9}


@dataclasses.dataclass(frozen=True)
class Run:
    """A trial to make: an algorithm with a point, for so many steps."""

    workload: str
    algorithm: str
    framework: str
    point: dict[str, Any]
    steps: int
    every: int
    seed: int
    output_dir: str


@dataclasses.dataclass(frozen=True)
class Result:
    """The evaluations of a run: validation and test values in the order of steps, and seconds at the end."""

    validation: list[float]
    test: list[float]
    seconds: float


def train(run: Run) -> Result:
    """Make a run, here."""
    with tempfile.TemporaryDirectory(dir=run.output_dir) as folder:
        space = Path(folder) / "point.json"
        space.write_text(json.dumps([run.point]))
        settled = launcher.settle(
            launcher.Request(
                workload=run.workload, framework=run.framework,  # type: ignore[arg-type]
                submission=common.ROOT / "submissions" / "baselines" / f"{run.algorithm}_{run.framework}",
                ruleset="external", search_space=space, study=1, trial=1, num_studies=1, num_trials=1, seed=run.seed,
                scale="mini", version_name=DEFAULT_VERSION, data_dir=common.DATA, output_dir=Path(folder),
                max_global_steps=run.steps, eval_every_steps=run.every, skip_evals=False, resume=False,
                checkpoints="none", compile_policy="auto", num_processes=1,
            )
        )  # fmt: skip
        limits = settled.version.limits(run.workload, "mini")
        endless = dataclasses.replace(
            limits, validation_target=UNREACHABLE[limits.goal], max_runtime_sec=1e9, step_hint=run.steps
        )
        table = {**settled.version.table, run.workload: {"mini": endless}}
        settings = dataclasses.replace(settled, version=dataclasses.replace(settled.version, table=table))
        settings.directory.mkdir(parents=True)
        launcher._train_here(settings, 0, [])
        with (settings.directory / "eval_measurements.csv").open(newline="") as file:
            rows = list(csv.DictReader(file))
    values = [[float(row[f"{split}/{limits.metric}"]) for row in rows] for split in ("validation", "test")]
    return Result(values[0], values[1], float(rows[-1]["score"]))


def points(algorithm: str, framework: str, number: int) -> Sequence[dict[str, Any]]:
    """Points of the baseline's published search space."""
    folder = common.ROOT / "submissions" / "baselines" / f"{algorithm}_{framework}"
    space = tuning.load_search_space(folder / "tuning_search_space.json")
    return space[:number] if isinstance(space, list) else tuning.quasi_random_points(space, number)


def made(runs: Sequence[Run], processes: int) -> list[Result]:
    """Make runs, each in a process of its own."""
    with multiprocessing.get_context("spawn").Pool(processes, maxtasksperchild=1) as pool:
        return pool.map(train, runs, chunksize=1)


def best(result: Result, goal: str) -> float:
    """The best validation value of a run."""
    return (max if goal == "max" else min)(result.validation)


def targets(repeated: Sequence[Result], goal: str) -> tuple[float, float]:
    """Validation and test target: the worst of what the repetitions reached."""
    worst = min if goal == "max" else max
    validation = worst(best(result, goal) for result in repeated)
    return validation, worst(_test_at(result, validation, goal) for result in repeated)


def _test_at(result: Result, target: float, goal: str) -> float:
    """The test value when the validation target was first reached."""
    pairs = zip(result.validation, result.test, strict=True)
    return next(test for value, test in pairs if not _better(target, value, goal))


def _better(value: float, other: float, goal: str) -> bool:
    return value > other if goal == "max" else value < other


def row(run: Run, result: Result, goal: str) -> dict[str, Any]:
    """A line of the table."""
    shown = ("learning_rate", "one_minus_beta1", "weight_decay")
    point = {name: run.point[name] for name in shown if name in run.point}
    return {
        "algorithm": run.algorithm,
        "seed": run.seed,
        "point": ", ".join(f"{name} {value:.3g}" for name, value in point.items()),
        "best validation": best(result, goal),
        "seconds": result.seconds,
    }


def main() -> None:
    """Find the targets of one workload."""
    parser = common.parser(__doc__)
    parser.add_argument("workload")
    parser.add_argument("--framework", default="pytorch", choices=common.FRAMEWORKS)
    parser.add_argument("--steps", type=int, required=True, help="length of a run; becomes the step hint")
    parser.add_argument("--points", type=int, default=4, help="hyperparameter points per algorithm")
    parser.add_argument("--repetitions", type=int, default=4)
    parser.add_argument("--processes", type=int, default=1)
    options = parser.parse_args()
    definition = find_workload(options.workload).at("mini")
    raw, data = (place(root, definition.dataset, "mini") for root in (common.DATA / "raw", common.DATA))
    definition.dataset.miniature(raw)
    definition.dataset.preprocess(raw, data)
    goal = load_version(DEFAULT_VERSION).limits(options.workload, "mini").goal
    with tempfile.TemporaryDirectory() as folder:
        every = max(1, options.steps // 20)
        runs = [
            Run(options.workload, algorithm, options.framework, dict(point), options.steps, every, 0, folder)
            for algorithm in ALGORITHMS
            for point in points(algorithm, options.framework, options.points)
        ]
        results = made(runs, options.processes)
        order = 1 if goal == "max" else -1
        chosen, _ = max(zip(runs, results, strict=True), key=lambda pair: order * best(pair[1], goal))
        again = [dataclasses.replace(chosen, seed=seed) for seed in range(1, options.repetitions + 1)]
        repeated = made(again, options.processes)
    rows = [row(run, result, goal) for run, result in zip([*runs, *again], [*results, *repeated], strict=True)]
    validation, test = targets(repeated, goal)
    common.report(f"{options.workload}: validation target {validation:.4g}, test target {test:.4g}", rows, options.json)


if __name__ == "__main__":
    main()
