"""A trial that reached its target is evaluated again by a process that never loads the submission."""

import json
from pathlib import Path

import pytest
from safetensors.numpy import load_file, save_file

from algoperf.versions import load_version
from algoperf_scoring import score
from algoperf_scoring.health import check_runs
from places import TEST_SUBMISSIONS
from trial_runs import Run

CHEATS = Path(__file__).parents[1] / "cheats"
TARGET = {"ruleset": "external", "max_global_steps": None, "eval_every_steps": 20}


@pytest.fixture
def run(repository, data_root, tmp_path) -> Run:
    return Run(repository / "submissions" / "baselines" / "nadamw_pytorch", "pytorch", data_root, tmp_path, TARGET)


def test_the_checkpoint_that_reached_the_target_is_verified(run, capsys):
    code, output = run.finish()
    assert code == 0, output
    step = run.status["target_reached_at"]["global_step"]
    assert f"evaluating checkpoint_{step} again" in output
    assert "1 of 1 checkpoint agrees" in output
    (record,) = json.loads((run.trial / "evaluation.json").read_text())["checkpoints"]
    assert (record["checkpoint"], record["mismatches"]) == (f"checkpoint_{step}", [])
    assert record["seconds"] > 0
    account = json.loads((run.trial / "referee.json").read_text())
    assert account["snapshot"] == {"checkpoint": f"checkpoint_{step}", "sha256": record["sha256"]}
    assert account["clean_sec"] == record["seconds"]
    assert "charged_sec" not in account
    replace_model(run.trial / f"checkpoint_{step}")
    assert run.evaluate_here() == 6
    assert f"checkpoint_{step}: this is not the checkpoint" in capsys.readouterr().err
    health = check_runs(run.output, load_version(), "external")
    assert "this is not the checkpoint" in str([check.outcomes for check in health.checks if check.counts["fail"]])


def replace_model(checkpoint: Path) -> None:
    """Another model, whose metrics are the same: only the hash can tell."""
    file = checkpoint / "model.safetensors"
    save_file(load_file(file), file, metadata={"made": "later"})


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


def test_a_target_that_a_clean_process_refutes_does_not_count(data_root, tmp_path):
    options = {"evaluation": "together", "max_global_steps": 6, "eval_every_steps": 3}
    run = Run(CHEATS / "patched_metric", "pytorch", data_root, tmp_path, options)
    for said in ("0 of 1 checkpoint agrees", "already finished"):  # the same command says the same again
        code, output = run.finish()
        assert code == 6, output
        assert said in output
        step = run.status["target_reached_at"]["global_step"]
        assert f"NOT COUNTED (evaluated again without the submission, step {step} has OTHER metrics" in output
    assert (run.status["status"], run.status["verification"]) == ("target_reached", "differs")
    found = score(run.output, load_version(), "self")
    assert "its evaluations do not count" in found.comparison.problems[0].reason
