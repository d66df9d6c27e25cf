"""Prunes the runs of a campaign while they are made: reads their folders, asks the rules, writes the orders.

An order is a file in the run's folder (`algoperf.records.prune_order`). The run's parent obeys it, and a run that was
not begun is marked by the command that would have begun it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from algoperf.records.layout import EVAL_FILE, PRUNE_FILE, STATUS_FILE, trial_dir
from algoperf.records.prune_order import PruneOrder, read_order, withdraw_order, write_order
from algoperf.versions import Limits, Version
from algoperf_scoring.approach import approach, first_reaching
from algoperf_scoring.evaluations import TIME_COLUMN, read_evaluations
from algoperf_scoring.facts import read_facts
from algoperf_scoring.pruning.curves import gaps, read_curves
from algoperf_scoring.pruning.futility import Futility, fit
from algoperf_scoring.pruning.pruner import Pruner, in_order
from algoperf_scoring.pruning.state import Cell, Run, Verdict
from algoperf_scoring.reading import Comparison


@dataclass(frozen=True)
class Planned:
    """A run of the campaign, whether begun or not, and the folder of its records."""

    submission: str
    workload: str
    framework: str
    study: int
    trial: int
    folder: Path

    @classmethod
    def below(cls, root: Path, submission: str, workload: str, framework: str, study: int, trial: int) -> Planned:
        """A run whose records lie below `root` in the published layout."""
        folder = trial_dir(root, submission, study, workload, framework, trial)
        return cls(submission, workload, framework, study, trial, folder)

    @property
    def cell(self) -> tuple[str, str]:
        """What it is compared within. Runs of a submission in both frameworks are two entries."""
        return f"{self.submission} ({self.framework})", self.workload


@dataclass(frozen=True)
class Advice:
    """A run that need not go on, or not begin, and why."""

    planned: Planned
    verdict: Verdict


def exact_pruner(version: Version, scale: str) -> Pruner:
    """The exact rules for a version."""
    return Pruner(dict(version.held_out) if scale == "full" else {})


def futility_pruner(references: Comparison, error: float) -> Pruner:
    """The exact rules and the futility rule, which learns from recorded runs of the same version, ruleset and scale.

    A submission that is among them is judged by the others only.
    """
    version, scale = references.version, references.scale
    columns = references.results.columns
    budgets = {name: version.max_runtime_sec(name, references.ruleset, scale) for name in columns}
    curves, rules = read_curves(references.results), dict[str, Futility]()

    def rule_of(entry: str) -> Futility:
        name = entry.partition(" (")[0]
        if name not in rules:
            rules[name] = fit(curves, budgets, error, without=name)
        return rules[name]

    return dataclasses.replace(exact_pruner(version, scale), futility=rule_of)


class LivePruning:
    """Asks a pruner about all runs of a campaign, as often as wanted. Files that did not change are not read again."""

    def __init__(self, planned: Sequence[Planned], version: Version, scale: str, pruner: Pruner) -> None:
        """All runs that are planned, begun or not: what is missing here, the median does not wait for."""
        self._planned = planned
        self._limits = {name: version.limits(name, scale) for name in {run.workload for run in planned}}
        self._pruner = pruner
        self._known: dict[Path, tuple[tuple[int, ...], Run]] = {}

    def advice(self) -> list[Advice]:
        """The runs that need not go on, or not begin, as their folders stand now; without those already ordered."""
        runs = {planned: self._run(planned) for planned in self._planned}
        of = {id(run): planned for planned, run in runs.items()}
        decisions = self._pruner.decisions(_cells(runs.items()))
        found = (Advice(of[id(one.run)], one.verdict) for one in decisions)
        return [advice for advice in found if read_order(advice.planned.folder) is None]

    def order(self) -> list[Advice]:
        """Order the runs to be pruned that need not go on; returns them."""
        found = self.advice()
        for advice in found:
            write_order(advice.planned.folder, PruneOrder(advice.verdict.reason, advice.verdict.rule))
        return found

    def in_order(self, waiting: Sequence[Planned]) -> list[Planned]:
        """Runs that wait, in the order in which to begin them: held-out variants last, because they may be void.

        Runs of a submission on a workload change places among themselves only: see `pruner.in_order`.
        """
        variants, wait = set(self._pruner.held_out.values()), set(waiting)
        places = sorted(waiting, key=lambda planned: planned.workload in variants)
        ordered: dict[tuple[str, str], list[Planned]] = {}
        for cell in {planned.cell for planned in waiting}:
            runs = {planned: self._run(planned) for planned in self._planned if planned.cell == cell}
            for planned in wait & runs.keys():
                runs[planned].stage = "planned"  # also one that was interrupted
            of = {id(run): planned for planned, run in runs.items()}
            ordered[cell] = [of[id(run)] for run in in_order(list(runs.values())) if of[id(run)] in wait]
        return [ordered[planned.cell].pop(0) for planned in places]

    def needed_again(self) -> list[Planned]:
        """The runs that rules pruned and that may change a score after all.

        There are some after a fast submission was withdrawn, or a run was timed again. What a person ordered stays.
        """
        runs, pruned = [], []
        for planned in self._planned:
            order, run = read_order(planned.folder), self._run(planned)
            if order is not None and order.rule and run.hit is None:
                run = dataclasses.replace(run, stage="running" if run.seconds else "planned")
                pruned.append((planned, run))
            runs.append((planned, run))
        cells = _cells(runs)
        # What is pruned again counts as ended for the others, so this ends where pruning would have ended.
        while decisions := list(self._pruner.decisions(cells)):
            for one in decisions:
                one.run.stage = "ended"
        return [planned for planned, run in pruned if run.stage != "ended"]

    def withdraw(self) -> list[Planned]:
        """Withdraw the orders for the runs that are needed again; returns them. Their commands resume them."""
        found = self.needed_again()
        for planned in found:
            withdraw_order(planned.folder)
        return found

    def _run(self, planned: Planned) -> Run:
        signature = tuple(_version(planned.folder / name) for name in (EVAL_FILE, STATUS_FILE, PRUNE_FILE))
        if planned.folder not in self._known or self._known[planned.folder][0] != signature:
            self._known[planned.folder] = signature, read_run(planned, self._limits[planned.workload])
        return dataclasses.replace(self._known[planned.folder][1])


def _version(file: Path) -> int:
    try:
        return file.stat().st_mtime_ns
    except FileNotFoundError:
        return 0


def _cells(runs: Iterable[tuple[Planned, Run]]) -> list[Cell]:
    cells: dict[tuple[str, str], list[Run]] = {}
    for planned, run in runs:
        cells.setdefault(planned.cell, []).append(run)
    return [Cell(*cell, found) for cell, found in cells.items()]


def read_run(planned: Planned, limits: Limits) -> Run:
    """A run as its folder tells: ended if scoring counts it as ended.

    A run whose status is damaged, or whose order to prune it was withdrawn, has not ended.
    """
    run = Run(planned.study, planned.trial)
    try:
        facts = read_facts(planned.folder)
    except ValueError:
        return run
    if facts.status is not None:
        is_resumed = facts.is_pruned and read_order(planned.folder) is None
        run.stage = "running" if facts.is_unfinished or is_resumed else "ended"
    metric = f"validation/{limits.metric}"
    table = read_evaluations(planned.folder / EVAL_FILE, [metric])
    if not table.num_rows:
        return run
    seconds = table.columns[TIME_COLUMN]
    run.seconds = seconds[-1]
    if not facts.why_void:
        found = approach(table.columns[metric], seconds, [0.0] * len(seconds), limits.goal)
        hit = first_reaching(found, limits.validation_target, limits.goal)
        run.gap = gaps(found, len(seconds), limits)[-1]
        run.hit = None if hit is None else hit.seconds
    return run
