"""Whether hyperparameters follow the tuning ruleset."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any

from algoperf.records.layout import HPARAMS_FILE
from algoperf.text import counted
from algoperf.versions import Version
from algoperf_scoring.health.check import ComparisonCheck, Level, Outcome, RunCheck, Verdict, fail, not_checked, warn
from algoperf_scoring.health.evidence import Evidence
from algoperf_scoring.health.groups import grouped
from algoperf_scoring.health.spaces import DeclaredSpaces, outside

_SELF = "self-tuning has no points"


def by_ruleset(run: Evidence) -> Iterator[Verdict]:
    """Check that runs have hyperparameters exactly under external tuning."""
    if run.ruleset is None:
        yield not_checked("the ruleset is not known")
    elif run.ruleset == "self" and HPARAMS_FILE in run.files:
        yield fail(f"{HPARAMS_FILE} in a self-tuning run")
    elif run.ruleset == "external" and HPARAMS_FILE not in run.files:
        yield warn(f"external tuning, but no {HPARAMS_FILE}: its point cannot be checked")


def inside_space(spaces: DeclaredSpaces) -> RunCheck:
    """Make the check of points against the search space in the run's records, else in the submission's folder."""

    def judge(run: Evidence) -> Iterator[Verdict]:
        if run.hyperparameters is None:
            yield not_checked(_SELF if run.ruleset == "self" else f"no {HPARAMS_FILE}")
            return
        space, reason = run.flags.get("search_space"), ""
        if space is None:
            space, reason = spaces.of(run.trial.submission)
        if space is None:
            yield not_checked(reason)
        elif why := outside(run.hyperparameters, space):
            yield fail(why)

    return RunCheck("points-in-space", "hyperparameters are in the declared search space", judge)


def one_space(spaces: DeclaredSpaces) -> ComparisonCheck:
    """Make the check that a submission has the same search space on all workloads, and lists of the right length."""

    def judge(runs: Sequence[Evidence], version: Version) -> Iterator[Outcome]:
        for (submission, _), group in groupby(runs, lambda run: (run.trial.submission, run.trial.framework)):
            yield from _one_space(list(group), spaces.of(submission)[0], version)

    return ComparisonCheck("search-space", "a submission has one search space for all workloads", judge)


def _one_space(runs: Sequence[Evidence], declared: Any, version: Version) -> Iterator[Outcome]:
    groups: dict[str | None, list[Evidence]] = defaultdict(list)
    for run in runs:
        space = run.flags.get("search_space", declared) if run.ruleset != "self" else run.flags.get("search_space")
        groups[None if space is None else json.dumps(space, sort_keys=True)].append(run)
    unknown = groups.pop(None, [])
    if unknown:
        reason = _SELF if all(run.ruleset == "self" for run in unknown) else "no search space is recorded or declared"
        yield grouped(unknown, "not_checked", reason)
    own = None if declared is None else json.dumps(declared, sort_keys=True)
    usual = own if own in groups else max(groups, key=lambda text: (len(groups[text]), text or ""), default=None)
    for text, group in groups.items():
        level, evidence = _space_verdict(json.loads(text or "null"), version)
        if any(run.ruleset == "self" for run in group):
            level, evidence = "fail", "a search space under self-tuning"
        elif text != usual:
            level, evidence = "fail", "another search space than in most runs of the submission"
        elif own is not None and text != own:
            level, evidence = "fail", "the recorded search space is not the one in the submission's folder"
        yield grouped(group, level, evidence)


def _space_verdict(space: Any, version: Version) -> tuple[Level, str]:
    if isinstance(space, list) and len(space) != version.num_trials:
        return (
            "warn",
            f"the search space lists {counted(len(space), 'point')}, the version asks for {version.num_trials}",
        )
    return "pass", ""


def distinct(runs: Sequence[Evidence], version: Version) -> Iterator[Outcome]:
    """Check that the points within a study differ. A repeated point is a second attempt with other luck."""
    del version
    yield from _without_point(runs)
    tuned = [run for run in runs if run.hyperparameters is not None]
    for _, study in groupby(tuned, lambda run: run.trial.place[:4]):
        first: dict[str, int] = {}
        for run in study:
            number = first.setdefault(_text(run), run.trial.number)
            again = number != run.trial.number
            yield (
                Outcome(run.path, "warn", f"the point of trial {number} again") if again else Outcome(run.path, "pass")
            )


def alike(runs: Sequence[Evidence], version: Version) -> Iterator[Outcome]:
    """Check that a study's trial has the same point on all workloads. Others would be tuned to a workload."""
    del version
    yield from _without_point(runs)
    groups: dict[tuple[str, str, int, int], list[Evidence]] = defaultdict(list)
    for run in runs:
        if run.hyperparameters is not None:
            trial = run.trial
            groups[trial.submission, trial.framework, trial.study, trial.number].append(run)
    for group in groups.values():
        counts = Counter(map(_text, group))
        usual = min(counts, key=lambda text: (-counts[text], text))
        for run in group:
            if _text(run) == usual:
                yield Outcome(run.path, "pass")
            else:
                others = f"{counts[usual]} of {len(group)} workloads"
                yield Outcome(run.path, "warn", f"another point than {others} of this study and trial")


def _without_point(runs: Sequence[Evidence]) -> Iterator[Outcome]:
    unknown = [run for run in runs if run.hyperparameters is None]
    if unknown:
        reason = _SELF if all(run.ruleset == "self" for run in unknown) else f"no {HPARAMS_FILE}"
        yield grouped(unknown, "not_checked", reason)


def _text(run: Evidence) -> str:
    return json.dumps(run.hyperparameters, sort_keys=True)


RUN_CHECKS = (
    RunCheck("points-recorded", "hyperparameters are recorded under external tuning, and only there", by_ruleset),
)
COMPARISON_CHECKS = (
    ComparisonCheck("points-distinct", "the trials of a study have different hyperparameters", distinct),
    ComparisonCheck("points-alike", "a trial has the same hyperparameters on all workloads", alike),
)
