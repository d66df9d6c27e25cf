"""Targets of scale mini are what the protocol's runs say, moved back by one share for all; else their table says so."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from typing import Any

import pytest

import algoperf.versions
from algoperf.smoke import mini_workloads
from algoperf.targets.protocol import Curve, choose, eased, targets_of
from algoperf.targets.result import table
from algoperf.versions import load_version

FOLDER = Path(algoperf.versions.__file__).parent
PROVENANCE = FOLDER / "provenance"
NOT_IN_USE = PROVENANCE / "not_in_use"
TABLE = re.compile(r"((?:^#.*\n)*)^\[workloads\.(\w+)\.mini\]\n((?:^\w.*\n?)*)", re.MULTILINE)
EASE = 0.02
BY_HAND = "Targets set by hand"


def found(name: str, folder: Path = PROVENANCE) -> dict[str, Any]:
    return json.loads((folder / f"{name}.json").read_text())


def comments() -> dict[str, str]:
    """What stands above each table of scale mini that has targets of its own."""
    tables = TABLE.findall((FOLDER / "development.toml").read_text())
    return {name: comment for comment, name, body in tables if "validation_target" in body}


PROVEN = sorted(file.stem for file in PROVENANCE.glob("*.json"))


def curves(runs: list[dict[str, Any]]) -> list[Curve]:
    """Runs of targets.json; null stands for a value that is not finite."""
    lists = {name: [_values(run[name]) for run in runs] for name in ("validation", "test")}
    return [
        Curve(
            run=run["run"], submission=run["submission"], seed=run["seed"], point=run["point"], status=run["status"],
            steps=tuple(run["steps"]), validation=validation, test=test,
        )
        for run, validation, test in zip(runs, lists["validation"], lists["test"], strict=True)
    ]  # fmt: skip


def _values(values: list[float | None]) -> tuple[float, ...]:
    return tuple(math.nan if value is None else value for value in values)


@pytest.mark.parametrize("name", PROVEN)
def test_targets_follow_from_the_recorded_runs(name):
    record, limits = found(name), load_version().limits(name, "mini")
    assert (record["workload"], record["scale"]) == (name, "mini")
    assert (record["metric"], record["goal"]) == (limits.metric, limits.goal)
    searched, repeated = curves(record["search"]), curves(record["repeats"])
    chosen = choose(searched, limits.goal)
    assert chosen.run == record["chosen"]
    assert {(run.submission, str(run.point)) for run in repeated} == {(chosen.submission, str(chosen.point))}
    targets = targets_of(repeated, limits.goal, has_test=limits.test_target is not None)
    start = record["targets"]["start"]
    shipped = {"validation": limits.validation_target, "test": limits.test_target}
    for split, value in shipped.items():
        target = getattr(targets, split)
        expected = None if target is None else eased(
            target, start[split], EASE, metric=limits.metric, goal=limits.goal
        )  # fmt: skip
        assert value == expected, split


@pytest.mark.parametrize("name", PROVEN)
def test_every_run_of_the_protocol_is_another_one(name):
    searched, repeated = (curves(found(name)[part]) for part in ("search", "repeats"))
    assert len({run.seed for run in searched + repeated}) == len(searched + repeated)
    assert len({run.validation for run in repeated}) == len(repeated)


@pytest.mark.parametrize("name", PROVEN)
@pytest.mark.parametrize("has_test", [True, False])
def test_the_table_of_the_command_is_ready_for_a_version(name, has_test, tmp_path):
    record, file = found(name), tmp_path / "limits.toml"
    if not has_test:
        record["targets"]["eased"]["test_target"] = record["present"]["num_test_examples"] = None
    file.write_text(table(record).replace(f"workloads.{name}.", "workloads.other."))
    written, shipped = load_version().with_extra(file).limits("other", "mini"), load_version().limits(name, "mini")
    assert written.validation_target == shipped.validation_target
    assert written.test_target == (shipped.test_target if has_test else None)
    assert written.step_hint == record["steps"]


def test_every_table_says_where_its_targets_come_from():
    own = comments()
    assert {name for name, comment in own.items() if BY_HAND not in comment} == set(PROVEN)
    assert [name for name in PROVEN if "Set by `algoperf targets`" not in own[name]] == []


def test_targets_set_by_hand_stand_beside_those_of_the_protocol():
    by_hand = {name: comment for name, comment in comments().items() if BY_HAND in comment}
    assert by_hand.keys() == {file.stem for file in NOT_IN_USE.glob("*.json")}
    for name, comment in by_hand.items():
        record, limits = found(name, NOT_IN_USE), load_version().limits(name, "mini")
        targets = targets_of(curves(record["repeats"]), limits.goal, has_test=limits.test_target is not None)
        for split, target in (("validation", targets.validation), ("test", targets.test)):
            start = record["targets"]["start"][split]
            back = eased(target, start, EASE, metric=limits.metric, goal=limits.goal)
            assert [f"{value:.4g}" for value in (target, back) if f"{value:.4g}" not in comment] == []


def test_a_variant_has_the_targets_of_its_base_or_runs_of_its_own():
    version = load_version()
    definitions = mini_workloads(version).values()
    variants = [(each.name, variant) for each in definitions for variant in each.variants]
    assert len(variants) == 25
    own = {name for base, name in variants if version.limits(name, "mini") != version.limits(base, "mini")}
    assert own == {name for _, name in variants if name in PROVEN}
