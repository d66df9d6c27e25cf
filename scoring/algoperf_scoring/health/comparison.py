"""Whether runs are comparable, and as many as the version requires."""

from __future__ import annotations

import dataclasses
import functools
from collections import defaultdict
from collections.abc import Iterator, Sequence

from algoperf.text import counted
from algoperf.versions import Version
from algoperf_scoring.health.check import ComparisonCheck, Level, Outcome
from algoperf_scoring.health.evidence import Evidence
from algoperf_scoring.health.groups import ComparedFacts, agreement, grouped
from algoperf_scoring.plan import FAILURES, Plan, RunProgress, phases_in_words


def one_kind(runs: Sequence[Evidence], version: Version) -> Iterator[Outcome]:
    """Check that all runs have the version of this check, and the same scale, ruleset and track.

    Published logs record none of them; the default scale is "full".
    """
    groups: dict[str, list[Evidence]] = defaultdict(list)
    for run in runs:
        own = run.trial.facts.version or version.name
        groups["" if own == version.name else f"run under {own}, checked under {version.name}"].append(run)
    right = groups.pop("", [])
    for evidence, group in groups.items():
        yield grouped(group, "fail", evidence)
    for outcome in agreement(right, _kind, "fail", ""):
        advice = ". Check one kind at a time, with --scale, --ruleset or --track" if outcome.level == "fail" else ""
        yield dataclasses.replace(outcome, evidence=outcome.evidence + advice)


def _kind(run: Evidence) -> ComparedFacts:
    return {"track": run.trial.facts.track, "scale": run.trial.facts.scale, "ruleset": run.ruleset}


def complete(runs: Sequence[Evidence], version: Version, plan: Plan | None = None) -> Iterator[Outcome]:
    """Count studies and trials by submission and workload, and find scored workloads without any run.

    Workloads that are not scored need no fixed number. More trials than allowed break the tuning rules, so they fail,
    and so does a plan of which runs have not ended: to leave some out is to choose.
    """
    yield from () if plan is None else _planned(plan)
    variants = version.held_out.values() if any(run.trial.facts.track == "algorithm" for run in runs) else ()
    counting = (*version.scored, *variants)
    cells: dict[tuple[str, str], dict[str, list[Evidence]]] = defaultdict(lambda: defaultdict(list))
    for run in runs:
        cells[run.trial.submission, run.trial.framework][run.trial.workload].append(run)
    for (submission, framework), workloads in cells.items():
        for workload, group in workloads.items():
            no_number = f"does not apply: {version.name} does not score these workloads"
            level, evidence = _numbers(group, version) if workload in counting else ("not_checked", no_number)
            yield Outcome(f"{submission}/*/{workload}_{framework}", level, evidence, len(group))
        missing = [name for name in counting if name not in workloads]
        if missing and len(missing) < len(counting):
            yield Outcome(submission, "warn", f"no run of {', '.join(missing)}", 0)


def _planned(plan: Plan) -> Iterator[Outcome]:
    """The planned runs that have not ended or have failed, by submission and workload."""
    if plan.unreadable:
        yield Outcome("..", "fail", plan.in_words(), 0)
    cells: dict[str, list[RunProgress]] = defaultdict(list)
    for run in plan.runs:
        cells[f"{run.submission}/*/{run.workload}_{run.framework}"].append(run)
    for path, group in cells.items():
        planned = counted(len(group), "planned run")
        if missing := [run for run in group if run.is_open]:
            yield Outcome(path, "fail", f"{len(missing)} of {planned} did not end: {phases_in_words(missing)}", 0)
        if failed := [run for run in group if run.phase in FAILURES]:
            told = f"{len(failed)} of {planned} did not end by the rules: {phases_in_words(failed)}"
            yield Outcome(path, "warn", told, 0)


def _numbers(runs: Sequence[Evidence], version: Version) -> tuple[Level, str]:
    expected = 1 if runs[0].ruleset == "self" else version.num_trials
    studies: dict[int, int] = defaultdict(int)
    for run in runs:
        studies[run.trial.study] += 1
    too_many = [f"study {study} has {number}" for study, number in studies.items() if number > expected]
    too_few = [f"study {study} has {number}" for study, number in studies.items() if number < expected]
    told = []
    if len(studies) != version.num_studies:
        told.append(f"{counted(len(studies), 'study', 'studies')} instead of {version.num_studies}")
    if too_many or too_few:
        told.append(f"of {expected} trials {', '.join(too_many + too_few)}")
    return "fail" if too_many else "warn" if told else "pass", "; ".join(told)


def checks(plan: Plan | None = None) -> tuple[ComparisonCheck, ...]:
    """The checks, given what was planned; None if nobody knows."""
    return (
        ComparisonCheck(
            "one-kind", "all runs have the requested version, and the same scale, ruleset and track", one_kind
        ),
        ComparisonCheck(
            "complete",
            "there are as many studies and trials as the version requires, and as planned",
            functools.partial(complete, plan=plan),
        ),
    )
