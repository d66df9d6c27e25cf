"""Every way to fail: its status, its exit code, and a message that shows the submission's code and no more."""

import math
import shutil

import numpy as np
import pytest

from algoperf.trial.evaluation import Evaluator
from algoperf.trial.settings import TrialSettings
from places import TEST_SUBMISSIONS
from trial_runs import Run

FRAMEWORKS = ["jax", "pytorch"]


@pytest.fixture
def trial(tmp_path, repository, data_root):
    def make(framework: str, **options) -> Run:
        folder = TEST_SUBMISSIONS / "faulty"
        return Run(folder, framework, data_root, tmp_path / framework, {"max_global_steps": 12, **options})

    return make


def assert_shows_only_the_submission(output: str, function: str) -> None:
    assert "Traceback (submission's frames only; " in output
    assert "Traceback (most recent call last)" not in output
    assert f"in {function}" in output
    frames = [line for line in output.splitlines() if line.strip().startswith("File ")]
    assert frames
    assert all("faulty" in frame for frame in frames), frames


@pytest.mark.parametrize("framework", FRAMEWORKS)
@pytest.mark.parametrize(
    ("fault", "step"),
    [
        ("init_optimizer_state 0 raise", 0),
        ("data_selection 3 raise", 3),
        ("update_params 0 raise", 0),
        ("update_params 5 raise", 5),
        ("prepare_for_eval 9 raise", 9),
    ],
)
def test_a_submission_that_raises(trial, monkeypatch, capsys, framework, fault, step):
    run, function = trial(framework), fault.split()[0]
    monkeypatch.setenv("FAULT", fault)
    assert run.here() == 3
    output = capsys.readouterr()
    assert f"submission_error: {function} failed at step {step}." in output.out
    assert output.err == ""
    assert_shows_only_the_submission(output.out, function)
    status = run.status
    assert (status["status"], status["finished"], status["global_step"]) == (
        "submission_error", False, step + (function == "prepare_for_eval")
    )  # fmt: skip
    assert f"ValueError: wrong in {function} of process 0" in status["message"]


def test_an_error_is_shown_when_a_breach_comes_to_light_at_the_end(trial, monkeypatch, capsys):
    run = trial("pytorch")
    monkeypatch.setenv("FAULT", "update_params 5 call out and raise")
    assert run.here() == 9
    assert_shows_only_the_submission(capsys.readouterr().out, "update_params")
    message = run.status["message"]
    assert "It used the network" in message
    assert "Seen at its end, submission_error: update_params failed at step 5." in message
    assert "ValueError: wrong in update_params of process 0" in message


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_a_state_that_cannot_be_saved_costs_checkpoints_only(trial, monkeypatch, capsys, framework):
    run = trial(framework, eval_every_steps=4)
    monkeypatch.setattr(TrialSettings, "budget_sec", math.inf)
    monkeypatch.setenv("FAULT", "state_dict 0 raise")
    assert run.here() == 0
    output = capsys.readouterr().out
    assert output.count("no checkpoints from here on") == 1
    assert "ValueError: wrong in state_dict of process 0" in output
    assert [row["global_step"] for row in run.rows] == ["4", "8", "12"]
    assert not list(run.trial.glob("*checkpoint*"))


def test_a_batch_size_that_cannot_be_had(trial, monkeypatch, capsys):
    run = trial("jax")
    monkeypatch.setenv("BATCH_SIZE", "0")
    assert run.here() == 2
    assert "error: get_batch_size('digits') returned 0. Allowed: a positive integer" in capsys.readouterr().err
    monkeypatch.setenv("FAULT", "get_batch_size 0 raise")
    assert run.here() == 2
    assert "no batch size for digits: wrong in get_batch_size" in capsys.readouterr().err
    assert not run.trial.exists(), "a mistake leaves nothing behind"
    monkeypatch.setenv("FAULT", "get_batch_size 0 memory")
    assert run.here() == 3, "an exception of the submission is its own"
    assert "get_batch_size('digits') raised MemoryError: no room" in capsys.readouterr().err
    assert not run.trial.exists()


