"""A submission that was changed after planning: it is refused, loudly, and the runs of all others go on."""

from __future__ import annotations

import shutil

import pytest

from algoperf.campaigns.changes import difference
from campaign_case import scripted, wait_until
from places import BASELINES

OTHER, MINE = "lamb_pytorch", "mine"
DIFFERENCE = "The submission mine is not what was planned:\n  submission.py has changed since\n"


def name(submission, study=1):
    return f"{submission}/study_{study}/digits_pytorch/trial_1"


@pytest.fixture
def mine(tmp_path):
    """A submission whose files may be edited."""
    return shutil.copytree(BASELINES / "momentum_pytorch", tmp_path / MINE)


def edit(folder):
    with (folder / "submission.py").open("a") as file:
        file.write("# better\n")


def restore(folder):
    shutil.copy(BASELINES / "momentum_pytorch" / "submission.py", folder)


def test_runs_of_others_go_on_and_those_of_the_changed_one_wait_for_its_code(tmp_path, data_root, mine):
    case = scripted(tmp_path / "campaign", data_root, {}, submissions=(OTHER, mine), steps=20)
    edit(mine)
    done = case.call("run")
    assert done.returncode == 2
    assert done.stdout.count(DIFFERENCE) == 1, done.stdout
    assert "Restore it, or plan a new campaign in another folder for the new code.\n" in done.stdout
    assert "Until then its run waits; those of other submissions go on.\n" in done.stdout
    assert "Waiting, because the code of their submissions is not what was planned: 1 run.\n" in done.stdout
    assert case.phases() == {name(OTHER): "finished", name(MINE): "waiting"}
    assert not case.attempts(name(MINE))
    shown = case.call("status")
    assert shown.returncode == 1
    assert DIFFERENCE in shown.stdout
    status = case.status()
    assert (status["changed"], status["waiting"], len(status["changed_submissions"])) == (1, 0, 1)
    restore(mine)
    assert (case.status()["changed"], case.status()["waiting"]) == (0, 1)
    done = case.call("run")
    assert done.returncode == 0, done.stdout + done.stderr
    assert case.phases() == {name(OTHER): "finished", name(MINE): "finished"}
    edit(mine)
    assert case.call("run").returncode == 0, "nothing of it is left to run"


def test_an_edit_on_the_way_is_noticed_before_the_next_run(tmp_path, data_root, mine):
    case = scripted(
        tmp_path / "campaign", data_root, {"study_1": ["wait", "go"]}, submissions=(mine,), studies=2, steps=20
    )
    process = case.begin()
    wait_until(lambda: case.evaluations(name(MINE)) == [10], "half of the run")
    edit(mine)
    process.terminate()
    assert process.wait() == 130
    assert case.call("run").returncode == 2, "a run that was interrupted is not continued by other code"
    assert [len(case.attempts(name(MINE, study))) for study in (1, 2)] == [1, 0]


def test_a_run_that_waited_in_a_queue_is_tried_again_once_the_code_is_restored(tmp_path, data_root, mine):
    case = scripted(tmp_path / "campaign", data_root, {}, submissions=(mine,), steps=20)
    edit(mine)
    queued = case.call("execute", "--run", name(MINE))  # as a job does that was in the queue before the edit
    (attempt,) = case.attempts(name(MINE))
    assert (queued.returncode, attempt["exit_code"], attempt["next"]) == (77, 77, "retry")
    assert attempt["cause"].startswith(DIFFERENCE)
    assert case.status()["changed"] == 1
    restore(mine)
    assert case.call("run").returncode == 0
    assert case.phases() == {name(MINE): "finished"}


def test_a_submission_that_is_gone_is_a_changed_one(tmp_path, data_root, mine):
    case = scripted(tmp_path / "campaign", data_root, {}, submissions=(mine,))
    assert difference(case.campaign, MINE) == ""
    shutil.rmtree(mine)
    assert "mine is not what was planned:\n  it cannot be read: " in difference(case.campaign, MINE)
    assert case.status()["changed"] == 1
