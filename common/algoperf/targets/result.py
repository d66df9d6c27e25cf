"""The result of target setting: a table for a version file, and a JSON file with everything that it rests on."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from algoperf._version import __version__
from algoperf.campaigns.folder import Campaign
from algoperf.data.files import write_file
from algoperf.errors import AlgoperfError
from algoperf.records.json_file import write_json
from algoperf.submission.loading import submission_file, submission_name
from algoperf.targets.plan import Setting
from algoperf.targets.points import own_point
from algoperf.targets.protocol import LOGARITHMIC, Curve, Targets, Untrained, best, choose, eased, is_better, targets_of
from algoperf.targets.runs import read_curves
from algoperf.text import counted
from algoperf.versions import Limits
from algoperf.versions.reading import NO_TARGET

FORMAT = 1
"""Format version of targets.json."""
_DIGITS = 6


def result(
    setting: Setting, search: Campaign, repeats: Campaign, ease: float = 0.0, start: Untrained | None = None
) -> dict[str, Any]:
    """Everything that is known when all runs have ended, as JSON values.

    `ease`: share of the way back to `start` that targets are eased by.
    """
    limits, goal = setting.limits, setting.limits.goal
    searched, repeated = read_curves(search, limits), read_curves(repeats, limits)
    chosen = choose(searched, goal)
    found = targets_of(repeated, goal, has_test=limits.test_target is not None)
    return {
        "format": FORMAT,
        "algoperf": __version__,
        "harness_hash": search.manifest.harness_hash,
        "workload": search.manifest.runs[0].workload,
        "scale": setting.scale,
        "version": setting.version.name,
        "framework": setting.framework,
        "metric": limits.metric,
        "goal": goal,
        "steps": setting.steps,
        "eval_every_steps": setting.eval_every_steps,
        "seed": setting.seed,
        "submissions": {name: entry["hash"] for name, entry in search.manifest.submissions.items()},
        "data_hash": search.manifest.workloads[search.manifest.runs[0].place]["data_hash"],
        "targets": {"validation": found.validation, "test": found.test, "reached": found.reached, "ease": ease,
                    "start": dataclasses.asdict(start) if start else None,
                    "eased": _eased(found, limits, ease, start)},
        "present": _values(limits, {"validation_target": limits.validation_target, "test_target": limits.test_target}),
        "own_points": [submission_name(submission_file(each)) for each in setting.algorithms
                       if setting.own_points and own_point(each)],
        "chosen": chosen.run,
        "search": [_curve(curve, limits) for curve in searched],
        "repeats": [_curve(curve, limits) for curve in repeated],
    }  # fmt: skip


def write(folder: Path, found: Mapping[str, Any]) -> list[Path]:
    """Write targets.json and targets.toml, each whole or not at all; returns their paths."""
    paths = [folder / "targets.json", folder / "targets.toml"]
    write_json(paths[0], found)
    write_file(paths[1], table(found).encode())
    return paths


def table(found: Mapping[str, Any]) -> str:
    """A table for a version file, under comments that say where it comes from."""
    lines = [*(f"# {line}" for line in provenance(found)), f"[workloads.{found['workload']}.{found['scale']}]"]
    values = {**found["present"], **found["targets"]["eased"], "step_hint": found["steps"]}
    if values["test_target"] is None:
        values["test_target"] = NO_TARGET
    lines += [f"{key} = {_toml(value)}" for key, value in values.items() if value is not None]
    return "\n".join(lines) + "\n"


def provenance(found: Mapping[str, Any]) -> list[str]:
    """Where the targets come from, a sentence per line."""
    targets, chosen = found["targets"], next(run for run in found["search"] if run["run"] == found["chosen"])
    names = dict.fromkeys(run["submission"] for run in found["search"])
    counts = ", ".join(_count(found, name) for name in names)
    point = ", ".join(f"{name} {_short(value)}" for name, value in chosen["point"].items())
    lines = [
        f"Set by `algoperf targets` {found['algoperf']} in {found['framework']}: "
        f"{counted(found['steps'], 'step')} a run, an "
        f"evaluation every {found['eval_every_steps']:,}, seed {found['seed']}.",
        f"Points tried: {counts}. Best: {chosen['run']} with {_short(chosen['best'])}: {point}.",
        f"Repeats: {len(found['repeats'])}, of which {targets['reached']} reached the median, "
        f"{_short(targets['validation'])}"
        + (f"; their worst test value then was {_short(targets['test'])}." if targets["test"] is not None else "."),
    ]
    if targets["ease"]:
        lines.append(_easing(targets, found["metric"]))
    return [*lines, "Budget, evaluation period and numbers of examples are those of before: set the budget apart."]


def _count(found: Mapping[str, Any], name: str) -> str:
    """How many points of a submission were tried, and whether its own one is among them."""
    tried = sum(run["submission"] == name for run in found["search"])
    # Files that were written before there was a choice do not say: none then.
    return f"{name} {tried}" + (" (1 its own)" if name in found.get("own_points", ()) else "")


def _eased(found: Targets, limits: Limits, ease: float, start: Untrained | None) -> dict[str, Any]:
    """The targets as a version's table has them. AlgoperfError if an untrained model is better than one."""
    pairs = {
        "validation_target": (found.validation, start.validation if start else None),
        "test_target": (found.test, start.test if start else None),
    }
    for target, begin in pairs.values():
        if target is not None and begin is not None and is_better(begin, target, limits.goal):
            raise AlgoperfError(
                f"An untrained model has a {limits.metric} of {_short(begin)}, which is better than the protocol's "
                f"target, {_short(target)}: the chosen point does not train. Search with more --trials."
            )
    return {
        name: None if target is None else eased(target, begin or 0.0, ease, metric=limits.metric, goal=limits.goal)
        for name, (target, begin) in pairs.items()
    }