@pytest.mark.parametrize("framework", FRAMEWORKS)
@pytest.mark.parametrize(
    ("fault", "complaint"),
    [
        ("update_params 2 none", "update_params returned None at step 2. It must return three: (optimizer_state,"),
        ("prepare_for_eval 9 none", "prepare_for_eval returned None at step 9. It must return three"),
        ("data_selection 2 none", "update_params failed at step 2. Its batch is None, as data_selection returned it;"),
        (
            "init_optimizer_state 0 none",
            "update_params failed at step 0. Its optimizer_state is None, as init_optimizer",
        ),
        (
            "data_selection 2 number",
            "update_params failed at step 2. Its batch is an int, as data_selection returned it;",
        ),
        ("update_params 0 pair", "update_params returned a tuple of 2 at step 0. It must return three"),
        ("update_params 3 number", "update_params returned an int at step 3. It must return three"),
        ("update_params 7 numbers", "came a value of type int, expected"),
        ("update_params 9 swapped", "another model at step 9:"),
        ("update_params 0 tree", "update_params returned another model at step 0:"),
        ("update_params 1 dtype", "came bfloat16["),
        ("update_params 1 shape", "came float32[1, "),
        ("prepare_for_eval 9 dtype", "came bfloat16["),
        ("prepare_for_eval 9 other state", "another model at step 9:"),
    ],
)
def test_a_submission_that_returns_something_else(trial, monkeypatch, capsys, framework, fault, complaint):
    """Its error, in words; no breach of the rules, and no traceback of the harness."""
    run = trial(framework)
    monkeypatch.setenv("FAULT", fault)
    assert run.here() == 3
    assert run.status["status"] == "submission_error"
    assert complaint in run.status["message"]
    output = capsys.readouterr()
    assert output.err == ""
    assert "most recent call last" not in output.out
    assert "broke the rules" not in output.out


@pytest.mark.parametrize(("framework", "what"), [("jax", "memory"), ("pytorch", "memory"), ("jax", "device memory")])
def test_running_out_of_memory(trial, monkeypatch, framework, what):
    run = trial(framework)
    monkeypatch.setenv("FAULT", f"update_params 3 {what}")
    assert run.here() == 4
    assert run.status["status"] == "out_of_memory"
    assert "update_params failed at step 3" in run.status["message"]


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_nan_ends_a_trial_by_the_rules(trial, monkeypatch, capsys, framework):
    run = trial(framework)
    monkeypatch.setenv("FAULT", "update_params 3 nan")
    assert run.here() == 0
    status = run.status
    assert (status["status"], status["finished"], status["global_step"]) == ("nan", True, 10)
    assert status["message"] == "validation/loss is NaN at step 10."
    assert status["last_evaluation"]["metrics"]["validation/loss"] is None
    assert run.rows[-1]["validation/loss"] == "nan"
    assert run.evaluate_here("--tolerance", "0") == 0, "NaN is what was recorded"
    capsys.readouterr()
    assert run.here() == 0
    assert (
        "Training diverged; no evaluation had only finite metrics. Try a smaller learning rate"
        in capsys.readouterr().out
    )


def test_the_last_evaluation_before_nan_is_named(trial, monkeypatch, capsys):
    run = trial("pytorch")
    monkeypatch.setenv("FAULT", "update_params 11 nan")
    assert run.here() == 0
    assert [row["global_step"] for row in run.rows] == ["10", "12"]
    assert run.here() == 0, "finished already"
    assert "Training diverged; the last finite evaluation was at step 10. Try" in capsys.readouterr().out


def test_an_evaluation_with_nan_comes_back_as_it_was(trial, monkeypatch):
    """Only the training split is NaN: the trial goes on, is interrupted, and is resumed."""
    run, seen = trial("jax", max_global_steps=30), []
    original = Evaluator.metrics

    def with_nan(self, *args, **kwargs):
        return {**original(self, *args, **kwargs), "train/loss": float("nan")}

    monkeypatch.setattr(Evaluator, "metrics", with_nan)
    monkeypatch.setenv("FAULT", "update_params 15 raise")
    assert run.here() == 3
    monkeypatch.delenv("FAULT")
    (run.trial / "eval_measurements.csv").write_text("")  # as if the crash had come before the row
    monkeypatch.setattr("algoperf.trial.calls.SubmissionCalls.show_evaluation", lambda *args: seen.append(args))
    assert run.here() == 0
    assert run.rows[0]["train/loss"] == "nan"
    assert np.isnan(seen[0][2]["train/loss"])


