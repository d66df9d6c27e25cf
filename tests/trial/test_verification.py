"""A trial that reached its target is evaluated again by a process that never loads the submission."""

import json

import pytest

from places import TEST_SUBMISSIONS
from trial_runs import Run

TARGET = {"ruleset": "external", "max_global_steps": None, "eval_every_steps": 20}


@pytest.fixture
def run(repository, data_root, tmp_path) -> Run:
    return Run(repository / "submissions" / "baselines" / "nadamw_pytorch", "pytorch", data_root, tmp_path, TARGET)


def test_the_checkpoint_that_reached_the_target_is_verified(run):
    code, output = run.finish()
    assert code == 0, output
    step = run.status["target_reached_at"]["global_step"]
    assert f"evaluating checkpoint_{step} again" in output
    assert "1 of 1 checkpoints agree" in output
    (record,) = json.loads((run.trial / "evaluation.json").read_text())["checkpoints"]
    assert (record["checkpoint"], record["mismatches"]) == (f"checkpoint_{step}", [])


def test_nothing_is_evaluated_again_if_that_is_not_wanted_or_there_is_no_checkpoint(run):
    for options in ({"no_verify": True}, {"checkpoints": "none", "no_resume": True}):
        code, output = run.finish(**options)
        assert (code, run.status["status"]) == (0, "target_reached"), output
        assert "evaluating" not in output
        assert not (run.trial / "evaluation.json").exists()


def test_other_ends_are_not_verified(data_root, tmp_path):
    run = Run(TEST_SUBMISSIONS / "faulty", "pytorch", data_root, tmp_path, {"max_global_steps": 4})
    code, output = run.finish()
    assert (code, "evaluating" in output) == (0, False), output
