"""Finds the target of a workload at scale mini, with a small version of the benchmark's protocol (docs/mini.md).

Every algorithm trains with several hyperparameter points for a fixed number of steps, without a target. The point with
the best validation value is repeated with other seeds. The validation target is the worst of the repetitions' best
values (the benchmark takes the median, but here a correct submission must not miss by chance). The test target is the
worst test value when it was reached. Runs are limited by steps, not seconds, so that other load does not matter.
"""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import common
from mini_trials import Result, Run, best, made, prepare

from algoperf.tuning.halton import quasi_random_points
from algoperf.tuning.search_space import load_search_space
from algoperf.versions import DEFAULT_VERSION, load_version

ALGORITHMS = ("nadamw", "momentum")


def baseline(algorithm: str, framework: str) -> Path:
    """The folder of a baseline."""
    return common.ROOT / "submissions" / "baselines" / f"{algorithm}_{framework}"


def points(algorithm: str, framework: str, number: int) -> Sequence[dict[str, Any]]:
    """Points of the baseline's published search space."""
    space = load_search_space(baseline(algorithm, framework) / "tuning_search_space.json")
    return space[:number] if isinstance(space, list) else quasi_random_points(space, number)


def targets(repeated: Sequence[Result], goal: str) -> tuple[float, float]:
    """Validation and test target: the worst values that the repetitions reached."""
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
    assert run.point is not None
    shown = ("learning_rate", "one_minus_beta1", "weight_decay")
    point = {name: run.point[name] for name in shown if name in run.point}
    return {
        "algorithm": run.submission.name,
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
    prepare(options.workload)
    goal = load_version(DEFAULT_VERSION).limits(options.workload, "mini").goal
    with tempfile.TemporaryDirectory() as folder:
        every = max(1, options.steps // 20)
        runs = [
            Run(
                options.workload, baseline(algorithm, options.framework), options.framework, dict(point), options.steps,
                every, 0, folder, hint=options.steps, to_target=False,
            )
            for algorithm in ALGORITHMS
            for point in points(algorithm, options.framework, options.points)
        ]  # fmt: skip
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