@pytest.mark.parametrize(
    ("fault", "status", "code", "steps"),
    [
        ("update_params 0 complete", "training_complete", 0, 1),
        ("update_params 4 complete", "training_complete", 0, 5),
        ("data_selection 4 complete", "submission_error", 3, 4),
        ("prepare_for_eval 9 complete", "submission_error", 3, 10),
        ("init_optimizer_state 0 complete", "submission_error", 3, 0),
    ],
)
def test_training_complete_in_the_right_and_the_wrong_place(trial, monkeypatch, fault, status, code, steps):
    run = trial("jax")
    monkeypatch.setenv("FAULT", fault)
    assert run.here() == code
    assert (run.status["status"], run.status["global_step"]) == (status, steps)
    if code == 0:
        assert [row["global_step"] for row in run.rows] == [str(steps)]


@pytest.mark.parametrize("fault", ["init_optimizer_state 0 exit", "update_params 3 exit", "data_selection 3 exit"])
def test_a_submission_that_exits_has_not_succeeded(trial, monkeypatch, capsys, fault):
    run = trial("jax")
    monkeypatch.setenv("FAULT", fault)
    assert run.here() == 3
    assert run.status["status"] == "submission_error"
    assert "SystemExit: 0" in run.status["message"]
    assert_shows_only_the_submission(capsys.readouterr().out, fault.split()[0])


def test_an_entry_of_the_pmap_era_is_told_so(tmp_path, data_root, capsys):
    run = Run(TEST_SUBMISSIONS / "pmap_era", "jax", data_root, tmp_path, {"max_global_steps": 2})
    assert run.here() == 3
    output = capsys.readouterr().out
    assert "the submission is of the pmap era" in output
    assert "It uses flax.jax_utils.replicate, jax.pmap" in output
    assert "note: dropped or renamed by newer libraries, replaced for this submission: jax.tree_map" in output


def test_a_submission_that_cannot_be_imported(trial, tmp_path, capsys):
    run = trial("jax")
    run.submission = tmp_path / "faulty_import"
    shutil.copytree(trial("jax").submission, run.submission)
    file = run.submission / "submission.py"
    file.write_text(f"{file.read_text()}\nimport no_such_module_anywhere\n")
    assert run.here() == 2
    error = capsys.readouterr().err
    assert f"The submission {file} cannot be imported." in error
    assert_shows_only_the_submission(error, "<module>")


@pytest.mark.parametrize(
    ("fault", "code", "status"),
    [
        pytest.param("update_params 5 raise", 3, "submission_error", marks=pytest.mark.full),
        pytest.param("init_optimizer_state 0 raise", 3, "submission_error", marks=pytest.mark.full),
        ("update_params 5 memory", 4, "out_of_memory"),
    ],
)
def test_when_only_the_second_process_fails_its_message_is_told(trial, monkeypatch, fault, code, status):
    """The first one only sees that the other is gone. Nobody hangs."""
    run, function = trial("pytorch", num_processes=2), fault.split()[0]
    monkeypatch.setenv("FAULT", fault)
    monkeypatch.setenv("FAULT_RANK", "1")
    found, output = run.finish()
    assert found == code, output
    assert run.status["status"] == status
    assert run.status["message"].startswith(f"In process 1: {function} failed at step {fault.split()[1]}.")
    assert "most recent call last" not in output
    assert not list(run.trial.glob(".failure*"))


def test_when_the_first_process_fails_the_second_does_not_hang(trial, monkeypatch):
    run = trial("pytorch", num_processes=2)
    monkeypatch.setenv("FAULT", "update_params 5 raise")
    monkeypatch.setenv("FAULT_RANK", "0")
    code, output = run.finish()
    assert code == 3, output
    assert run.status["message"].startswith("update_params failed at step 5.")
    assert "wrong in update_params of process 0" in output
