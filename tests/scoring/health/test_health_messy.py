"""Damaged input: told by path and reason, and nothing else suffers."""

from __future__ import annotations

import json
import os
import random
import tarfile
import time
from pathlib import Path

import pytest

from algoperf.errors import UserError
from algoperf.versions import load_version
from algoperf_scoring.health import check_runs
from health_runs import found, summary, told
from places import SHARED_LOGS

LOGS = SHARED_LOGS


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("status.json", b"{", "status.json cannot be read"),
        ("status.json", b"[]", "status.json is not a JSON object"),
        ("meta_data_0.json", b"\xff\x00", "meta_data_0.json is not JSON"),
        ("flags_0.json", b"", "flags_0.json is not JSON"),
        ("hparams.json", b"[1]", "hparams.json is not a JSON object"),
        ("evaluation.json", b"[" * 100_000, "evaluation.json is not JSON"),
        ("eval_measurements.csv", b"", "is empty"),
        ("eval_measurements.csv", b"score,global_step\n1,2,3\n", "3 fields instead of 2"),
        ("eval_measurements.csv", b"nothing\n1\n", "has no column score"),
        ("eval_measurements.csv", b"\x00\xff\n\x00", "has no column score"),
    ],
)
def test_a_damaged_file_is_told_and_other_runs_are_checked(folder, name, content, reason):
    (folder.run() / name).write_bytes(content)
    folder.run(study=2)
    health = folder.check()
    assert summary(health, "files").level == "fail"
    line = told(health, "files")
    assert line.startswith("mine/study_1/mnist_jax/trial_1")
    assert reason in line
    assert "\n" not in line
    assert all(check.counts["pass"] >= 1 for check in health.checks if check.id not in ("folders", "complete"))


def test_a_torn_row_fails_and_the_rows_before_are_checked(folder):
    file = folder.run() / "eval_measurements.csv"
    file.write_bytes(file.read_bytes()[:-20])
    health = folder.check()
    assert "it is torn" in told(health, "files")
    assert summary(health, "clock-adds-up").level == "pass"


def test_files_that_are_folders_and_values_of_odd_types(folder):
    odd = folder.run(lambda r: (r.status.update(dict.fromkeys(r.status, 3)), r.flags.update(search_space="x")))
    content = json.loads((odd / "status.json").read_text())
    content |= {"scale": "full", "ruleset": None, "version": None}
    (odd / "status.json").write_text(json.dumps(content))
    (odd / "evaluation.json").unlink()
    (odd / "evaluation.json").mkdir()
    folder.run(study=2)
    health = folder.check()
    assert "evaluation.json cannot be read" in told(health, "files")
    assert "the recorded search space is 'x'" in told(health, "points-in-space")


def test_numbers_that_no_float_can_hold(folder):
    def change(records):
        records.point(learning_rate=10**400, dropout=0.1)
        records.status.update(budget_sec=-(10**400))

    folder.run(change)
    health = folder.check()
    assert "learning_rate inf is not in [0.001, 0.1]" in told(health, "points-in-space")
    assert "budget -inf instead of 60" in told(health, "limits")


def test_a_run_without_evaluations_warns(folder):
    first, second = folder.run(), folder.run(study=2)
    (first / "eval_measurements.csv").unlink()
    file = second / "eval_measurements.csv"
    file.write_text(file.read_text().split("\n")[0] + "\n")
    health = folder.check()
    check = summary(health, "files")
    assert (check.level, check.counts["warn"]) == ("warn", 2)
    assert "no eval_measurements.csv" in told(health, "files")
    assert "only a header" in told(health, "files")


def test_only_damaged_runs_are_a_failure_and_none_at_all_an_error(folder):
    (folder.run() / "status.json").write_text("{")
    assert folder.check().level == "fail"
    with pytest.raises(UserError, match="No runs found"):
        check_runs(folder.root / "mine", load_version())
    with pytest.raises(UserError, match="is not a folder"):
        check_runs(folder.root / "nowhere", load_version())
    with pytest.raises(UserError, match="is not a folder"):
        folder.check(submissions_dirs=[folder.root / "nowhere"])


