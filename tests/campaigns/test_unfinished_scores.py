"""Scores and checks of a campaign's runs while some of them have not ended: no reader may take them for the end."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from algoperf.cli import cli
from algoperf.datasets.digits import DIGITS
from algoperf.datasets.mnist.dataset import MNIST
from campaign_case import Case, plan
from places import BASELINES

SHORT = ("--scale", "mini", "--max-global-steps", "5", "--eval-every-steps", "5")
UNFINISHED = "UNFINISHED CAMPAIGN: 1 of 8 planned runs ended by the rules ({}). This ranking is not final."
FIRST = "momentum_pytorch/study_1/digits_pytorch/trial_1"


@pytest.fixture(scope="module")
def begun(tmp_path_factory, prepare) -> Path:
    """A campaign of two submissions, two workloads and two studies, of which one run was made."""
    folder = tmp_path_factory.mktemp("begun") / "campaign"
    prepare(DIGITS, "mini")
    done = plan(
        folder, "--workloads", "digits,mnist", "--studies", "2", "--data-dir", str(prepare(MNIST, "mini")), *SHORT,
        submissions=[BASELINES / "momentum_pytorch", BASELINES / "lamb_pytorch"],
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    ended = Case(folder).call("execute", "--run", FIRST)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return folder


def call(*arguments: object):
    return CliRunner().invoke(cli, [*map(str, arguments)])


def test_a_score_says_first_that_it_is_not_final(begun, tmp_path):
    done = call("score", begun / "runs", "--output", tmp_path)
    assert done.exit_code == 0, done.output
    line = UNFINISHED.format("7 waiting")
    assert " ".join(done.stdout.split()).startswith(line)
    assert (tmp_path / "leaderboard.md").read_text().splitlines()[2] == f"**{line}**"
    assert f"<strong>{line}</strong>" in (tmp_path / "report.html").read_text()
    content = json.loads((tmp_path / "leaderboard.json").read_text())
    assert (content["plan"]["final"], content["plan"]["phases"]["waiting"], len(content["plan"]["open"])) == (
        False,
        7,
        7,
    )
    assert content["unranked"] == ["lamb_pytorch"]
    assert content["outcomes"] == {
        "lamb_pytorch": {"digits": "unfinished", "mnist": "unfinished"},
        "momentum_pytorch": {"digits": "not reached", "mnist": "unfinished"},
    }
    missing = {(one["submission"], one["workload"]): (one["studies"], one["expected"]) for one in content["missing"]}
    assert missing == {
        ("lamb_pytorch", "digits"): (0, 2), ("lamb_pytorch", "mnist"): (0, 2),
        ("momentum_pytorch", "digits"): (1, 2), ("momentum_pytorch", "mnist"): (0, 2),
    }  # fmt: skip


def test_a_cancelled_campaign_is_no_final_result(begun, tmp_path):
    shutil.copytree(begun, tmp_path / "campaign")
    (tmp_path / "campaign" / "CANCELLED").touch()
    done = call("score", tmp_path / "campaign" / "runs")
    assert " ".join(done.stdout.split()).startswith(UNFINISHED.format("7 waiting; cancelled"))


def test_strict_refuses_an_unfinished_campaign(begun):
    done = call("score", begun / "runs", "--strict")
    assert done.exit_code != 0
    assert UNFINISHED.format("7 waiting") in str(done.exception)


def test_runs_are_checked_against_the_plan(begun, tmp_path):
    done = call("check-runs", begun / "runs", "--json", tmp_path / "checks.json")
    assert done.exit_code != 0
    (check,) = [one for one in json.loads((tmp_path / "checks.json").read_text())["checks"] if one["id"] == "complete"]
    assert {one["path"]: (one["level"], one["evidence"]) for one in check["outcomes"]} == {
        "lamb_pytorch/*/digits_pytorch": ("fail", "2 of 2 planned runs did not end: 2 waiting"),
        "lamb_pytorch/*/mnist_pytorch": ("fail", "2 of 2 planned runs did not end: 2 waiting"),
        "momentum_pytorch/*/digits_pytorch": ("fail", "1 of 2 planned runs did not end: 1 waiting"),
        "momentum_pytorch/*/mnist_pytorch": ("fail", "2 of 2 planned runs did not end: 2 waiting"),
    }


def test_no_number_of_studies_is_asked_for_where_the_version_scores_nothing(begun, tmp_path):
    """The same runs without their campaign."""
    shutil.copytree(begun / "runs", tmp_path / "runs")
    done = call("check-runs", tmp_path / "runs", "--json", tmp_path / "checks.json")
    (check,) = [one for one in json.loads((tmp_path / "checks.json").read_text())["checks"] if one["id"] == "complete"]
    assert (check["level"], check["not_checked"]) == (
        "not_checked", {"does not apply: v0.6 does not score these workloads": 1}
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    assert "UNFINISHED" not in call("score", tmp_path / "runs").stdout


def test_what_failed_is_final_unless_its_records_say_that_it_may_go_on(begun, tmp_path):
    """As the campaign's own files say it when a submission has raised."""
    folder = tmp_path / "campaign"
    shutil.copytree(begun, folder)
    job = folder / "jobs" / "lamb_pytorch/study_1/digits_pytorch/trial_1"
    records = folder / "runs" / job.relative_to(folder / "jobs")
    for each in (job, records):
        each.mkdir(parents=True)
    (job / "attempt_1.json").write_text(json.dumps({"number": 1, "next": "stop", "exit_code": 3, "ended": "now"}))
    status = json.loads((folder / "runs" / FIRST / "status.json").read_text())
    status |= {"submission": "lamb_pytorch", "status": "submission_error", "finished": False}
    del status["submission_hash"], status["identity"]
    (records / "status.json").write_text(json.dumps(status))
    said = " ".join(call("score", folder / "runs").stdout.split())
    failed = "1 failed by an error of the submission, 1 not run: same error, 5 waiting"
    assert said.startswith(UNFINISHED.format(failed))
    (records / "status.json").write_text(json.dumps({**status, "status": "running"}))
    said = " ".join(call("score", folder / "runs").stdout.split())
    assert said.startswith(UNFINISHED.format("5 waiting, 1 stopped by an error, 1 held"))


