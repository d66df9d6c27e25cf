"""`benchmarks/mini_targets.py`: its calls are possible, and what it writes into a version is what was found."""

from __future__ import annotations

import json
import shutil
import tomllib

import pytest

from algoperf.commands.targets import _planner, _setting, targets
from algoperf.targets.plan import search
from algoperf.targets.points import own_point
from algoperf.versions.reading import NO_TARGET
from benchmark_modules import benchmark_modules
from places import BASELINES


@pytest.fixture(scope="module")
def script():
    with benchmark_modules("mini_targets") as (module,):
        yield module


@pytest.fixture
def versions(tmp_path, script):
    """A copy of the version files, so that none is changed."""
    shutil.copytree(script.VERSIONS, tmp_path / "versions")
    return tmp_path / "versions"


def tables(folder):
    return tomllib.loads((folder / "development.toml").read_text())["workloads"]


@pytest.mark.parametrize("has_test", [True, False])
def test_only_the_targets_of_its_workload_change(script, versions, tmp_path, has_test):
    name = "finewebedu_lm" if not has_test else "cifar"
    found = json.loads((versions / "provenance" / "fastmri.json").read_text())
    values = {"validation_target": 0.123456, "test_target": 0.1 if has_test else None}
    found |= {"workload": name, "targets": {**found["targets"], "eased": values}}
    (tmp_path / "targets.json").write_text(json.dumps(found))
    before = tables(versions)
    script.install(tmp_path / "targets.json", versions)
    after = tables(versions)
    assert json.loads((versions / "provenance" / f"{name}.json").read_text()) == found
    changed = before[name]["mini"] | {"validation_target": 0.123456, "test_target": 0.1 if has_test else NO_TARGET}
    assert after == before | {name: before[name] | {"mini": changed}}
    text = (versions / "development.toml").read_text()
    assert "Points tried: nadamw_pytorch 1" in text.partition(f"[workloads.{name}.mini]")[0].rpartition("\n\n")[2]
    assert max(map(len, text.splitlines())) <= 120


def test_what_is_installed_again_stays_the_same(script, versions):
    before = (versions / "development.toml").read_text()
    for file in (versions / "provenance").glob("*.json"):
        assert script.with_targets(before, json.loads(file.read_text())) == before, file.stem


def test_a_workload_without_a_table_is_refused(script):
    with pytest.raises(KeyError, match=r"workloads\.other\.mini"):
        script.with_targets("[workloads.cifar.mini]\n", {"workload": "other", "scale": "mini"})


def test_its_calls_plan_the_own_points_of_the_baselines(script, tmp_path):
    for name, chosen in script.SETTINGS.items():
        given = targets.make_context("targets", script.command(name, chosen, tmp_path)[2:]).params
        given = {key: given[key] for key in given if key not in ("engine_name", "site", "at_once", "ease")}
        setting = _setting(given.pop("workload"), given.pop("algorithms"), given)
        runs = search(setting, _planner(setting)).manifest.runs
        assert [run.submission.rpartition("_")[0] for run in runs] == chosen.algorithms.split(",")
        assert all(run.point == own_point(BASELINES / run.submission) for run in runs)
