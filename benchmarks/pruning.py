"""The error of the futility rule on recorded runs, with each submission judged by the runs of the others.

LOGS is v05_external.tar.xz or v05_self.tar.xz, or a folder unpacked from it. The error is the share of successful runs
that the rule would have stopped at any evaluation: by their budget, and by the earliest deadline that they could still
have kept, their own success. The rule is fitted again for each submission, without its runs.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import common
import numpy as np

from algoperf.versions import load_version
from algoperf_scoring import read_comparison, sources
from algoperf_scoring.pruning.curves import Curve, Curves, read_curves
from algoperf_scoring.pruning.futility import Futility, fit
from algoperf_scoring.pruning.state import Run
from scoring import unpacked

ERRORS = (0.01, 0.05, 0.1, 0.2)


def stopped_at(rule: Futility, workload: str, curve: Curve, deadline_sec: float) -> int | None:
    """The evaluation at which the rule would stop a run before its success; None if at none."""
    last = len(curve.seconds) if curve.hit_row is None else curve.hit_row
    for row in range(last):
        run = Run(curve.study, curve.result.trial.number, "running", curve.seconds[row], curve.gaps[row])
        if rule.verdict(run, workload, deadline_sec) is not None:
            return row
    return None


def measured(curves: Curves, budgets_sec: dict[str, float], error: float) -> dict[str, Any]:
    """A row of the table: shares of wrong stops, and the hours saved in runs that never succeed."""
    wrong: dict[str, list[bool]] = {"budget": [], "own success": []}
    by_submission: dict[str, list[bool]] = {}
    by_workload: dict[str, list[bool]] = {}
    saved = never = 0.0
    for submission in sorted({name for name, _ in curves}):
        rule = fit(curves, budgets_sec, error, without=submission)
        for workload in rule.envelopes:
            for curve in curves.get((submission, workload), ()):
                row = stopped_at(rule, workload, curve, math.inf)
                if curve.hit is None:
                    never += curve.total_sec
                    saved += 0.0 if row is None else curve.total_sec - curve.spent[row]
                    continue
                wrong["budget"].append(row is not None)
                early = stopped_at(rule, workload, curve, curve.hit) is not None
                wrong["own success"].append(early)
                by_submission.setdefault(submission, []).append(early)
                by_workload.setdefault(workload, []).append(early)
    return {
        "allowed": error,
        "runs": len(wrong["budget"]),
        "stopped, deadline budget": float(np.mean(wrong["budget"])),
        "own success": float(np.mean(wrong["own success"])),
        "worst submission": max(map(np.mean, by_submission.values())),
        "worst workload": max(map(np.mean, by_workload.values())),
        "saved of hours never reaching": saved / never,
    }


def main() -> None:
    """Measure each allowed error."""
    parser = common.parser(__doc__)
    parser.add_argument("logs", type=Path, help="archive or folder of the v0.5 competition")
    options = parser.parse_args()
    version = load_version("v0.5")
    ruleset = "self" if "self" in options.logs.name else "external"
    with unpacked(options.logs) as folder:
        results = read_comparison(sources(folder), version, ruleset).results
        curves = read_curves(results)
    budgets = {name: version.max_runtime_sec(name, ruleset) for name in results.columns}
    errors = ERRORS[1:2] if options.quick else ERRORS
    common.report("Wrong stops", [measured(curves, budgets, error) for error in errors], options.json)


if __name__ == "__main__":
    main()
