"""From a folder of runs to a leaderboard."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from algoperf.errors import UserError
from algoperf.versions import Limits, Version
from algoperf_scoring import profiles, selection, times
from algoperf_scoring.evaluations import EVALUATIONS_FILE, read_evaluations
from algoperf_scoring.findings import Findings
from algoperf_scoring.leaderboard import Cell, Entry, Leaderboard, Missing
from algoperf_scoring.runs import Trial, find_trials

Results = Mapping[str, Mapping[str, Cell]]
"""Results by submission, then by workload."""


def score(
    path: str | Path,
    version: Version,
    ruleset: str | None,
    scale: str | None = None,
    workloads: Iterable[str] | None = None,
) -> Leaderboard:
    """Score all submissions below a folder against each other.

    Args:
      path: folder with one folder per submission in the published layout.
      version: the benchmark version that sets targets and workloads.
      ruleset: "external", "self", or None to find it in the runs' files.
      scale: "full" or "mini"; None if all runs are of one scale.
      workloads: those to score over; None for those of the version (see `selection.choose_workloads`).

    Raises:
      UserError: there are no runs, or runs that cannot be compared. Damaged files raise nothing: they are
        listed in the leaderboard.
    """
    root = Path(path)
    if not root.is_dir():
        raise UserError(f"{root} is no folder. Give the folder that holds one folder of runs per submission.")
    findings = Findings(root)
    found = find_trials(root, version.workloads, findings)
    if not found:
        raise selection.no_trials(root)
    if scale is not None:
        found = _of_scale(found, selection.choose_scale(found, scale), findings)
    chosen, basis = selection.choose_workloads(found, version, workloads)
    trials = [trial for trial in found if trial.workload in chosen]
    selection.check_version(trials, version)
    scale = selection.choose_scale(trials, scale)
    ruleset = selection.choose_ruleset(trials, ruleset)
    if ruleset == "self":
        trials = _first_trials(trials, findings)
    results = _results(trials, _limits(trials, version, scale), findings)
    return Leaderboard(
        version=version.name,
        ruleset=ruleset,
        scale=scale,
        workloads=chosen,
        basis=basis,
        entries=_entries(results, chosen),
        missing=_missing(results, chosen, version),
        problems=tuple(sorted(findings.problems)),
        notes=tuple(sorted(findings.notes)),
    )


def _of_scale(trials: Sequence[Trial], scale: str, findings: Findings) -> list[Trial]:
    for trial in trials:
        if trial.facts.scale != scale:
            findings.note(trial.folder, f"left out: its scale is {trial.facts.scale}")
    kept = [trial for trial in trials if trial.facts.scale == scale]
    if not kept:
        raise UserError(f"No runs at scale {scale!r} in {findings.root}.")
    return kept


def _first_trials(trials: Sequence[Trial], findings: Findings) -> list[Trial]:
    """The one trial of each study under self-tuning. The best of several would be tuning by hand."""
    first: dict[tuple[str, str, str, int], Trial] = {}
    for trial in trials:
        if first.setdefault(trial.place[:4], trial) is not trial:
            findings.problem(trial.folder, "trial ignored: under self-tuning a study has one trial")
    return list(first.values())


def _limits(trials: Iterable[Trial], version: Version, scale: str) -> dict[str, Limits]:
    return {name: version.limits(name, scale) for name in {trial.workload for trial in trials}}


def _results(trials: Sequence[Trial], limits: Mapping[str, Limits], findings: Findings) -> Results:
    """Results by entry and workload. An entry without any readable evaluation is there, with no results."""
    names = _entry_names(trials)
    studies: dict[tuple[str, str], dict[int, list[float]]] = defaultdict(lambda: defaultdict(list))
    for trial in trials:
        file = trial.folder / EVALUATIONS_FILE
        rows, reasons = read_evaluations(file, f"validation/{limits[trial.workload].metric}")
        for reason in reasons:
            findings.problem(file, reason)
        # As published: a trial without any evaluation is no trial, and a study without trials no study.
        if rows:
            seconds = times.trial_time(rows, limits[trial.workload])
            studies[names[trial.submission, trial.framework], trial.workload][trial.study].append(seconds)
    results: dict[str, dict[str, Cell]] = {name: {} for name in names.values()}
    for (name, workload), by_study in studies.items():
        seconds = times.workload_time(map(times.study_time, by_study.values()))
        results[name][workload] = Cell(seconds, len(by_study))
    return results


def _entry_names(trials: Iterable[Trial]) -> dict[tuple[str, str], str]:
    """A submission's name; with its framework if there are runs in both, for these must not be mixed."""
    pairs = sorted({(trial.submission, trial.framework) for trial in trials})
    submissions = [submission for submission, _ in pairs]
    return {
        (name, framework): f"{name} ({framework})" if submissions.count(name) > 1 else name for name, framework in pairs
    }


def _entries(results: Results, workloads: Sequence[str]) -> tuple[Entry, ...]:
    never = Cell(math.inf, 0)
    table = np.array([[cells.get(name, never).seconds for name in workloads] for cells in results.values()])
    cut = profiles.ratios(table)
    scores = zip(results, profiles.exact_score(cut), profiles.trapezoid_score(cut), strict=True)
    entries = [Entry(name, float(exact), float(grid), results[name]) for name, exact, grid in scores]
    return tuple(sorted(entries, key=lambda entry: (-entry.score, entry.submission)))


def _missing(results: Results, workloads: Sequence[str], version: Version) -> tuple[Missing, ...]:
    """What an official result would need; development workloads need one study."""
    found = []
    for submission, cells in sorted(results.items()):
        for name in workloads:
            studies = cells[name].studies if name in cells else 0
            expected = 1 if name in version.development else version.num_studies
            if studies < expected:
                found.append(Missing(submission, name, studies, expected))
    return tuple(found)
