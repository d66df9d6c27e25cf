"""Planned studies without any result, because the submission's own error ended their runs or kept them from beginning.

Published scores drop studies without an evaluation. Of a plan it is known that these studies failed: without them, the
median over the others would look better than the submission is.
"""

from __future__ import annotations

import dataclasses
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping

from algoperf_scoring.measuring import CellStudies, Measured
from algoperf_scoring.plan import FAILURES, Plan
from algoperf_scoring.runs import RecordedTrial

_Names = Mapping[tuple[str, str], str]


def count_failures(measured: Measured, plan: Plan | None, trials: Iterable[RecordedTrial], names: _Names) -> Measured:
    """The measurements, in which failed studies of `plan` count as studies that did not reach the target.

    They are added, without trials, to entries with a result; those without one have no score anyway. `names` are those
    of entries, by submission and framework, as the plan has them; `trials` are all recorded ones.
    """
    if plan is None:
        return measured
    recorded = {(names[trial.submission, trial.framework], trial.workload, trial.study) for trial in trials}
    ranked = {entry for entry, _ in measured.studies}
    studies: dict[tuple[str, str], CellStudies] = {cell: dict(found) for cell, found in measured.studies.items()}
    unrecorded: Counter[tuple[str, str]] = Counter()
    for entry, workload, study in _failed_studies(plan):
        if entry in ranked:
            studies.setdefault((entry, workload), {}).setdefault(study, ())
        unrecorded[entry, workload] += (entry, workload, study) not in recorded
    errors = dict(measured.errors)
    for cell, number in unrecorded.items():
        failed, ended = errors.get(cell, (0, 0))
        errors[cell] = (failed + number, ended + number)
    return dataclasses.replace(measured, studies=studies, errors=errors)


def _failed_studies(plan: Plan) -> list[tuple[str, str, int]]:
    """Entry, workload and number of the studies whose planned runs have all failed, or are not run because of that."""
    phases: dict[tuple[str, str, int], list[bool]] = defaultdict(list)
    for run in plan.runs:
        phases[run.submission, run.workload, run.study].append(run.phase in FAILURES)
    return [study for study, failed in phases.items() if all(failed)]
