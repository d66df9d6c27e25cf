"""The ladder of a campaign: what it runs first, who goes on, and that it is known after any accident."""

from __future__ import annotations

import pytest

from algoperf.campaigns.folder import MANIFEST
from algoperf.campaigns.ladder import parse_needed
from algoperf.campaigns.manifest import read_manifest
from algoperf.datasets.digits import DIGITS
from algoperf.datasets.mnist.dataset import MNIST
from algoperf.errors import UserError
from algoperf.records.status import read_status
from campaign_case import PATIENCE_SEC, Case, plan, scripted, wait_until
from places import BASELINES, TEST_SUBMISSIONS

GOOD, BAD = "momentum_pytorch", "lamb_pytorch"


def steps_of(folder):
    return [(step["step"], step["workloads"], step["studies"], step["reach"]) for step in
            read_manifest(folder / MANIFEST).ladder["steps"]]  # fmt: skip


@pytest.mark.parametrize(("ruleset", "runs"), [("self", [3, 6, 3]), ("external", [6, 4, 14])])
def test_a_plan_with_a_ladder_says_what_runs_first_and_who_goes_on(tmp_path, ruleset, runs):
    done = plan(tmp_path, "--workloads", "ogbg,fastmri,wmt", "--ruleset", ruleset, "--trials", "2", "--ladder")
    assert done.exit_code == 0, done.output
    early = 3 if ruleset == "self" else 1
    assert steps_of(tmp_path) == [
        ("mini", ["ogbg", "fastmri", "wmt"], 1, 2), ("qualification", ["ogbg", "wmt"], early, 1),
        ("all", ["ogbg", "fastmri", "wmt"], 3, 0),
    ]  # fmt: skip
    manifest = read_manifest(tmp_path / MANIFEST)
    order = [run.step for run in manifest.runs]
    assert [order.count(step) for step in dict.fromkeys(order)] == runs
    assert list(dict.fromkeys(order)) == ["mini", "qualification", "all"]
    assert "A submission passes a step when it has reached the targets" in (tmp_path / MANIFEST).read_text()
    assert "ladder: mini: ogbg, fastmri, wmt at scale mini, 1 study; to go on, reach 2 of 3 targets\n" in done.output
    assert "ladder: all: ogbg, fastmri, wmt at scale full, 3 studies\n" in done.output
    assert f"step qualification: {runs[1]} runs, at most" in done.output
    first = manifest.runs[0]
    assert first.command[first.command.index("--scale") + 1] == "mini"
    assert first.command[first.command.index("--output-dir") + 1] == str(tmp_path / "runs_mini")
    assert (first.id, first.place) == ("mini/momentum_pytorch/study_1/ogbg_pytorch/trial_1", "mini/ogbg")
    assert manifest.workloads["mini/ogbg"]["seconds"]["pytorch"]["budget"] < 200


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (["--ladder", "mini=4"], "The step mini cannot need 4 targets: it has 1, digits."),
        (["--ladder", "minni=1"], "Unknown step of the ladder with a rule 'minni'. Did you mean 'mini'?"),
        (["--ladder", "mini=half"], "say how many targets are needed, such as mini=2"),
        (["--ladder", "qualification=1"], "has no step 'qualification'. It has: mini."),
        (["--qualification", "digits"], "--qualification is for --ladder"),
        (["--ladder", "--qualification", "digit"], "Did you mean 'digits'?"),
    ],
)
def test_ladders_that_cannot_be_are_refused(tmp_path, options, complaint):
    done = plan(tmp_path / "campaign", "--workloads", "digits", *options)
    assert isinstance(done.exception, UserError)
    assert complaint in str(done.exception)
    assert not (tmp_path / "campaign").exists()
    assert parse_needed(" mini=2, ") == {"mini": 2}


@pytest.fixture
def data(prepare):
    prepare(DIGITS, "mini")
    prepare(MNIST, "mini")
    return prepare(DIGITS, "full")


def climbing(tmp_path, data, behaviours, **options):
    return scripted(tmp_path, data, behaviours, submissions=(GOOD, BAD), studies=2, steps=20, **options)


def name(submission, step=None, study=1, workload="digits"):
    prefix = "mini/" if step == "mini" else ""
    return f"{prefix}{submission}/study_{study}/{workload}_pytorch/trial_1"


