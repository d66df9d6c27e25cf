"""From folders of runs to results: chooses the runs to compare, and reads their files."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from algoperf.errors import UserError
from algoperf.records.layout import EVAL_FILE
from algoperf.records.status import Status
from algoperf.versions import Limits, Version
from algoperf_scoring import selection
from algoperf_scoring.approach import approach
from algoperf_scoring.cost import final_training_sec
from algoperf_scoring.evaluations import STEP_COLUMN, TIME_COLUMN, read_evaluations
from algoperf_scoring.findings import Finding, Findings
from algoperf_scoring.results import Results, TrialResult
from algoperf_scoring.runs import RecordedTrial, find_trials
from algoperf_scoring.sources import Source

EVALUATION_TIME_COLUMN = "accumulated_eval_time"


@dataclass(frozen=True)
class Missing:
    """A submission has results from fewer studies of a workload than the version requires."""

    submission: str
    workload: str
    studies: int
    expected: int


@dataclass(frozen=True)
class Comparison:
    """The compared runs, as read from their files.

    Attributes:
      version: the benchmark version.
      ruleset: "external" or "self".
      scale: "full" or "mini".
      basis: text that says which workloads are scored, and why.
      results: what was measured.
      trials: all trials of these workloads, also those without an evaluation.
      missing: results that the version requires but that are missing.
      problems: errors in files that may have changed a number.
      notes: what was omitted on purpose.
    """

    version: Version
    ruleset: str
    scale: str
    basis: str
    results: Results
    trials: tuple[RecordedTrial, ...]
    missing: tuple[Missing, ...]
    problems: tuple[Finding, ...]
    notes: tuple[Finding, ...]


def read_comparison(
    sources: Sequence[Source],
    version: Version,
    ruleset: str | None = None,
    scale: str | None = None,
    workloads: Iterable[str] | None = None,
) -> Comparison:
    """Read all runs to compare.

    Args:
      sources: folders with one folder per submission in the published layout.
      version: the benchmark version that sets targets and workloads.
      ruleset: "external", "self", or None to read it from the runs' files.
      scale: "full" or "mini"; None if all runs have the same scale.
      workloads: workloads to score; None for those of the version (see `selection.choose_workloads`).

    Raises:
      UserError: there are no runs, or they are not comparable. Damaged files do not raise; they are listed
        among the problems.
    """
    for source in sources:
        source.check()
    findings = Findings(tuple(source.root for source in sources))
    found = find_trials(sources, version.workloads, findings)
    if not found:
        raise selection.no_trials(sources[0].root)
    if scale is not None:
        found = _of_scale(found, selection.choose_scale(found, scale), findings)
    # A submission compared with others is compared on the workloads for which it has runs.
    own = [trial for trial in found if sources[0].only in (None, trial.submission)]
    if not own:
        raise selection.no_trials_of(sources[0])
    chosen, basis = selection.choose_workloads(own, version, workloads)
    held_out = {name: version.held_out[name] for name in chosen if name in version.held_out}
    trials = [trial for trial in found if trial.workload in (*chosen, *held_out.values())]
    _note_left_out(found, trials, findings)
    selection.check_version(trials, version)
    scale = selection.choose_scale(trials, scale)
    if scale != "full":
        held_out = {}  # held-out variants are only for official results
        trials = [trial for trial in trials if trial.workload in chosen]
    ruleset = selection.choose_ruleset(trials, ruleset)
    if ruleset == "self":
        trials = _first_trials(trials, findings)
    limits = {name: version.limits(name, scale) for name in (*chosen, *held_out.values())}
    results = _results(trials, chosen, held_out, limits, findings)
    return Comparison(
        version=version,
        ruleset=ruleset,
        scale=scale,
        basis=basis,
        results=results,
        trials=tuple(trials),
        missing=tuple(_missing(results, version)),
        problems=tuple(sorted(findings.problems)),
        notes=tuple(sorted(findings.notes)),
    )


def _note_left_out(found: Sequence[RecordedTrial], kept: Sequence[RecordedTrial], findings: Findings) -> None:
    """Record which submissions have runs, but none that counts."""
    names = {trial.submission for trial in kept}
    others = {trial.submission: trial.folder.parents[2] for trial in found if trial.submission not in names}
    for name, folder in others.items():
        workloads = sorted({trial.workload for trial in found if trial.submission == name})
        findings.note(folder, f"left out: its runs are of {', '.join(workloads)} only")


def _of_scale(trials: Sequence[RecordedTrial], scale: str, findings: Findings) -> list[RecordedTrial]:
    for trial in trials:
        if trial.facts.scale != scale:
            findings.note(trial.folder, f"left out: its scale is {trial.facts.scale}")
    kept = [trial for trial in trials if trial.facts.scale == scale]
    if not kept:
        raise UserError(f"No runs at scale {scale!r} in {', '.join(map(str, findings.roots))}.")
    return kept


def _first_trials(trials: Sequence[RecordedTrial], findings: Findings) -> list[RecordedTrial]:
    """The first trial of each study, for self-tuning: the best of several would be tuning by hand."""
    first: dict[tuple[str, str, str, int], RecordedTrial] = {}
    for trial in trials:
        if first.setdefault(trial.place[:4], trial) is not trial:
            findings.problem(trial.folder, "trial ignored: under self-tuning a study has one trial")
    return list(first.values())


def _results(
    trials: Sequence[RecordedTrial],
    workloads: tuple[str, ...],
    held_out: Mapping[str, str],
    limits: Mapping[str, Limits],
    findings: Findings,
) -> Results:
    names = _entry_names(trials)
    studies: dict[tuple[str, str], dict[int, tuple[TrialResult, ...]]] = defaultdict(dict)
    for trial in trials:
        result = _trial_result(trial, limits[trial.workload], findings)
        # As published: trials without evaluations do not count, nor do studies without trials.
        if result is not None:
            cell = studies[names[trial.submission, trial.framework], trial.workload]
            cell[trial.study] = (*cell.get(trial.study, ()), result)
    return Results(
        submissions=tuple(sorted(set(names.values()))),
        workloads=workloads,
        held_out=held_out,
        limits=limits,
        studies=dict(studies),
    )


def _trial_result(trial: RecordedTrial, limits: Limits, findings: Findings) -> TrialResult | None:
    file, metric = trial.folder / EVAL_FILE, f"validation/{limits.metric}"
    table = read_evaluations(file, [metric], (STEP_COLUMN, EVALUATION_TIME_COLUMN))
    for reason in table.flaws:
        findings.problem(file, reason)
    if not table.num_rows:
        return None
    columns, unknown = table.columns, [float("nan")] * table.num_rows
    if trial.facts.status == Status.RULE_BREACH.label:
        findings.problem(trial.folder, "its evaluations do not count: the submission broke the rules")
        columns = {**columns, metric: unknown}
    seconds = columns[TIME_COLUMN]
    evaluation_sec = columns.get(EVALUATION_TIME_COLUMN, unknown)[-1]
    training_sec, facts = final_training_sec(trial.folder), trial.facts
    return TrialResult(
        trial,
        approach(columns[metric], seconds, columns.get(STEP_COLUMN, unknown), limits.goal),
        table.num_rows,
        facts.training_sec if facts.training_sec is not None else training_sec or seconds[-1],
        facts.evaluation_sec if facts.evaluation_sec is not None else evaluation_sec,
    )


def _entry_names(trials: Iterable[RecordedTrial]) -> dict[tuple[str, str], str]:
    """A submission's name, with its framework if it has runs in both, because these must not be mixed."""
    pairs = sorted({(trial.submission, trial.framework) for trial in trials})
    submissions = [submission for submission, _ in pairs]
    return {
        (name, framework): f"{name} ({framework})" if submissions.count(name) > 1 else name for name, framework in pairs
    }


def _missing(results: Results, version: Version) -> Iterable[Missing]:
    """What an official result would still need; development workloads need one study."""
    for submission in results.submissions:
        for name in results.columns:
            studies = len(results.studies.get((submission, name), ()))
            expected = 1 if name in version.development else version.num_studies
            if studies < expected:
                yield Missing(submission, name, studies, expected)
