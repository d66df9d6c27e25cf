"""Whether compared runs had the same data, machines and software, and independent randomness."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Hashable, Iterator, Sequence
from typing import Any

from algoperf.text import counted
from algoperf.versions import Version
from algoperf_scoring.health.check import ComparisonCheck, Level, Outcome
from algoperf_scoring.health.evidence import Evidence, lookup, whole
from algoperf_scoring.health.groups import ComparedFacts, agreement, grouped


def same_data(runs: Sequence[Evidence], version: Version) -> Iterator[Outcome]:
    """Compare the hash of the store, per workload and scale. Times on different data are not comparable."""
    del version

    def facts(run: Evidence) -> ComparedFacts:
        name = f"hash of the data of {run.trial.workload} at scale {run.trial.facts.scale}:"
        return {name: run.recorded("dataset", "hash")}

    return agreement(runs, facts, "fail", "the records do not say the hash of the data")


def same_code(runs: Sequence[Evidence], version: Version) -> Iterator[Outcome]:
    """Compare the hash of the submission's code, per submission and framework."""
    del version

    def facts(run: Evidence) -> ComparedFacts:
        trial = run.trial
        code = trial.facts.code or run.recorded("submission_hash")
        return {f"hash of {trial.submission} for {trial.framework}:": code}

    return agreement(runs, facts, "fail", "the records do not say the hash of the submission")


def same_hardware(runs: Sequence[Evidence], version: Version) -> Iterator[Outcome]:
    """Compare processors and accelerators. Frameworks name the latter differently, so compare them per framework."""
    del version
    return agreement(runs, _hardware, "warn", "the records do not say the hardware")


def _hardware(run: Evidence) -> ComparedFacts:
    def host(name: str) -> Any:
        found = lookup(run.status, "hardware", name)
        return run.meta_data.get(name) if found is None else found

    devices = run.recorded("hardware", "devices")
    if isinstance(devices, list):
        counts = sorted(Counter(map(str, devices)).items())
        accelerators: Any = ", ".join(f"{number}x {name}" for name, number in counts)
    else:
        accelerators = run.meta_data.get("gpu_model_name")
    return {
        "processor": host("cpu_model_name"),
        "processors:": host("cpu_count"),
        f"devices of {run.trial.framework}:": accelerators,
        "number of GPUs:": run.meta_data.get("gpu_count"),
        "driver of GPUs:": run.meta_data.get("gpu_driver"),
    }


def same_software(runs: Sequence[Evidence], version: Version) -> Iterator[Outcome]:
    """Compare versions of Python, of the harness and of libraries. That of a framework only occurs in its own runs."""
    del version
    return agreement(runs, _software, "warn", "the records do not say versions")


def _software(run: Evidence) -> ComparedFacts:
    versions = run.recorded("versions")
    found = dict(versions) if isinstance(versions, dict) else {"python": run.meta_data.get("python_version")}
    return {**found, "commit of the harness": run.meta_data.get("git_commit_hash")}


def own_seeds(runs: Sequence[Evidence], version: Version) -> Iterator[Outcome]:
    """Check that the runs of a submission have different seeds.

    Studies of a workload with the same seed are not independent. The published harness gave all trials of a study the
    same seed, and organisers sometimes gave several workloads the same. In this harness, each run has its own seed.
    """
    del version
    groups: dict[tuple[str, str, int], list[Evidence]] = defaultdict(list)
    unknown = []
    for run in runs:
        seed = _seed(run)
        if seed is None:
            unknown.append(run)
        else:
            groups[run.trial.submission, run.trial.framework, seed].append(run)
    if unknown:
        yield grouped(unknown, "not_checked", "the records do not say the seed")
    for (_, _, seed), sharing in groups.items():
        level, evidence = _shared(sharing)
        yield grouped(sharing, level, f"seed {seed} {evidence}" if evidence else "")


def _seed(run: Evidence) -> int | None:
    seed = whole(run.status.get("trial_seed"))
    return whole(run.meta_data.get("rng_seed")) if seed is None else seed


def _shared(runs: Sequence[Evidence]) -> tuple[Level, str]:
    """Level and place of the finding that these runs share a seed."""
    studies: dict[str, set[int]] = defaultdict(set)
    trials: Counter[tuple[str, int]] = Counter()
    for run in runs:
        studies[run.trial.workload].add(run.trial.study)
        if whole(run.status.get("trial_seed")) is not None:
            trials[run.trial.workload, run.trial.study] += 1
    for workload, numbers in sorted(studies.items()):
        if len(numbers) > 1:
            return "fail", f"in studies {', '.join(map(str, sorted(numbers)))} of {workload}"
    for (workload, study), number in sorted(trials.items()):
        if number > 1:
            return "fail", f"in {counted(number, 'trial')} of study {study} of {workload}"
    if len(studies) > 1:
        return "warn", f"in {counted(len(studies), 'workload')}: {', '.join(sorted(studies))}"
    return "pass", ""


def no_copies(runs: Sequence[Evidence], version: Version) -> Iterator[Outcome]:
    """Check that no run of a workload has the times of another one to the last digit."""
    del version
    first: dict[tuple[str, Hashable], Evidence] = {}
    for run in runs:
        if not run.marks:
            yield Outcome(run.path, "not_checked", "no evaluation")
            continue
        found = [first.setdefault((run.trial.workload, mark), run) for mark in run.marks]
        original = next((other for other in found if other is not run), None)
        if original is None:
            yield Outcome(run.path, "pass")
        else:
            yield Outcome(
                run.path, "fail", f"a copy, or part of one: its times are those of {original.path} to the last digit"
            )


CHECKS = (
    ComparisonCheck("dataset-hash", "all runs of a workload had the same data", same_data),
    ComparisonCheck("submission-hash", "all runs of a submission had the same code", same_code),
    ComparisonCheck("hardware", "all runs had the same hardware", same_hardware),
    ComparisonCheck("versions", "all runs had the same harness, framework and libraries", same_software),
    ComparisonCheck("seeds", "every run of a submission had its own seed", own_seeds),
    ComparisonCheck("copies", "no run is a copy of another", no_copies),
)