def test_a_submission_that_fails_a_step_is_left_out_and_the_others_go_on(tmp_path, data):
    case = climbing(tmp_path, data, {f"mini/{BAD}": ["miss"]}, options=["--ladder"])
    done = case.call("run")
    assert done.returncode == 0, done.stdout + done.stderr
    phases = case.phases()
    assert [phases[name(each, "mini")] for each in (GOOD, BAD)] == ["finished"] * 2
    assert [phases[name(GOOD, study=study)] for study in (1, 2)] == ["finished"] * 2
    assert [phases[name(BAD, study=study)] for study in (1, 2)] == ["dropped"] * 2
    assert "attempt 0" not in done.stdout
    failed = f"ladder: {BAD} has failed mini: 0 of 1 targets reached, 1 needed"
    assert done.stdout.count(failed) == 1
    assert f"ladder: {GOOD} has passed mini: 1 of 1 targets reached" in done.stdout
    assert "4 of 6 runs ended by the rules.\n  Left out, because their submissions failed a step: 2 runs" in done.stdout
    assert (tmp_path / "runs_mini" / name(BAD) / "status.json").is_file()
    assert not (tmp_path / "runs" / BAD).exists()
    shown = case.call("status")
    assert shown.returncode == 0
    assert f"to go on, reach 1 of 1 targets. passed: {GOOD}. failed: {BAD}\n" in shown.stdout
    status = case.status()
    assert status["hours_left"] == 0
    assert status["ladder"][0]["submissions"][BAD]["verdict"] == "failed"
    assert case.call("run").returncode == 0, "nothing is begun again"
    assert case.phases() == phases


def test_every_step_is_a_gate(tmp_path, data):
    """Scale mini throughout: then there is no first step of it. BAD fails the second."""
    case = climbing(
        tmp_path, data, {f"{BAD}/study_1/digits": ["miss"], f"{BAD}/study_2/digits": ["miss"]}, scale="mini",
        workloads="digits,mnist", options=["--ladder", "--qualification", "digits"],
    )  # fmt: skip
    assert [step[0] for step in steps_of(tmp_path)] == ["qualification", "all"]
    assert case.call("run", "--at-once", "2").returncode == 0
    phases = case.phases()
    assert {phases[name(GOOD, study=study, workload="mnist")] for study in (1, 2)} == {"finished"}
    assert {phases[name(BAD, study=study, workload="mnist")] for study in (1, 2)} == {"dropped"}


@pytest.mark.parametrize("accident", ["signal", "failure"])
def test_a_step_that_is_not_decided_keeps_the_next_one_waiting(tmp_path, data, accident):
    told = {"signal": ["wait", "go"], "failure": ["exit=4", "exit=4", "exit=4", "go"]}[accident]
    case = climbing(tmp_path, data, {f"mini/{BAD}": told}, options=["--ladder"])
    process = case.begin()
    if accident == "signal":
        wait_until(lambda: case.evaluations(name(BAD, "mini")) == [10], "half of the run")
        process.terminate()
    assert process.wait(timeout=PATIENCE_SEC) == {"signal": 130, "failure": 4}[accident]
    phases = case.phases()
    assert {phases[name(BAD, study=study)] for study in (1, 2)} == {"later"}
    assert case.call("run", "--again").returncode == 0
    assert set(case.phases().values()) == {"finished"}
    assert case.evaluations(name(BAD, "mini")) == [10, 20]


def test_an_error_of_the_submissions_own_fails_the_step(tmp_path, data):
    case = climbing(tmp_path, data, {f"mini/{BAD}": ["exit=3", "go"]}, options=["--ladder"])
    assert case.call("run").returncode == 3
    assert case.phases()[name(BAD)] == "dropped"
    assert case.phases()[name(GOOD)] == "finished"
    assert case.call("run", "--again").returncode == 0
    assert set(case.phases().values()) == {"finished"}


def test_real_runs_climb_as_far_as_they_reach_targets(tmp_path, data):
    """Digits, at scale mini and full: NAdamW reaches its target, one whose steps have the wrong sign does not."""
    done = plan(
        tmp_path / "campaign", "--workloads", "digits", "--studies", "1", "--data-dir", str(data), "--ladder",
        "--eval-every-steps", "50", "--max-global-steps", "300",
        submissions=[BASELINES / "nadamw_pytorch", TEST_SUBMISSIONS / "broken" / "turned_sign.py"],
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    case = Case(tmp_path / "campaign")
    done = case.call("run")
    assert done.returncode == 0, done.stdout + done.stderr
    campaign = case.campaign
    ends = {run.id: (read_status(campaign.records(run)) or {}).get("status") for run in campaign.manifest.runs}
    assert ends == {
        "mini/nadamw_pytorch/study_1/digits_pytorch/trial_1": "target_reached",
        "nadamw_pytorch/study_1/digits_pytorch/trial_1": "target_reached",
        "mini/turned_sign/study_1/digits_pytorch/trial_1": "max_steps_reached",
        "turned_sign/study_1/digits_pytorch/trial_1": None,
    }
    assert "turned_sign has failed mini: 0 of 1 targets reached, 1 needed" in done.stdout
    assert campaign.manifest.workloads["mini/digits"]["data_hash"] is not None
