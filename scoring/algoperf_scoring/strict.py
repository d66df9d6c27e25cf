"""What an official result needs: exactly the workloads, studies, trials and evidence that the version requires."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping

from algoperf.errors import UserError
from algoperf.records.layout import HPARAMS_FILE, MEASUREMENTS_FILE
from algoperf.text import counted
from algoperf_scoring.facts import META_DATA_FILE
from algoperf_scoring.reading import Comparison
from algoperf_scoring.runs import RecordedTrial

_SHOWN = 40

_Cells = Mapping[tuple[str, str, str], Mapping[int, list[RecordedTrial]]]
"""Trials by submission, framework and workload, then by study."""


def require_complete(comparison: Comparison) -> None:
    """Raise UserError, listing everything that is missing, superfluous or damaged, if anything is."""
    found = list(violations(comparison))
    if found:
        hidden = [f"... and {len(found) - _SHOWN} more"] if len(found) > _SHOWN else []
        listed = "\n  ".join(found[:_SHOWN] + hidden)
        raise UserError(
            f"Not a complete result of {comparison.version.name}, {comparison.ruleset} ruleset:\n  {listed}\n"
            "Complete it, or score what is there without --strict."
        )


def violations(comparison: Comparison) -> Iterator[str]:
    """Everything that differs from what the version requires."""
    version = comparison.version
    if comparison.plan is not None and not comparison.plan.is_final:
        yield comparison.plan.in_words()
    if comparison.scale != "full":
        yield f"scale {comparison.scale} is never official"
    if comparison.results.workloads != version.scored:
        yield f"the score is over {comparison.basis} instead of the {len(version.scored)} scored workloads"
    cells: dict[tuple[str, str, str], dict[int, list[RecordedTrial]]] = defaultdict(lambda: defaultdict(list))
    for trial in comparison.trials:
        cells[trial.submission, trial.framework, trial.workload][trial.study].append(trial)
    yield from _incomplete(comparison, cells)
    for trial in comparison.trials:
        yield from _lacking_evidence(trial, comparison.ruleset)
    for problem in comparison.problems:
        yield f"{problem.path}: {problem.reason}"


def _incomplete(comparison: Comparison, cells: _Cells) -> Iterator[str]:
    version = comparison.version
    num_trials = version.num_trials if comparison.ruleset == "external" else 1
    entries = sorted({key[:2] for key in cells})
    for (submission, framework), workload in itertools.product(entries, comparison.results.columns):
        studies = cells.get((submission, framework, workload), {})
        where = f"{submission}: {workload}_{framework}"
        if len(studies) != version.num_studies:
            yield f"{where} has {counted(len(studies), 'study', 'studies')} instead of {version.num_studies}"
        for study, trials in sorted(studies.items()):
            if len(trials) != num_trials:
                yield f"{where} has {counted(len(trials), 'trial')} in study {study} instead of {num_trials}"


def _lacking_evidence(trial: RecordedTrial, ruleset: str) -> Iterator[str]:
    where = f"{trial.submission}/study_{trial.study}/{trial.folder.parent.name}/trial_{trial.number}"
    if trial.facts.is_pruned:
        yield f"{where} was pruned: {trial.facts.prune_reason or 'nobody said why'}"
        return
    for file in _required_files(ruleset):
        if not (trial.folder / file).is_file():
            yield f"{where} has no {file}"
    if trial.facts.is_unfinished:
        yield f"{where} is unfinished: its status is {trial.facts.status}"
    elif trial.facts.had_referee is False:
        yield f"{where} had no parent that measured its times: start it with `algoperf train`"
    elif trial.facts.contradicted:
        yield f"{where}: the parent of the trial measured, was told or wrote something else; see `algoperf check-runs`"
    elif trial.facts.verification == "missing":
        yield f"{where} reached its target, but is not verified: run `algoperf evaluate`"
    elif trial.facts.verification == "swapped":
        yield f"{where} reached its target, but its checkpoint was replaced afterwards"
    elif trial.facts.verification == "differs":
        yield f"{where} reached its target, but its metrics differ when they are computed again"
    elif trial.facts.finished is False:
        yield f"{where} did not end by the rules: its status is {trial.facts.status}"


def _required_files(ruleset: str) -> Iterable[str]:
    files = (MEASUREMENTS_FILE, META_DATA_FILE, "flags_0.json")
    return (*files, HPARAMS_FILE) if ruleset == "external" else files
