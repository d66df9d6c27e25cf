"""From folders of runs to a leaderboard."""

from __future__ import annotations

import dataclasses
import datetime
import itertools
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

import numpy as np

from algoperf.errors import unknown
from algoperf.submission.track import PUBLISHED
from algoperf.text import counted
from algoperf.versions import Version
from algoperf_scoring import profiles
from algoperf_scoring.cost import submission_cost
from algoperf_scoring.leaderboard import Cell, CellOutcome, Entry, Leaderboard, Neighbours, Unranked
from algoperf_scoring.measuring import Pruned, Unfinished
from algoperf_scoring.plan import Plan
from algoperf_scoring.profiles import Array, Credit
from algoperf_scoring.reading import Comparison, read_comparison
from algoperf_scoring.results import StudyTimes, medians, study_hits, study_times
from algoperf_scoring.rules import DOCUMENTED, ScoringRule
from algoperf_scoring.sensitivity import sensitivity
from algoperf_scoring.sources import Source
from algoperf_scoring.speedup import speedups
from algoperf_scoring.strict import require_complete
from algoperf_scoring.submission_info import SubmissionInfo, read_infos
from algoperf_scoring.uncertainty import Uncertainty, bootstrap

_IN_BOTH = (PUBLISHED, f"{PUBLISHED} (pytorch)", f"{PUBLISHED} (jax)")
REFERENCES = {"algorithm": ("baseline", "nadamw_pytorch", "nadamw_jax"), "model": _IN_BOTH}
"""Default reference submissions for speedups, by track: the first of these that is present."""


def score(
    sources: Path | Sequence[Source],
    version: Version,
    ruleset: str | None = None,
    scale: str | None = None,
    workloads: Iterable[str] | None = None,
    *,
    rule: ScoringRule = DOCUMENTED,
    strict: bool = False,
    reference: str | None = None,
    info_folders: Sequence[Path] = (),
    track: str | None = None,
    plan: Plan | None = None,
) -> Leaderboard:
    """Score all submissions in folders of runs against each other.

    Args:
      sources: a folder with one folder per submission in the published layout, or several such folders.
      version, ruleset, scale, workloads, track, plan: what is compared; see `reading.read_comparison`.
      rule: how times are turned into scores.
      strict: raise UserError unless the runs are exactly those that the version requires.
      reference: the entry that speedups refer to; None for the first of `REFERENCES` that is present.
      info_folders: further folders to search for submission_info.yml files, besides the runs' folders.

    Raises:
      UserError: there are no runs, they are not comparable, or `strict` finds violations.
    """
    chosen = (Source(sources),) if isinstance(sources, Path) else tuple(sources)
    comparison = read_comparison(chosen, version, ruleset, scale, workloads, track, plan)
    if strict:
        require_complete(comparison)
    planned = {run.submission for run in plan.runs} if plan else set()
    names = sorted({trial.submission for trial in comparison.trials} | planned)
    infos, damaged = read_infos(names, chosen, info_folders)
    comparison = dataclasses.replace(comparison, notes=(*comparison.notes, *damaged))
    return rank(comparison, rule, reference, infos)


def rank(
    comparison: Comparison,
    rule: ScoringRule = DOCUMENTED,
    reference: str | None = None,
    infos: Mapping[str, SubmissionInfo] = MappingProxyType({}),
) -> Leaderboard:
    """Score a comparison. `infos`: authors' descriptions by submission; the other arguments are those of `score`."""
    results = comparison.results
    found = study_times(results, rule)
    times = medians(found.seconds)
    credit = profiles.credit(times, results.variant_column, rule)
    refusal = _refusal(comparison, found)
    uncertainty = None
    if not refusal:
        shared = comparison.ruleset == "external"
        scored = comparison.has_scored_workload
        uncertainty = bootstrap(found.seconds, results.variant_column, rule, share_studies=shared, is_scored=scored)
    reference = _reference(results.submissions, reference, comparison.track)
    entries = _entries(comparison, rule, found, credit, uncertainty, reference, infos)
    return Leaderboard(
        comparison=comparison,
        rule=rule,
        entries=tuple(sorted(entries, key=lambda entry: (-entry.score, entry.submission))),
        unranked=tuple(_unranked(comparison, name, infos) for name in comparison.unranked),
        neighbours=_neighbours(results.submissions, uncertainty),
        unseparated=_unseparated(entries, uncertainty),
        without_evidence=_without_evidence(results.submissions, uncertainty),
        refusal=refusal,
        reference=reference,
        sensitivity=sensitivity(results, times, rule),
        date=datetime.date.today().isoformat(),
    )


def _refusal(comparison: Comparison, found: StudyTimes) -> str:
    """Why uncertainty cannot be computed; "" if it can."""
    if not comparison.results.submissions:
        return "no run has a result yet"
    if comparison.pruned:
        return (
            f"{counted(len(comparison.pruned), 'run was', 'runs were')} pruned: what they would have reached is unknown"
        )
    if found.seconds.shape[-1] < 2:
        return "there is only one study: nothing to resample"
    return ""


def _reference(submissions: Sequence[str], asked: str | None, track: str) -> str | None:
    if asked is not None and asked not in submissions:
        raise unknown("reference submission", asked, submissions)
    return asked or next((name for name in REFERENCES[track] if name in submissions), None)


