"""Whether runs are comparable, and as many as the version requires."""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from collections.abc import Iterator, Sequence

from algoperf.errors import counted
from algoperf.versions import Version
from algoperf_scoring.health.check import ComparisonCheck, Level, Outcome
from algoperf_scoring.health.evidence import Evidence
from algoperf_scoring.health.groups import ComparedFacts, agreement, grouped


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


def complete(runs: Sequence[Evidence], version: Version) -> Iterator[Outcome]:
    """Count studies and trials by submission and workload, and find scored workloads without any run.

    Workloads that are not scored need no fixed number. More trials than allowed break the tuning rules, so they fail.
    """
    variants = version.held_out.values() if any(run.trial.facts.track == "algorithm" for run in runs) else ()
    counting = (*version.scored, *variants)
    cells: dict[tuple[str, str], dict[str, list[Evidence]]] = defaultdict(lambda: defaultdict(list))
    for run in runs:
        cells[run.trial.submission, run.trial.framework][run.trial.workload].append(run)
    for (submission, framework), workloads in cells.items():
        for workload, group in workloads.items():
            level, evidence = _numbers(group, version) if workload in counting else ("pass", "")
            yield Outcome(f"{submission}/*/{workload}_{framework}", level, evidence, len(group))
        missing = [name for name in counting if name not in workloads]
        if missing and len(missing) < len(counting):
            yield Outcome(submission, "warn", f"no run of {', '.join(missing)}", 0)


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


CHECKS = (
    ComparisonCheck("one-kind", "all runs have the requested version, and the same scale, ruleset and track", one_kind),
    ComparisonCheck("complete", "there are as many studies and trials as the version requires", complete),
)
