"""Runs all checks over all runs below a folder."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from algoperf.tuning.ruleset import RULESETS
from algoperf.versions import Version
from algoperf_scoring.findings import Finding, Findings
from algoperf_scoring.health import (
    clock,
    comparison,
    completeness,
    limits,
    machine,
    metrics,
    order,
    provenance,
    referee,
    tuning_points,
)
from algoperf_scoring.health.check import ComparisonCheck, Level, Outcome, RunCheck
from algoperf_scoring.health.evidence import Evidence, read_evidence
from algoperf_scoring.health.report import Health, summarise
from algoperf_scoring.health.spaces import DeclaredSpaces
from algoperf_scoring.plan import Plan
from algoperf_scoring.runs import RecordedTrial, find_trials
from algoperf_scoring.selection import Asked, filtered, no_trials
from algoperf_scoring.sources import Source

FOLDERS = ComparisonCheck("folders", "every folder is a run or belongs to one", lambda runs, version: ())
_FILES = completeness.CHECKS[0]


def run_checks(spaces: DeclaredSpaces) -> tuple[RunCheck, ...]:
    """The checks of single runs, in report order."""
    return (
        *completeness.CHECKS,
        *clock.CHECKS,
        *referee.CHECKS,
        *order.CHECKS,
        *limits.CHECKS,
        *machine.CHECKS,
        *metrics.CHECKS,
        *tuning_points.RUN_CHECKS,
        tuning_points.inside_space(spaces),
    )


def comparison_checks(spaces: DeclaredSpaces, plan: Plan | None = None) -> tuple[ComparisonCheck, ...]:
    """The checks of all runs together, in report order."""
    return (
        tuning_points.one_space(spaces),
        *tuning_points.COMPARISON_CHECKS,
        *provenance.CHECKS,
        *comparison.checks(plan),
    )


def check_runs(
    root: Path,
    version: Version,
    ruleset: str | None = None,
    submissions_dirs: Sequence[Path] = (),
    scale: str | None = None,
    track: str | None = None,
    plan: Plan | None = None,
) -> Health:
    """Check all runs below a folder.

    The result does not depend on the listing order of folders, nor on the location of the folder.

    Args:
      root: folder with one folder per submission in the published layout.
      version: the benchmark version whose limits apply.
      ruleset: "external" or "self": only runs that do not say the other; None for all, whose ruleset is inferred from
        other runs if their files do not say.
      submissions_dirs: folders with the submissions' files, for search spaces that are not recorded.
      scale: "full" or "mini": only runs of this scale; None for all.
      track: "algorithm" or "model": only runs of this track; None for all.
      plan: what was planned to be in the folder; None if nobody knows.

    Raises:
      UserError: there is no such run, or no such folder. Damaged files do not raise; they are findings.
    """
    source = Source(root)
    source.check()
    spaces = DeclaredSpaces(submissions_dirs)
    findings = Findings((root,))
    found = find_trials([source], version.workloads, findings)
    if not found and not findings.problems:
        raise no_trials(root, findings.notes)
    trials = filtered(found, Asked(scale=scale, ruleset=ruleset, track=track), Findings((root,))) if found else []
    runs: list[Evidence] = []
    outcomes: dict[str, list[Outcome]] = defaultdict(list, {_FILES.id: _as_outcomes(findings.problems, "fail")})
    silent = ruleset or _ruleset(trials)
    for trial in trials:  # evaluations have many rows: load one run at a time
        run = read_evidence(trial, trial.folder.relative_to(root).as_posix(), version, silent)
        for check in run_checks(spaces):
            outcomes[check.id].append(check.outcome(run))
        runs.append(run.without_rows())
    summaries = [summarise(check, outcomes[check.id]) for check in run_checks(spaces)]
    summaries += [summarise(check, check.judge(runs, version)) for check in comparison_checks(spaces, plan)]
    summaries.append(summarise(FOLDERS, _as_outcomes(findings.notes, "warn")))
    return Health(
        version=version.name,
        submissions=tuple(sorted({trial.submission for trial in trials})),
        num_runs=len(trials),
        num_left_out=len(found) - len(trials),
        checks=tuple(summaries),
    )


def _as_outcomes(found: Sequence[Finding], level: Level) -> list[Outcome]:
    return [Outcome(finding.path, level, finding.reason) for finding in found]


def _ruleset(trials: Sequence[RecordedTrial]) -> str | None:
    """The ruleset of runs that do not record it: external tuning if any of them has hyperparameters.

    Published self-tuning logs have none. But external ones may also lack them, if only evaluations were kept.
    """
    silent = [trial for trial in trials if trial.facts.ruleset is None]
    return RULESETS[0] if any(trial.facts.has_hparams for trial in silent) else None
