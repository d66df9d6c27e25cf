"""Real trials, preempted again and again, come to the end of one that was left alone, bit for bit."""

from __future__ import annotations

import os
import signal
import subprocess

import pytest

from campaign_case import PATIENCE_SEC, Case, plan, wait_until
from places import TEST_SUBMISSIONS
from trial_runs import Run, assert_same_outcome

pytestmark = pytest.mark.usefixtures("optimised_jax")
SUBMISSION = TEST_SUBMISSIONS / "many_states_jax"
NAME = "many_states_jax/study_1/digits_jax/trial_1"


@pytest.mark.parametrize("times", [2, pytest.param(10, marks=pytest.mark.full)])
def test_a_preempted_run_equals_an_undisturbed_one(tmp_path, data_root, times):
    """By turns, it is asked to stop, as before a time limit, and killed with all that belongs to it."""
    steps = 300  # fewer than the target takes; many evaluations keep it from getting far between two preemptions
    done = plan(
        tmp_path / "campaign", "--workloads", "digits", "--studies", "1", "--data-dir", str(data_root),
        "--max-global-steps", str(steps), "--eval-every-steps", "2", submissions=[SUBMISSION],
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    same = {"JAX_PLATFORMS": "cpu", "CUDA_VISIBLE_DEVICES": "", "JAX_DISABLE_MOST_OPTIMIZATIONS": "0"}
    case = Case(tmp_path / "campaign", same)
    for count in range(times):
        known = len(case.evaluations(NAME))
        process = case.begin()
        wait_until(lambda known=known: len(case.evaluations(NAME)) > known, "progress")
        if count % 2:
            for each in case.processes():
                try:
                    os.kill(each, signal.SIGKILL)
                except ProcessLookupError:
                    continue
        else:
            process.terminate()
        process.wait(timeout=PATIENCE_SEC)
        wait_until(lambda: not case.processes(), "the end of all processes")
    assert case.call("run").returncode == 0
    attempts = case.attempts(NAME)
    assert len(attempts) == times + 1
    assert [each["next"] for each in attempts] == ["resume"] * times + ["finished"]
    options = {"max_global_steps": steps, "eval_every_steps": 2, "num_processes": None}
    whole = Run(SUBMISSION, "jax", data_root, tmp_path / "whole", options)
    assert whole.finish()[0] == 0
    broken = Run(SUBMISSION, "jax", data_root, tmp_path / "campaign" / "runs", options)
    assert case.evaluations(NAME) == [int(row["global_step"]) for row in whole.rows]
    assert_same_outcome(broken, whole)
    assert broken.status["preemption_count"] == times
    assert float(broken.rows[-1]["total_duration"]) < sum(_seconds(each) for each in attempts)


def _seconds(attempt):
    from algoperf.campaigns.overview import _between

    return _between(attempt["began"], attempt["ended"])


def test_make_runs_a_campaign_that_the_leaderboard_can_read(tmp_path, data_root, repository):
    venv = os.path.dirname(os.path.dirname(subprocess.sys.executable))
    if not os.path.exists(f"{venv}/bin/algoperf"):
        pytest.skip("the project is not installed in a virtual environment")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    make = ["make", "-o", f"{venv}/ready-cpu", f"VENV={venv}"]
    campaign = [*make, "campaign", "SUBMISSIONS=submissions/baselines/momentum_pytorch", "STUDIES=1",
                f"DATA={data_root}", f"CAMPAIGN={tmp_path}", "EXTRA=--max-global-steps 5"]  # fmt: skip
    first, second = (
        subprocess.run(campaign, capture_output=True, text=True, cwd=repository, env=environment, check=False)
        for _ in range(2)
    )
    assert first.returncode == 0, first.stderr
    assert "[1/1] momentum_pytorch/study_1/digits_pytorch/trial_1: max_steps_reached" in first.stdout
    assert "As planned before" in second.stdout
    assert "attempt" not in second.stdout
    assert (tmp_path / "runs/momentum_pytorch/study_1/digits_pytorch/trial_1/status.json").is_file()
    board = [*make, "leaderboard", f"LOGS={tmp_path}/runs", f"BOARD={tmp_path}/board"]
    done = subprocess.run(board, capture_output=True, text=True, cwd=repository, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    assert "momentum_pytorch" in done.stdout
