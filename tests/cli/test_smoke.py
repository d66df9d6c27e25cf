"""`algoperf smoke`: a submission on everything in small, and what it says about those that fail."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from algoperf import smoke as runs
from algoperf.records.layout import trial_dir
from algoperf.records.status import read_status
from algoperf.smoke import baseline, mini_workloads, progress
from algoperf.versions import load_version
from places import BASELINES

BROKEN = """
_update = update_params
def update_params(*arguments, **keywords):
    {code}
"""


@pytest.fixture
def smoke(tmp_path: Path, repository: Path):
    def call(submission: Path, *arguments: str, workloads: str = "digits") -> subprocess.CompletedProcess:
        folders = [word for name in ("raw", "data", "output") for word in (f"--{name}-dir", str(tmp_path / name))]
        command = [sys.executable, "-m", "algoperf", "smoke", "--submission", str(submission), "--framework", "pytorch"]
        return subprocess.run(
            [*command, "--workloads", workloads, *folders, *arguments],
            capture_output=True, text=True, cwd=repository, check=False,
        )  # fmt: skip

    return call


def broken(tmp_path: Path, code: str) -> Path:
    folder = tmp_path / "broken"
    folder.mkdir()
    source = (BASELINES / "nadamw_pytorch" / "submission.py").read_text()
    (folder / "submission.py").write_text(source + BROKEN.format(code=code))
    return folder


def test_a_line_per_workload_with_time_to_target(smoke, tmp_path: Path):
    done = smoke(BASELINES / "nadamw_pytorch", "--share")
    lines = done.stdout.splitlines()
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.fullmatch(r"digits  reached in \d+\.\d\d s, \d+ steps \(nadamw_pytorch: 130\)", lines[-3])
    assert lines[-2:] == [
        "1 of 1 target reached.",
        "In brackets: steps to target of nadamw_pytorch, recorded on another machine (docs/mini.md).",
    ]
    assert list((tmp_path / "output").iterdir()) == [tmp_path / "output" / "nadamw_pytorch"]
    trial = trial_dir(tmp_path / "output", "nadamw_pytorch", 1, "digits", "pytorch", 1)
    assert read_status(trial)["machine"]["shared"]


def test_an_error_is_named_and_does_not_stop_the_others(smoke, tmp_path: Path):
    done = smoke(broken(tmp_path, "raise ValueError('no such thing')"), workloads="digits,mnist")
    assert done.returncode == 1
    assert done.stdout.count("failed (submission_error)") == 2
    assert "no such thing" in done.stdout
    assert "0 of 2 targets reached." in done.stdout
    log = Path(done.stdout.partition("; see ")[2].splitlines()[0])
    assert "no such thing" in log.read_text()


def test_a_target_that_is_not_reached_says_how_far_it_came(smoke, tmp_path: Path):
    """Twice: an earlier run is replaced, and is no reason to refuse."""
    submission = broken(tmp_path, COMPLETE)
    for number in range(2):
        done = smoke(submission)
        assert done.returncode == 1
        assert ("Starting over" in done.stderr) == (number == 1)
        assert re.search(
            r"not reached \(training_complete\): validation/accuracy 0\.\d+, target >= 0.96; 4 steps", done.stdout
        )
    assert list((tmp_path / "output").iterdir()) == [tmp_path / "output" / "broken"]


@pytest.mark.parametrize(
    ("label", "steps", "warning", "said"),
    [
        ("budget_spent", 40, "Others keep 1.9 of 2 cores busy, so times are longer.", True),
        ("budget_spent", 400, "Others keep 1.9 of 2 cores busy, so times are longer.", False),  # NAdamW needs less
        ("budget_spent", 40, "PyTorch uses 8 threads, but only 2.0 cores are idle.", False),
        ("training_complete", 40, "Others keep 1.9 of 2 cores busy, so times are longer.", False),
    ],
)
def test_a_budget_spent_on_a_busy_machine_says_so(monkeypatch, tmp_path: Path, label, steps, warning, said):
    status = {
        "status": label, "global_step": steps, "seconds": {"submission": 20.0},
        "machine": {"sessions": [{"warnings": [warning]}]},
    }  # fmt: skip

    def ended(command, stdout, **rest):
        folder = Path(stdout.name).with_name("trial_1")
        folder.mkdir()
        (folder / "status.json").write_text(json.dumps(status))
        return subprocess.Popen([sys.executable, "-c", ""], **rest)

    monkeypatch.setattr(runs, "subprocess", SimpleNamespace(Popen=ended, TimeoutExpired=subprocess.TimeoutExpired))
    settings = runs.SmokeSettings(
        submission=BASELINES / "nadamw_pytorch", framework="pytorch", ruleset="self", version=load_version(), seed=0,
        raw_dir=tmp_path, data_dir=tmp_path, output_dir=tmp_path / "runs",
    )  # fmt: skip
    result = runs.run(mini_workloads(settings.version)["digits"], settings, lambda what: None)
    assert result.verdict.startswith(f"not reached ({label}): validation/accuracy unknown, target >= 0.96; ")
    assert ("the machine was busy: try again when it is idle; 40 steps" in result.verdict) == said


COMPLETE = """from algoperf.spec import TrainingCompleteError
    if keywords["global_step"] == 3:
        raise TrainingCompleteError
    return _update(*arguments, **keywords)"""


@pytest.mark.parametrize("framework", ["jax", "pytorch"])
def test_the_baseline_is_recorded_for_every_workload_and_its_present_target(framework):
    version = load_version()
    name, steps = baseline(list(mini_workloads(version)), framework, version)
    assert name == f"nadamw_{framework}"
    assert steps.keys() == mini_workloads(version).keys(), "record anew: see smoke_baseline.toml"


def test_a_baseline_of_another_target_is_not_shown(monkeypatch, tmp_path: Path):
    recorded = tmp_path / "recorded.toml"
    target = load_version().limits("mnist", "mini").validation_target
    recorded.write_text(f"[digits]\ntarget = 0.9\njax = 5\n[mnist]\ntarget = {target}\njax = 6\n")
    monkeypatch.setattr("algoperf.smoke.BASELINE_FILE", recorded)
    assert baseline(["digits", "mnist"], "jax", load_version()) == ("nadamw_jax", {"mnist": 6})


def test_unknown_workloads_are_named(smoke):
    done = smoke(BASELINES / "nadamw_pytorch", workloads="digts")
    assert done.returncode == 2
    assert "Did you mean 'digits'" in done.stderr


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ([], "training"),
        (["waiting for the devices | 15 s so far | held by x | y"], "waiting for the devices | held by x | y"),
        (["step 3 | 9.0 s so far | clock 75 of 135 s"], "step 3 | clock 75 of 135 s"),
        (
            ["step 3, clock 75.00 of 135 s: loss 1", "warning: Others keep 1.7 of 2 cores"],
            "step 3, clock 75.00 of 135 s: loss 1",
        ),
    ],
)
def test_progress_has_one_counter_and_no_warning(tmp_path: Path, lines, said):
    (tmp_path / "log.txt").write_text("".join(f"{line}\n" for line in lines))
    assert progress(tmp_path / "log.txt") == said


def test_code_that_changes_meanwhile_ends_it(smoke, tmp_path: Path):
    edits = "open(__file__, 'a').write('# an edit\\n'); raise ValueError('no')"
    done = smoke(broken(tmp_path, edits), "--share", workloads="digits,mnist")
    assert done.returncode == 2
    assert "digits  failed" in done.stdout
    assert "mnist" not in done.stdout
    assert "The code of broken was changed meanwhile" in done.stderr
