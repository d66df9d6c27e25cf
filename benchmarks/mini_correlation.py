"""Do small runs predict large ones? Ranks of algorithms at scale mini beside their ranks in the public logs.

    mini_correlation.py --logs v05_external.tar.xz --runs build/mini_runs.json

Trains each algorithm at scale mini until it reaches the target, or for several times as many steps as NAdamW needs, and
keeps the results in the file given with --runs: the same command goes on. The public runs are those of the submissions
with the same algorithm, under external tuning: the fastest of five trials, the median over studies.
"""

from __future__ import annotations

import itertools
import json
import math
import statistics
import tarfile
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import common
import numpy as np
from mini_runs import BASELINES, STEPS
from mini_trials import Run, made, prepare
from scipy.stats import rankdata, spearmanr

from algoperf.errors import UserError, unknown
from algoperf.versions import DEFAULT_VERSION, load_version
from algoperf_scoring import DOCUMENTED, read_comparison, sources
from algoperf_scoring.results import medians, study_times

REFERENCE = "nadamw"
PUBLIC = {REFERENCE: "baseline", "schedule_free_adamw": "schedule_free_adamw", "shampoo": "shampoo_submission"}
"""Baseline -> the submission of v0.5 with the same algorithm."""
MEASURES = ("steps", "seconds")
NUM_REPLICATES = 5000
Cells = Mapping[tuple[str, str], Mapping[str, float]]
"""By workload and algorithm: steps and seconds to target, infinite where it was not reached."""


def public_cells(archive: Path) -> Cells:
    """What the public logs say."""
    with tempfile.TemporaryDirectory() as folder, tarfile.open(archive) as content:
        wanted = [each for each in content if any(part in PUBLIC.values() for part in Path(each.name).parts[:2])]
        content.extractall(folder, wanted, filter="data")
        (root,) = {path.parent for path in Path(folder).glob("**/baseline")}
        results = read_comparison(sources(root), load_version("v0.5"), "external").results
    times = study_times(results, DOCUMENTED)
    names = {submission: algorithm for algorithm, submission in PUBLIC.items()}
    return {
        (workload, names[submission]): {"steps": float(steps), "seconds": float(seconds)}
        for submission, *cells in zip(results.submissions, medians(times.steps), medians(times.seconds), strict=True)
        for workload, steps, seconds in zip(results.columns, *cells, strict=True)
        if workload in results.workloads and not math.isnan(seconds)
    }


def mini_cells(file: Path, workloads: Sequence[str], options: Any) -> Cells:
    """What runs at scale mini say, the median over seeds; those that the file lacks are made."""
    known: list[dict[str, Any]] = json.loads(file.read_text()) if file.is_file() else []
    done = {(row["workload"], row["algorithm"], row["seed"]) for row in known}
    for seed, workload, algorithm in itertools.product(range(options.seeds), workloads, PUBLIC):
        if (workload, algorithm, seed) not in done:
            known.append(measured(workload, algorithm, seed, options))
            file.write_text(json.dumps(known, indent=2) + "\n")
            print(known[-1], flush=True)
    groups: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for row in known:
        if row["workload"] in workloads:
            groups.setdefault((row["workload"], row["algorithm"]), []).append(row)
    return {
        pair: {name: statistics.median(row[name] or math.inf for row in rows) for name in MEASURES}
        for pair, rows in groups.items()
    }


