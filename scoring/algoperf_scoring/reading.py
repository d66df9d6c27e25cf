"""From folders of runs to results: chooses the runs to compare, and reads their files."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from algoperf.versions import Version
from algoperf_scoring import selection
from algoperf_scoring.failures import count_failures
from algoperf_scoring.findings import Finding, Findings
from algoperf_scoring.measuring import Pruned, Unfinished, measure
from algoperf_scoring.plan import Plan, RunProgress
from algoperf_scoring.results import Results
from algoperf_scoring.runs import RecordedTrial, find_trials
from algoperf_scoring.sources import Source


@dataclass(frozen=True)
class Missing:
    """A submission has results from fewer studies of a workload than the version requires, or its campaign planned."""

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
      track: "algorithm" or "model".
      basis: text that says which workloads are scored, and why.
      results: what was measured.
      trials: all trials of these workloads, also those without an evaluation.
      unfinished: trials that have not ended; their studies are not among the results.
      pruned: trials that were stopped, or not begun, because they were not needed.
      unranked: names of submissions that have runs, but no result yet.
      missing: results that the version requires but that are missing, and not because of pruning.
      problems: errors in files that may have changed a number.
      notes: what was omitted on purpose.
      errors: numbers of studies by entry and workload; see `measuring.Measured`.
      plan: what was planned, by entry; None if nobody knows a plan.
    """

    version: Version
    ruleset: str
    scale: str
    track: str
    basis: str
    results: Results
    trials: tuple[RecordedTrial, ...]
    unfinished: tuple[Unfinished, ...]
    pruned: tuple[Pruned, ...]
    unranked: tuple[str, ...]
    missing: tuple[Missing, ...]
    problems: tuple[Finding, ...]
    notes: tuple[Finding, ...]
    errors: Mapping[tuple[str, str], tuple[int, int]] = field(default_factory=dict)
    plan: Plan | None = None

    @property
    def has_scored_workload(self) -> bool:
        """Whether any of the compared workloads is scored in the version."""
        return not set(self.version.scored).isdisjoint(self.results.workloads)


def read_comparison(
    sources: Sequence[Source],
    version: Version,
    ruleset: str | None = None,
    scale: str | None = None,
    workloads: Iterable[str] | None = None,
    track: str | None = None,
    plan: Plan | None = None,
) -> Comparison:
    """Read all runs to compare.

    Args:
      sources: folders with one folder per submission in the published layout.
      version: the benchmark version that sets targets and workloads.
      ruleset: "external" or "self": only runs that do not say the other; None if all say the same.
      scale: "full" or "mini"; None if all runs have the same scale.
      track: "algorithm" or "model"; None if all runs have the same track.
      workloads: workloads to score; None for those of the version (see `selection.choose_workloads`).
      plan: what was planned to be in these folders; None if nobody knows.

    Raises:
      UserError: there are no runs, or they are not comparable. Damaged files do not raise; they are listed
        among the problems.
    """
    for source in sources:
        source.check()
    findings = Findings(tuple(source.root for source in sources))
    found = find_trials(sources, version.workloads, findings)
    if not found:
        raise selection.no_trials(sources[0].root, findings.notes)
    before = _own(found, sources[0])
    if not before:
        raise selection.no_trials_of(sources[0])
    asked = selection.Asked(scale=scale, ruleset=ruleset, track=track)
    found = selection.filtered(found, asked, findings)
    # A submission compared with others is compared on the workloads for which it has runs.
    own = _own(found, sources[0])
    if not own:
        raise asked.nothing_left(f"of {sources[0].only} in {sources[0].root}", before)
    planned = () if plan is None else plan.runs
    chosen, basis = selection.choose_workloads([*own, *_own(planned, sources[0])], version, workloads)
    held_out = {name: version.held_out[name] for name in chosen if name in version.held_out}
    trials = [trial for trial in found if trial.workload in (*chosen, *held_out.values())]
    _note_left_out(found, trials, findings)
    selection.check_version(trials, version)
    track = selection.choose_track(trials, track)
    scale = selection.choose_scale(trials, scale)
    if scale != "full" or track == "model":
        held_out = {}  # held-out variants are only for official results, and variants of the model only for algorithms
        trials = [trial for trial in trials if trial.workload in chosen]
    ruleset = selection.choose_ruleset(trials, ruleset)
    if ruleset == "self":
        trials = _first_trials(trials, findings)
    names = _entry_names([*trials, *(run for run in planned if run.workload in (*chosen, *held_out.values()))])
    plan = None if plan is None else plan.renamed(names)
    selection.check_code(trials, names)
    limits = {name: version.limits(name, scale) for name in (*chosen, *held_out.values())}
    budgets = {name: version.max_runtime_sec(name, ruleset, scale) for name in limits}
    measured = measure(trials, lambda trial: names[trial.submission, trial.framework], limits, budgets, findings)
    measured = count_failures(measured, plan, trials, names)
    ranked = {entry for entry, _ in measured.studies}
    results = Results(tuple(sorted(ranked)), chosen, held_out, limits, measured.studies)
    return Comparison(
        version=version,
        ruleset=ruleset,
        scale=scale,
        track=track,
        basis=basis,
        results=results,
        trials=tuple(trials),
        unfinished=measured.unfinished,
        pruned=measured.pruned,
        unranked=tuple(sorted(set(names.values()) - ranked)),
        missing=tuple(_missing(sorted(set(names.values())), results, version, measured.pruned, plan)),
        problems=tuple(sorted(findings.problems)),
        notes=tuple(sorted(findings.notes)),
        errors=measured.errors,
        plan=plan,
    )