def _easing(targets: Mapping[str, Any], metric: str) -> str:
    start = targets["start"]
    moved = "The target is" if start["test"] is None else "Both are"
    tested = "" if start["test"] is None else f" and {_short(start['test'])} (test)"
    scale = " in its logarithm" if metric in LOGARITHMIC else ""
    return (
        f"{moved} moved back{scale} by {targets['ease']:g} of the way to an untrained model (seed {start['seed']}), "
        f"which has {_short(start['validation'])}{tested}."
    )


def _values(limits: Limits, targets: Mapping[str, Any]) -> dict[str, Any]:
    """The keys of a version's table, in the order of the version files."""
    return {
        "metric": limits.metric,
        "goal": limits.goal,
        **targets,
        "max_runtime_sec": limits.max_runtime_sec,
        "eval_period_sec": limits.eval_period_sec,
        "step_hint": limits.step_hint,
        "num_validation_examples": limits.num_validation_examples,
        "num_test_examples": limits.num_test_examples,
    }


def _curve(curve: Curve, limits: Limits) -> dict[str, Any]:
    value = best(curve, limits.goal)
    return {
        "run": curve.run,
        "submission": curve.submission,
        "seed": curve.seed,
        "point": dict(curve.point),
        "status": curve.status,
        "best": value if math.isfinite(value) else None,
        "steps": list(curve.steps),
        "validation": _finite(curve.validation),
        "test": _finite(curve.test),
    }


def _finite(values: Sequence[float]) -> list[float | None]:
    return [value if math.isfinite(value) else None for value in values]


def _short(value: Any) -> str:
    return f"{value:.{_DIGITS}g}" if isinstance(value, float) else str(value)


def _toml(value: Any) -> str:
    """A value as TOML writes it."""
    if isinstance(value, str):
        return f'"{value}"'
    if isinstance(value, float) and value.is_integer():
        return f"{value:.0f}"
    return f"{value:_}" if isinstance(value, int) and value >= 10_000 else repr(value)
