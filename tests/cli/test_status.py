"""`algoperf status`: where the runs in a folder stand."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from places import BASELINES, REPOSITORY

MOMENTUM = BASELINES / "momentum_pytorch"


def algoperf(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "algoperf", *map(str, arguments)]


def status(root: Path, *arguments: object, code: int = 0) -> dict:
    done = subprocess.run(algoperf("status", root, "--json", *arguments), capture_output=True, text=True, check=False)
    assert done.returncode == code, done.stderr
    return json.loads(done.stdout)


def trial(root: Path, submission: str, study: int = 1, number: int = 1, **content: object) -> Path:
    folder = root / submission / f"study_{study}" / "digits_pytorch" / f"trial_{number}"
    folder.mkdir(parents=True)
    (folder / "status.json").write_text(json.dumps(content))
    return folder


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """A finished, a killed, an interrupted and a failed trial, and one that was never begun."""
    took = {"submission": 30.0, "total": 36.0}
    trial(tmp_path, "one", 1, status="target_reached", seconds=took, target_reached_at={"global_step": 9})
    trial(tmp_path, "one", 2, status="running", seconds={"submission": 9.0, "total": 18.0}, global_step=50)
    trial(tmp_path, "two", 1, status="interrupted", message="Stopped by a signal.", seconds={})
    failed = trial(tmp_path, "two", 2, status="submission_error", message="ValueError: [no]\nat line 3", seconds=took)
    (failed / "log.txt").write_text("said")
    (tmp_path / "two/study_3/digits_pytorch/trial_1").mkdir(parents=True)
    return tmp_path


def test_every_phase_is_told_apart(runs):
    content = status(runs, code=1)
    phases = {(one["submission"], one["study"]): (one["phase"], one["label"]) for one in content["trials"]}
    assert phases == {
        ("one", 3): ("missing", ""),
        ("two", 3): ("missing", ""),
        ("one", 1): ("finished", "target_reached"),
        ("one", 2): ("interrupted", "killed"),
        ("two", 1): ("interrupted", "interrupted"),
        ("two", 2): ("failed", "submission_error"),
    }
    counts = {name: content[name] for name in ("finished", "running", "interrupted", "failed", "missing", "reached")}
    assert counts == {"finished": 1, "running": 0, "interrupted": 2, "failed": 1, "missing": 2, "reached": 1}
    assert content["hours"] == pytest.approx((36 + 18 + 36) / 3600)


def test_the_forecast_is_what_the_same_submission_took(runs):
    """Half of it is done; a failed trial is not repeated by itself."""
    content = status(runs, code=1)
    left = {(one["submission"], one["study"]): 3600 * one["hours_left"] for one in content["trials"]}
    assert left["one", 1] == left["two", 2] == 0
    assert left["one", 2] == pytest.approx(18)
    assert left["two", 1] > 0  # of other runs, or the budget
    assert all(one["hours_left_at_most"] >= one["hours_left"] for one in content["trials"])


def test_what_is_missing_follows_from_what_is_expected(runs):
    def missing(*arguments):
        found = status(runs, *arguments, code=1)["trials"]
        return {(one["submission"], one["workload"], one["study"], one["trial"])
                for one in found if one["phase"] == "missing"}  # fmt: skip

    assert missing() == missing("--workloads", "digits") == {("one", "digits", 3, 1), ("two", "digits", 3, 1)}
    assert missing("--studies", 2) == set()
    assert missing("--workloads", "digits", "--studies", 2) == set()
    two = missing("--workloads", "digits,mnist", "--studies", 1, "--trials", 2)
    assert two == {(name, *place) for name in ("one", "two")
                   for place in (("digits", 1, 2), ("mnist", 1, 1), ("mnist", 1, 2))}  # fmt: skip
    assert len(missing("--ruleset", "external")) == 2 * 8 * 3 * 5  # v0.6: eight workloads, three studies, five trials


def test_the_table_names_what_needs_a_look(runs):
    done = subprocess.run(
        algoperf("status", runs, "--workloads", "digits"), capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    lines = done.stdout.splitlines()
    log = runs / "two/study_2/digits_pytorch/trial_1/log.txt"
    assert lines[0] == f"failed (submission_error): two on digits, study 2, trial 1: ValueError: [no], see {log}"
    assert lines[1].startswith("interrupted (killed): one on digits, study 2, trial 1: step 50, clock 9 s")
    head = next(line for line in lines if line.startswith("submission"))
    assert head.split("  ")[0] == "submission"
    assert [word for word in head.split() if word in ("finished", "running", "interrupted", "failed", "missing")] == [
        "finished", "interrupted", "failed", "missing",
    ]  # fmt: skip
    assert lines[-2].split()[:5] == ["all", "1", "2", "1", "2"]
    assert lines[-1].startswith("Missing: not begun, of 3 studies on digits for every submission.")


def test_what_is_expected_without_a_word_is_of_the_kind_that_the_runs_are(tmp_path):
    """Workloads of all runs, trials of their ruleset, budgets of their scale."""
    told = {"status": "target_reached", "seconds": {"total": 1.0}}
    trial(tmp_path, "tuned", **told, ruleset="external")
    trial(tmp_path, "own", **told, ruleset="self", scale="mini")
    (tmp_path / "own/study_1/digits_pytorch").rename(tmp_path / "own/study_1/mnist_pytorch")
    content = status(tmp_path)
    missing = [one for one in content["trials"] if one["phase"] == "missing"]
    counts = {(group["submission"], group["workload"]): group["missing"] for group in content["groups"]}
    assert counts == {("tuned", "digits"): 14, ("tuned", "mnist"): 15, ("own", "digits"): 3, ("own", "mnist"): 2}
    assert {(one["submission"], one["ruleset"], one["scale"]) for one in missing} == {
        ("tuned", "external", "full"), ("own", "self", "mini"),
    }  # fmt: skip

    def at_most(name, *more):
        found = status(tmp_path, *more)["trials"]
        return {one["hours_left_at_most"] for one in found if (one["submission"], one["workload"]) == (name, "mnist")
                and one["phase"] == "missing"}  # fmt: skip

    assert at_most("own") == at_most("own", "--scale", "mini")
    assert at_most("own") != at_most("own", "--scale", "full")


def test_what_is_missing_of_a_campaign_is_said_by_its_plan(tmp_path):
    trial(tmp_path / "runs", "one", status="target_reached", seconds={})
    (tmp_path / "manifest.json").write_text('{"campaign": "it"}')
    assert status(tmp_path / "runs")["missing"] == 0
    assert status(tmp_path / "runs", "--studies", 3)["missing"] == 2
    done = subprocess.run(algoperf("status", tmp_path / "runs"), capture_output=True, text=True, check=False)
    assert f"algoperf campaign status {tmp_path}" in done.stdout


def test_a_trial_that_runs_is_seen_and_one_that_was_killed_too(tmp_path, data_root):
    """By the lock that its process holds; asking does not disturb it."""
    command = algoperf(
        "train", "--workload", "digits", "--framework", "pytorch", "--ruleset", "self", "--submission", MOMENTUM,
        "--data-dir", data_root, "--output-dir", tmp_path, "--eval-every-steps", 1000000, "--share",
    )  # fmt: skip
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, cwd=REPOSITORY) as process:
        try:
            wait_until((tmp_path / "momentum_pytorch/study_1/digits_pytorch/trial_1/status.json").exists)
            [one] = status(tmp_path, "--studies", 1)["trials"]
            assert (one["phase"], one["label"]) == ("running", "running")
            assert one["silent_sec"] is not None
            assert process.poll() is None
        finally:
            os.kill(process.pid, signal.SIGKILL)
    wait_until(lambda: status(tmp_path)["running"] == 0)
    assert status(tmp_path)["trials"][0]["label"] == "killed"


def wait_until(condition) -> None:
    deadline = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_mistakes_are_explained(tmp_path):
    (tmp_path / "runs").mkdir()
    for arguments, words in (
        ([tmp_path], "There are no runs in"),
        ([tmp_path / "nowhere"], "There is no folder"),
        ([tmp_path / "rns"], f"Did you mean '{tmp_path / 'runs'}'"),
        ([tmp_path, "--workloads", "digts"], "Did you mean 'digits'"),
    ):
        done = subprocess.run(algoperf("status", *arguments), capture_output=True, text=True, check=False)
        assert done.returncode == 2
        assert words in done.stderr