def test_the_result_depends_neither_on_order_nor_on_place(folder, monkeypatch):
    for study in (1, 2, 3):
        for trial in (1, 2):
            folder.run(lambda r, n=study * trial: r.status.update(submission_hash=str(n)), study=study, trial=trial)
    before = json.dumps(folder.check().to_json())
    generator = random.Random(0)
    listdir, scandir = os.listdir, os.scandir

    class Shuffled:
        def __init__(self, path):
            self._entries = list(scandir(path))
            generator.shuffle(self._entries)

        def __enter__(self):
            return iter(self._entries)

        def __exit__(self, *_):
            return None

        def __iter__(self):
            return iter(self._entries)

    monkeypatch.setattr(os, "listdir", lambda path=".": generator.sample(names := listdir(path), len(names)))
    monkeypatch.setattr(os, "scandir", lambda path=".": Shuffled(path))
    monkeypatch.chdir(folder.root.parent)
    assert json.dumps(check_runs(Path("runs"), load_version()).to_json()) == before
    assert str(folder.root) not in before


# --- the logs of past competitions, where they are at hand ------------------------------------------------


def unpacked(name: str, folder: Path) -> Path:
    archive = LOGS / f"{name}.tar.xz"
    if not archive.is_file():
        pytest.skip(f"{archive.name} is not at hand")
    with tarfile.open(archive) as content:
        content.extractall(folder, filter="data")
    return folder / name if (folder / name).is_dir() else folder


def test_messy_logs_made_by_hand(tmp_path):
    root = unpacked("messy", tmp_path)
    root = next(path for path in (root, root / "messy") if (path / "synthetic").is_dir())
    health = check_runs(root / "synthetic", load_version("v0.5"))
    assert found(health) == {
        "files": "fail",
        "steps-increase": "warn",
        "metrics-finite": "warn",
        "complete": "warn",
    }
    text = told(health, "files")
    for trial, reason in (("2", "is empty"), ("3", "only a header"), ("4", "no column validation/ssim"), ("5", "torn")):
        assert any(
            line.startswith(f"sub/study_0/fastmri_jax/trial_{trial}: ") and reason in line for line in text.split("\n")
        )
    assert "sub/study_1/fastmri_jax/trial_1: line 4: step 100 follows step 100, after the run was resumed" in told(
        health, "steps-increase"
    )
    assert "sub/study_2/fastmri_jax/trial_1" in told(health, "metrics-finite")
    for competition, version in (("v05_external", "v0.5"), ("v06_external", "v0.6"), ("v05_self", "v0.5")):
        assert check_runs(root / competition, load_version(version)).level == "warn"


@pytest.mark.parametrize(
    ("name", "ruleset", "num_runs"),
    [pytest.param("v05_external", "external", 3881, marks=pytest.mark.full), ("v05_self", "self", 399)],
)
def test_no_run_of_the_competition_fails_and_what_is_odd_is_known(tmp_path, name, ruleset, num_runs):
    root = unpacked(name, tmp_path)
    start = time.process_time()
    health = check_runs(root, load_version("v0.5"), ruleset)
    assert time.process_time() - start < 20  # processor time; some 2 s on an idle machine
    assert health.num_runs == num_runs
    assert {check.id: check.counts["fail"] for check in health.checks if check.counts["fail"]} == {}
    warned = {check.id: check.counts["warn"] for check in health.checks if check.counts["warn"]}
    if name == "v05_self":
        assert warned == {"metrics-finite": 1, "complete": 4, "folders": 20}
        return
    assert {key: warned[key] for key in ("files", "evaluation-period", "budget", "metrics-finite")} == {
        "files": 181, "evaluation-period": 40, "budget": 30, "metrics-finite": 42,
    }  # fmt: skip
    assert (warned["points-alike"], warned["folders"]) == (5, 18)
    late = summary(health, "evaluation-period").outcomes
    assert {one.path.split("/")[0] + one.path.split("/")[2] for one in late} == {
        "baselinecriteo1tb_jax",
        "baselinecriteo1tb_layernorm_jax",
    }
    assert {one.path.split("/")[2] for one in summary(health, "points-alike").outcomes} == {"imagenet_resnet_jax"}
    exact = ("clock-adds-up", "score-is-time", "steps-take-time", "steps-increase", "times-increase", "example-counts")
    for check_id in exact:
        assert summary(health, check_id).counts["pass"] == 3700
