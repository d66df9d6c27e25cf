"""From trials to what they measured. Tells which trials do not count, and why."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from algoperf.records.layout import EVAL_FILE
from algoperf.versions import Limits
from algoperf_scoring.approach import approach
from algoperf_scoring.copies import marks
from algoperf_scoring.cost import final_training_sec
from algoperf_scoring.evaluations import STEP_COLUMN, TIME_COLUMN, EvaluationTable, read_evaluations
from algoperf_scoring.findings import Findings, printable
from algoperf_scoring.metric_range import best_possible, in_words
from algoperf_scoring.pruning.state import KEEP_MEDIAN
from algoperf_scoring.results import TrialResult
from algoperf_scoring.runs import RecordedTrial

EVALUATION_TIME_COLUMN = "accumulated_eval_time"


@dataclass(frozen=True)
class Unfinished:
    """A trial that has not ended. It has neither reached its target nor failed to; its study does not count.

    Attributes:
      submission: name of the entry.
      workload, study, trial: which trial.
      status: as status.json says.
      seconds: on its clock so far, as far as recorded.
      budget_sec: allowed on the clock; None if it is not known.
    """

    submission: str
    workload: str
    study: int
    trial: int
    status: str
    seconds: float
    budget_sec: float | None


@dataclass(frozen=True)
class Pruned:
    """A trial that was stopped, or not begun, because it was not needed. Its evaluations count.

    Attributes:
      submission: name of the entry.
      workload, study, trial: which trial.
      rule: which rule said so; "" if a person did.
      reason: why, in a sentence; "" if nobody said.
      has_begun: whether it has an evaluation.
    """

    submission: str
    workload: str
    study: int
    trial: int
    rule: str
    reason: str
    has_begun: bool

    @property
    def leaves_open(self) -> bool:
        """Whether the true median over studies may be another one."""
        return self.rule not in KEEP_MEDIAN


CellStudies = dict[int, tuple[TrialResult, ...]]


@dataclass(frozen=True)
class Measured:
    """What trials measured.

    Attributes:
      studies: by entry and workload; pairs without any evaluation are absent, and so are unfinished studies. Planned
        studies that failed without any evaluation have no trials (`failures.py`).
      unfinished: the trials because of which studies are absent.
      pruned: the trials that did not go on to their end.
      errors: by entry and workload: in how many studies every trial was ended by an error of the submission, or not run
        because of one, and how many studies have ended.
    """

    studies: Mapping[tuple[str, str], CellStudies]
    unfinished: tuple[Unfinished, ...]
    pruned: tuple[Pruned, ...]
    errors: Mapping[tuple[str, str], tuple[int, int]]


def measure(
    trials: Iterable[RecordedTrial],
    entry_of: Callable[[RecordedTrial], str],
    limits: Mapping[str, Limits],
    budgets_sec: Mapping[str, float | None],
    findings: Findings,
) -> Measured:
    """Read the evaluations of `trials`, which are ordered by their place."""
    studies: dict[tuple[str, str], CellStudies] = defaultdict(dict)
    unfinished, pruned = [], []
    ends: dict[tuple[str, str], dict[int, list[bool]]] = defaultdict(lambda: defaultdict(list))
    seen: dict[tuple[str, str], dict[Hashable, RecordedTrial]] = defaultdict(dict)
    for trial in trials:
        cell = entry_of(trial), trial.workload
        if trial.facts.is_unfinished:
            unfinished.append(_unfinished(trial, cell[0], budgets_sec[trial.workload]))
            continue
        ends[cell][trial.study].append(trial.facts.is_error)
        has_begun = not trial.facts.is_pruned or (trial.folder / EVAL_FILE).exists()
        if trial.facts.is_pruned:
            pruned.append(_pruned(trial, cell[0], has_begun))
        result = _result(trial, limits[trial.workload], findings, seen[cell]) if has_begun else None
        # As published: trials without evaluations do not count, nor do studies without trials.
        if result is not None:
            studies[cell][trial.study] = (*studies[cell].get(trial.study, ()), result)
    for one in unfinished:
        studies[one.submission, one.workload].pop(one.study, None)
        ends[one.submission, one.workload].pop(one.study, None)
    errors = {cell: (sum(map(all, found.values())), len(found)) for cell, found in ends.items()}
    return Measured({cell: found for cell, found in studies.items() if found}, tuple(unfinished), tuple(pruned), errors)


def _pruned(trial: RecordedTrial, entry: str, has_begun: bool) -> Pruned:
    facts = trial.facts
    place = entry, trial.workload, trial.study, trial.number
    return Pruned(*place, facts.prune_rule, facts.prune_reason, has_begun)


def _unfinished(trial: RecordedTrial, entry: str, budget_sec: float | None) -> Unfinished:
    table = read_evaluations(trial.folder / EVAL_FILE)  # may be newer than the status of a trial that runs
    known = (trial.facts.training_sec, final_training_sec(trial.folder), *table.columns.get(TIME_COLUMN, [])[-1:])
    return Unfinished(
        submission=entry,
        workload=trial.workload,
        study=trial.study,
        trial=trial.number,
        status=trial.facts.status or "unknown",
        seconds=max((seconds for seconds in known if seconds is not None), default=0.0),
        budget_sec=trial.facts.budget_sec if trial.facts.budget_sec is not None else budget_sec,
    )


def _result(
    trial: RecordedTrial, limits: Limits, findings: Findings, seen: dict[Hashable, RecordedTrial]
) -> TrialResult | None:
    file, metric = trial.folder / EVAL_FILE, f"validation/{limits.metric}"
    table = read_evaluations(file, [metric], (STEP_COLUMN, EVALUATION_TIME_COLUMN))
    for reason in table.flaws:
        findings.problem(file, reason)
    if not table.num_rows:
        return None
    original = _original(trial, file, table.columns[TIME_COLUMN], seen)
    if original is not None:
        where = printable(original.folder.relative_to(original.folder.parents[3]))
        findings.problem(
            trial.folder, f"not counted: its times are those of {where} to the last digit: a copy, or part of one"
        )
        return None
    values = _counting_values(trial, table, limits, findings)
    seconds, unknown = table.columns[TIME_COLUMN], [float("nan")] * table.num_rows
    training_sec, facts = final_training_sec(trial.folder), trial.facts
    evaluation_sec = table.columns.get(EVALUATION_TIME_COLUMN, unknown)[-1]
    return TrialResult(
        trial,
        approach(values, seconds, table.columns.get(STEP_COLUMN, unknown), limits.goal),
        table.num_rows,
        facts.training_sec if facts.training_sec is not None else training_sec or seconds[-1],
        facts.evaluation_sec if facts.evaluation_sec is not None else evaluation_sec,
    )


def _original(
    trial: RecordedTrial, file: Path, seconds: list[float], seen: dict[Hashable, RecordedTrial]
) -> RecordedTrial | None:
    """The trial of another study of which this one is a copy; None if there is none, or nobody can tell."""
    found = [seen.setdefault(mark, trial) for mark in marks(file, seconds)]
    return next((other for other in found if other.study != trial.study), None)


def _counting_values(trial: RecordedTrial, table: EvaluationTable, limits: Limits, findings: Findings) -> list[float]:
    """The values of the target metric; NaN where a value does not count."""
    metric = f"validation/{limits.metric}"
    values = table.columns[metric]
    if why := trial.facts.why_void:
        findings.problem(trial.folder, f"its evaluations do not count: {why}")
        return [float("nan")] * len(values)
    sign, best = (1 if limits.goal == "max" else -1), best_possible(limits.metric, limits.goal)
    possible = [not sign * value > sign * best for value in values]
    if all(possible):
        return values
    row = possible.index(False)
    findings.problem(
        trial.folder / EVAL_FILE,
        f"line {table.lines[row]}: {metric} {values[row]:g} does not count: possible is {in_words(limits.metric)}",
    )
    return [value if good else float("nan") for value, good in zip(values, possible, strict=True)]
