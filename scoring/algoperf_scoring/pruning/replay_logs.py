"""Replays the runs in folders of logs."""

from __future__ import annotations

from algoperf.errors import UserError
from algoperf_scoring.pipeline import REFERENCES
from algoperf_scoring.pruning.curves import read_curves
from algoperf_scoring.pruning.futility import Futility, fit
from algoperf_scoring.pruning.pruner import Pruner, exact_only
from algoperf_scoring.pruning.replay import pruned_results, replay, scores
from algoperf_scoring.pruning.report import ReplayReport
from algoperf_scoring.reading import Comparison


def replay_logs(comparison: Comparison, error: float | None = None, at_once: int = 1) -> ReplayReport:
    """Replay the runs of a comparison: by the exact rules only, or also by the futility rule with an error.

    The reference submission comes first, then the others by name. The futility rule judges each submission by the runs
    of all others, as if it came to a benchmark with these logs.

    Raises:
      UserError: there is nothing to replay, because no run has an evaluation, or because some were pruned already.
    """
    results = comparison.results
    if comparison.pruned:
        raise UserError(
            f"{len(comparison.pruned)} of these runs were pruned already: what they would have done is not known."
        )
    if not results.submissions:
        raise UserError("No run here has a result yet: there is nothing to replay.")
    curves = read_curves(results)
    names = sorted(results.submissions, key=lambda name: (name not in REFERENCES[comparison.track], name))
    rules: dict[str, Futility] = {}
    if error is not None:
        budgets = {
            name: comparison.version.max_runtime_sec(name, comparison.ruleset, comparison.scale)
            for name in results.columns
        }
        rules = {name: fit(curves, budgets, error, without=name) for name in names}
    pruner = Pruner(results.held_out, exact_only if error is None else rules.get)
    found = replay(results, curves, pruner, names, at_once)
    return ReplayReport(
        comparison=comparison,
        prune="exact" if error is None else "futility",
        error=error,
        at_once=at_once,
        replay=found,
        recorded=scores(results),
        pruned=scores(pruned_results(results, found.runs)),
    )