def measured(workload: str, algorithm: str, seed: int, options: Any) -> dict[str, Any]:
    """Steps and seconds to the validation target of one run; null where it was not reached."""
    prepare(workload)
    steps, every = STEPS[workload]
    limits = load_version(DEFAULT_VERSION).limits(workload, "mini")
    submission = BASELINES / f"{algorithm}_{options.framework}"
    hint = steps if options.hint_is_length else None
    with tempfile.TemporaryDirectory() as folder:
        [result] = made(
            [Run(workload, submission, options.framework, None, steps, every // 2, seed, folder, hint=hint)], 1
        )
    hit = next((row for row, value in enumerate(result.validation) if limits.reached(value)), None)
    found = {"steps": None, "seconds": None}
    if hit is not None:
        found = {"steps": result.steps[hit], "seconds": result.times[hit]}
    return {"workload": workload, "algorithm": algorithm, "seed": seed, **found, "ended": result.status}


def table(workloads: Sequence[str], mini: Cells, public: Cells) -> list[dict[str, Any]]:
    """A row per workload: the ranks of all algorithms, in the order of PUBLIC; "-" where the target was not reached."""
    return [
        {"workload": workload}
        | {
            f"{name}, {where}": _ranks([cells[workload, algorithm][name] for algorithm in PUBLIC])
            for name in MEASURES
            for where, cells in (("mini", mini), ("public", public))
        }
        for workload in workloads
    ]


def _ranks(values: Sequence[float]) -> str:
    ranks = rankdata(values, method="min")
    return " ".join("-" if math.isinf(value) else f"{rank:.0f}" for rank, value in zip(ranks, values, strict=True))


def agreement(workloads: Sequence[str], mini: Cells, public: Cells, name: str) -> dict[str, Any]:
    """Spearman's rho of ratios to NAdamW over all pairs of workload and other algorithm, with a bootstrap interval.

    Whole workloads are drawn. Ratios need a finite time of NAdamW on both sides; other infinite times rank last.
    """
    ratios = [
        [
            (mini[workload, other][name] / mini[workload, REFERENCE][name],
             public[workload, other][name] / public[workload, REFERENCE][name])
            for other in PUBLIC if other != REFERENCE
        ]
        for workload in workloads
        if all(math.isfinite(cells[workload, REFERENCE][name]) for cells in (mini, public))
    ]  # fmt: skip
    draws = np.random.default_rng(0).integers(len(ratios), size=(NUM_REPLICATES, len(ratios)))
    replicates = [_rho([pair for at in draw for pair in ratios[at]]) for draw in draws]
    low, high = np.nanquantile(replicates, [0.025, 0.975])
    ordered = [_same_order(mini, public, workload, pair, name) for workload in workloads
               for pair in itertools.combinations(PUBLIC, 2)]  # fmt: skip
    judged = [each for each in ordered if each is not None]
    return {
        "measure": name, "rho": _rho([pair for each in ratios for pair in each]), "low": float(low),
        "high": float(high), "n": sum(map(len, ratios)), "workloads": len(ratios),
        "pairs in the same order": f"{sum(judged)} of {len(judged)}",
    }  # fmt: skip


def _rho(pairs: Sequence[tuple[float, float]]) -> float:
    """Spearman's rho; NaN if one side has only one value, as a bootstrap's draw may have."""
    ranks = [rankdata(side) for side in zip(*pairs, strict=True)]
    if any(len(set(side)) == 1 for side in ranks):
        return math.nan
    return float(spearmanr(*ranks).statistic)


def _same_order(mini: Cells, public: Cells, workload: str, pair: tuple[str, str], name: str) -> bool | None:
    """Whether two algorithms have the same order on both sides; None if one side has none."""
    one, other = pair
    sides = [(cells[workload, one][name], cells[workload, other][name]) for cells in (mini, public)]
    if any(first == second for first, second in sides):
        return None
    return len({first < second for first, second in sides}) == 1


def main() -> None:
    """Train what is missing, and compare."""
    parser = common.parser(__doc__)
    parser.add_argument("--logs", type=Path, required=True, help="archive of the public runs of v0.5, external tuning")
    parser.add_argument("--runs", type=Path, required=True, help="JSON file of the runs at scale mini; is completed")
    parser.add_argument("--workloads", help="comma-separated; default: all whose target NAdamW reached in the logs")
    parser.add_argument("--framework", default="pytorch", choices=common.FRAMEWORKS)
    parser.add_argument("--seeds", type=int, default=1, help="how many; from 0")
    parser.add_argument("--hint-is-length", action="store_true",
                        help="plan schedules for the longest run instead of the step hint")  # fmt: skip
    options = parser.parse_args()
    if not options.logs.is_file():
        raise UserError(f"There are no logs at {options.logs}.")
    public = public_cells(options.logs)
    available = sorted(
        workload for workload, algorithm in public
        if algorithm == REFERENCE and math.isfinite(public[workload, algorithm]["seconds"])
    )  # fmt: skip
    workloads = options.workloads.split(",") if options.workloads else available
    for workload in workloads:
        if workload not in available:
            raise unknown("workload", workload, available)
    mini = mini_cells(options.runs, workloads, options)
    print(f"\nRanks of {', '.join(PUBLIC)}:")
    common.report("Ranks at scale mini and in the public logs", table(workloads, mini, public), None)
    rows = [agreement(workloads, mini, public, name) for name in MEASURES]
    common.report("Do small runs predict large ones?", rows, options.json)


if __name__ == "__main__":
    main()