def test_a_plan_that_cannot_be_read_is_said(begun, tmp_path):
    folder = tmp_path / "campaign"
    shutil.copytree(begun, folder)
    (folder / "manifest.json").write_text("{")
    done = call("score", folder / "runs")
    assert done.exit_code == 0, done.output
    assert " ".join(done.stdout.split()).startswith("Whether the campaign of these runs is finished is not known: ")
    (folder / "manifest.json").write_text('{"name": "of something else"}')
    assert call("score", folder / "runs").stdout.startswith("AlgoPerf v0.6")
    assert call("check-runs", folder / "runs").exit_code == 0


def test_a_finished_campaign_needs_no_warning(tmp_path, data_root):
    folder = tmp_path / "campaign"
    done = plan(
        folder, "--workloads", "digits", "--studies", "1", "--data-dir", str(data_root), "--max-global-steps", "5",
        "--eval-every-steps", "5",
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    ended = Case(folder).call("run", "--at-once", "1")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert call("score", folder / "runs").stdout.startswith("AlgoPerf v0.6")
    assert call("check-runs", folder / "runs").exit_code == 0


def test_a_campaign_of_which_nothing_is_left_to_run_says_what_failed(begun, tmp_path):
    """Both submissions raised on both workloads, before a trial began: there are no records of that."""
    folder = tmp_path / "campaign"
    shutil.copytree(begun, folder)
    places = ("momentum_pytorch/study_2/digits", "momentum_pytorch/study_1/mnist")
    for place in (*places, "lamb_pytorch/study_1/digits", "lamb_pytorch/study_1/mnist"):
        job = folder / "jobs" / f"{place}_pytorch" / "trial_1"
        job.mkdir(parents=True)
        (job / "attempt_1.json").write_text(json.dumps({"number": 1, "next": "stop", "exit_code": 3, "ended": "now"}))
    said = " ".join(call("score", folder / "runs", "--output", tmp_path / "board").stdout.split())
    assert said.startswith(
        "Campaign ended with errors of submissions: 1 of 8 planned runs ended by the rules "
        "(4 failed by an error of the submission, 3 not run: same error)."
    )
    content = json.loads((tmp_path / "board" / "leaderboard.json").read_text())
    assert content["studies_ended_by_error"] == {
        "momentum_pytorch": {"digits": 1, "mnist": 2}, "lamb_pytorch": {"digits": 2, "mnist": 2},
    }  # fmt: skip
    assert {outcome for cells in content["outcomes"].values() for outcome in cells.values()} == {"error"}
    assert call("score", folder / "runs", "--strict").exit_code != 0
