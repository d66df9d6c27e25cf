"""Which stopped runs are begun again: all, or those that somebody names."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from algoperf.campaigns.again import ask_again
from algoperf.cli import cli
from algoperf.errors import UserError
from campaign_case import Case, scripted

LAMB, LION = "lamb_pytorch", "lion_pytorch"


def name(submission, study=1, workload="digits"):
    return f"{submission}/study_{study}/{workload}_pytorch/trial_1"


@pytest.fixture
def case(tmp_path, data_root) -> Case:
    """Two submissions, two workloads and two studies; the first study of three of them was stopped."""
    case = scripted(
        tmp_path, data_root, {"study": ["go"]}, submissions=(LAMB, LION), workloads="digits,mnist", studies=2, steps=20
    )
    for run in (name(LAMB), name(LION), name(LION, workload="mnist")):
        job = tmp_path / "jobs" / run
        job.mkdir(parents=True)
        attempt = {"number": 1, "next": "stop", "exit_code": 2, "cause": "a mistake", "ended": "now"}
        (job / "attempt_1.json").write_text(json.dumps(attempt))
    return case


def stopped(case):
    return {run for run, phase in case.phases().items() if phase == "stopped"}


@pytest.mark.parametrize(
    ("names", "left"),
    [
        ([], set()),
        ([LAMB], {name(LION), name(LION, workload="mnist")}),
        ([name(LION, workload="mnist")], {name(LAMB), name(LION)}),
        (["digits"], {name(LION, workload="mnist")}),
        (["mnist", LAMB], {name(LION)}),
    ],
)
def test_a_name_is_that_of_a_run_a_submission_or_a_workload(case, names, left):
    assert ask_again(case.campaign, names) == f"To be begun again: {3 - len(left)} run{'s' * (len(left) < 2)}."
    assert stopped(case) == left


def test_a_name_without_a_stopped_run_says_why(case):
    said = ask_again(case.campaign, [LAMB, name(LION, study=2), name(LAMB, workload="mnist")])
    assert said.splitlines() == [
        "To be begun again: 1 run.",
        f"  {name(LION, study=2)}: none of its runs was stopped ({name(LION)} was stopped).",
        f"  {name(LAMB, workload='mnist')}: none of its runs was stopped.",
    ]


def test_a_failed_run_may_be_named_and_what_is_not_run_says_why(case):
    job = case.folder / "jobs" / name(LAMB)
    (job / "attempt_1.json").write_text(json.dumps({"number": 1, "next": "stop", "exit_code": 3, "ended": "now"}))
    assert case.phases()[name(LAMB, study=2)] == "not_run"
    said = ask_again(case.campaign, [name(LAMB, study=2)])
    assert (
        said.splitlines()[1] == f"  {name(LAMB, study=2)}: none of its runs was stopped (same error as {name(LAMB)})."
    )
    assert ask_again(case.campaign, [LAMB]) == "To be begun again: 1 run."
    assert {case.phases()[name(LAMB, study=study)] for study in (1, 2)} == {"waiting"}


def test_a_run_that_has_begun_goes_on_after_the_failure_of_another(case):
    attempts = {1: {"next": "stop", "exit_code": 3}, 2: {"next": "resume", "exit_code": 130, "steps": 5}}
    for study, attempt in attempts.items():
        job = case.folder / "jobs" / name(LAMB, study=study)
        job.mkdir(parents=True, exist_ok=True)
        (job / "attempt_1.json").write_text(json.dumps({"number": 1, **attempt, "ended": "now"}))
    assert case.phases()[name(LAMB, study=2)] == "waiting"
    assert case.campaign.held_back(case.campaign.find(name(LAMB, study=2))) == ""


@pytest.mark.parametrize("given", ["lion_pytroch", ""])
def test_an_unknown_name_is_refused_before_anything_is_changed(case, given):
    with pytest.raises(UserError, match="no such run, submission or workload") as error:
        ask_again(case.campaign, [LAMB, given])
    assert ("Did you mean 'lion_pytorch'?" in str(error.value)) == bool(given)
    assert "Allowed: submissions lamb_pytorch, lion_pytorch; workloads digits, mnist; or a run" in str(error.value)
    assert len(stopped(case)) == 3


def test_the_folder_may_come_after_the_option(tmp_path, data_root):
    case = scripted(tmp_path, data_root, {"study": ["idle=2", "go"]}, steps=20)
    assert case.call("run").returncode == 2
    typo = case.call("run", "--again", "momentum_pytroch")
    assert typo.returncode == 2
    assert "Did you mean 'momentum_pytorch'?" in typo.stderr
    done = CliRunner().invoke(cli, ["campaign", "run", "--again", str(case.folder)])
    assert done.exit_code == 0, done.output
    assert "To be begun again: 1 run." in done.output