def _note_left_out(found: Sequence[RecordedTrial], kept: Sequence[RecordedTrial], findings: Findings) -> None:
    """Record which submissions have runs, but none that counts."""
    names = {trial.submission for trial in kept}
    others = {trial.submission: trial.folder.parents[2] for trial in found if trial.submission not in names}
    for name, folder in others.items():
        workloads = sorted({trial.workload for trial in found if trial.submission == name})
        findings.note(folder, f"left out: its runs are of {', '.join(workloads)} only")


_Run = TypeVar("_Run", RecordedTrial, RunProgress)


def _own(trials: Sequence[_Run], source: Source) -> list[_Run]:
    """The trials of the one submission that a source is for; all if it is for all."""
    return [trial for trial in trials if source.only in (None, trial.submission)]


def _first_trials(trials: Sequence[RecordedTrial], findings: Findings) -> list[RecordedTrial]:
    """The first trial of each study, for self-tuning: the best of several would be tuning by hand."""
    first: dict[tuple[str, str, str, int], RecordedTrial] = {}
    for trial in trials:
        if first.setdefault(trial.place[:4], trial) is not trial:
            findings.problem(trial.folder, "trial ignored: under self-tuning a study has one trial")
    return list(first.values())


def _entry_names(trials: Iterable[RecordedTrial | RunProgress]) -> dict[tuple[str, str], str]:
    """A submission's name, with its framework if it has runs in both, because these must not be mixed."""
    pairs = sorted({(trial.submission, trial.framework) for trial in trials})
    submissions = [submission for submission, _ in pairs]
    return {
        (name, framework): f"{name} ({framework})" if submissions.count(name) > 1 else name for name, framework in pairs
    }


def _missing(
    names: Iterable[str], results: Results, version: Version, pruned: Iterable[Pruned], plan: Plan | None
) -> Iterable[Missing]:
    """What an official result would still need, or was planned; development workloads need one study."""
    planned = {} if plan is None else plan.studies()
    spared: dict[tuple[str, str], set[int]] = defaultdict(set)
    for one in pruned:
        spared[one.submission, one.workload].add(one.study)
    for submission in names:
        for name in results.columns:
            found = results.studies.get((submission, name), {})
            studies = len(spared[submission, name].union(number for number, trials in found.items() if trials))
            expected = 1 if name in version.development else version.num_studies
            expected = max(expected, len(planned.get((submission, name), ())))
            if studies < expected:
                yield Missing(submission, name, studies, expected)