def _entries(
    comparison: Comparison,
    rule: ScoringRule,
    found: StudyTimes,
    credit: Credit,
    uncertainty: Uncertainty | None,
    reference: str | None,
    infos: Mapping[str, SubmissionInfo],
) -> list[Entry]:
    results = comparison.results
    exact = profiles.score(credit.ratios, rule, "exact")
    trapezoid = profiles.score(credit.ratios, rule, "trapezoid")
    speedup = _speedups(comparison, medians(found.seconds), reference)
    return [
        Entry(
            submission=name,
            info=_info(infos, name),
            score=float(exact[i] if rule.integral == "exact" else trapezoid[i]),
            score_exact=float(exact[i]),
            score_trapezoid=float(trapezoid[i]),
            interval=(float(uncertainty.low[i]), float(uncertainty.high[i])) if uncertainty else None,
            rank_probabilities=tuple(map(float, uncertainty.rank_probabilities[i])) if uncertainty else None,
            speedup=None if speedup is None or np.isnan(speedup[i]) else float(speedup[i]),
            cells=_cells(comparison, i, rule, found, credit),
            cost=submission_cost(results, name),
        )
        for i, name in enumerate(results.submissions)
    ]


def _speedups(comparison: Comparison, times: Array, reference: str | None) -> Array | None:
    if reference is None:
        return None
    results, version = comparison.results, comparison.version
    budgets = [version.max_runtime_sec(name, comparison.ruleset, comparison.scale) for name in results.workloads]
    return speedups(times[:, : len(budgets)], budgets, results.submissions.index(reference))


def _info(infos: Mapping[str, SubmissionInfo], entry: str) -> SubmissionInfo | None:
    """The authors' statements on an entry, whose name has its framework in brackets if there are runs in both."""
    return infos.get(entry.partition(" (")[0])


def _unfinished(comparison: Comparison, entry: str, workload: str) -> tuple[Unfinished, ...]:
    return tuple(one for one in comparison.unfinished if (one.submission, one.workload) == (entry, workload))


def _pruned(comparison: Comparison, entry: str, workload: str) -> tuple[Pruned, ...]:
    return tuple(one for one in comparison.pruned if (one.submission, one.workload) == (entry, workload))


def _is_open(comparison: Comparison, entry: str, workload: str) -> bool:
    """Whether planned runs have not ended, so that nobody knows their result."""
    return comparison.plan is not None and comparison.plan.num_open(entry, workload) > 0


def _unranked(comparison: Comparison, name: str, infos: Mapping[str, SubmissionInfo]) -> Unranked:
    cells = {}
    for workload in comparison.results.columns:
        pending, pruned = _unfinished(comparison, name, workload), _pruned(comparison, name, workload)
        errors = comparison.errors.get((name, workload), (0, 0))
        outcome: CellOutcome = "pruned" if pruned else "error" if errors[0] else "missing"
        cells[workload] = Cell(
            seconds=float("inf"),
            steps=float("nan"),
            studies={},
            ratio=float("inf"),
            outcome="unfinished" if pending or _is_open(comparison, name, workload) else outcome,
            unfinished=pending,
            pruned=pruned,
            errors=errors,
        )
    return Unranked(name, _info(infos, name), cells)


def _cells(comparison: Comparison, i: int, rule: ScoringRule, found: StudyTimes, credit: Credit) -> dict[str, Cell]:
    results = comparison.results
    seconds, steps = medians(found.seconds[i]), medians(found.steps[i])
    cells = {}
    for j, workload in enumerate(results.columns):
        hits = study_hits(results, results.submissions[i], workload, rule)
        has_ratio = j < len(results.workloads)
        missing, infinite = bool(np.isnan(seconds[j])), bool(np.isinf(seconds[j]))
        outcome: CellOutcome = "missing" if missing else "not reached" if infinite else "reached"
        place = comparison, results.submissions[i], workload
        pending, pruned = _unfinished(*place), _pruned(*place)
        errors = comparison.errors.get(place[1:], (0, 0))
        if missing and (pending or _is_open(*place)):
            outcome = "unfinished"
        elif (missing or infinite) and any(one.leaves_open for one in pruned):
            outcome = "pruned"
        elif (missing or infinite) and errors[0]:
            outcome = "error"
        if has_ratio and credit.is_cut[i, j]:
            outcome = "cut"
        elif has_ratio and credit.is_void[i, j]:
            outcome = "held-out failed"
        cells[workload] = Cell(
            seconds=float("inf") if missing else float(seconds[j]),
            steps=float(steps[j]),
            studies={number: float("inf") if hit is None else hit.seconds for number, hit in hits.items()},
            ratio=float(credit.ratios[i, j]) if has_ratio else float("nan"),
            outcome=outcome,
            unfinished=pending,
            pruned=pruned,
            errors=errors,
        )
    return cells


def _neighbours(names: Sequence[str], uncertainty: Uncertainty | None) -> tuple[Neighbours, ...]:
    pairs = uncertainty.neighbours if uncertainty else ()
    return tuple(
        Neighbours(names[pair.first], names[pair.second], pair.probability, pair.is_separated, pair.is_tie)
        for pair in pairs
    )


def _unseparated(entries: Sequence[Entry], uncertainty: Uncertainty | None) -> tuple[tuple[str, str], ...]:
    if uncertainty is None:
        return ()
    order = sorted(range(len(entries)), key=lambda i: (-entries[i].score, entries[i].submission))
    pairs = itertools.combinations(order, 2)
    return tuple((entries[a].submission, entries[b].submission) for a, b in pairs if not uncertainty.is_separated(a, b))


def _without_evidence(names: Sequence[str], uncertainty: Uncertainty | None) -> tuple[str, ...]:
    if uncertainty is None:
        return ()
    return tuple(name for name, has_evidence in zip(names, uncertainty.has_evidence, strict=True) if not has_evidence)
