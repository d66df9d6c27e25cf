"""A trial that is to be pruned stops, says why, and goes on when the order is withdrawn. Real processes."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path

import psutil
import pytest

from algoperf.records.csv_file import CsvFile
from algoperf.records.prune_order import PruneOrder, read_order, withdraw_order, write_order
from places import REPOSITORY, TEST_SUBMISSIONS
from trial_runs import PATIENCE_SEC, Run, assert_same_outcome

pytestmark = pytest.mark.usefixtures("optimised_jax")
STEPS = 100
ORDER = PruneOrder("The median over studies is known.", "settled")


@pytest.fixture
def trials(tmp_path, data_root) -> tuple[Run, Run]:
    """A trial, and one that is left alone."""
    folder = TEST_SUBMISSIONS / "many_states_pytorch"
    return tuple(
        Run(folder, "pytorch", data_root, tmp_path / name, {"max_global_steps": STEPS}) for name in ("pruned", "whole")
    )


def wait_until(happened) -> None:
    deadline = time.monotonic() + PATIENCE_SEC
    while not happened():
        assert time.monotonic() < deadline, "nothing happens"
        time.sleep(0.005)


def has_pending(process: int, number: int) -> bool:
    """Whether a signal waits for a process that stands still."""
    for line in Path(f"/proc/{process}/status").read_text().splitlines():
        if line.startswith("ShdPnd:"):
            return bool(int(line.split()[1], 16) >> (number - 1) & 1)
    raise AssertionError("the kernel does not say which signals are pending")


def prune_in_the_middle(trial: Run) -> int:
    """Let a trial stand still after an evaluation until its parent has obeyed the order; returns the exit code."""
    parent = trial.start()
    wait_until(lambda: trial.rows)
    (child,) = psutil.Process(parent.pid).children()
    os.kill(child.pid, signal.SIGSTOP)
    write_order(trial.trial, ORDER)
    wait_until(lambda: has_pending(child.pid, signal.SIGTERM))
    os.kill(child.pid, signal.SIGCONT)
    return parent.wait(timeout=PATIENCE_SEC)


def test_a_pruned_trial_goes_on_exactly_when_the_order_is_withdrawn(trials):
    trial, whole = trials
    assert prune_in_the_middle(trial) == 0, trial.log.read_text()
    status, rows = trial.status, trial.rows
    assert (status["status"], status["finished"], status["message"]) == ("pruned", True, ORDER.reason)
    assert status["pruned"] == {"rule": "settled", "reason": ORDER.reason}
    assert 0 < status["global_step"] < STEPS
    assert trial.checkpoint.name == f"checkpoint_{status['global_step']}"
    assert CsvFile.read(trial.trial / "measurements.csv")[-1]["accumulated_eval_time"], "no row of an end"
    assert f"pruned: {ORDER.reason}" in trial.log.read_text()

    assert trial.here() == 0  # the same command leaves it as it is
    assert (trial.status, trial.rows) == (status, rows)

    withdraw_order(trial.trial)
    code, output = trial.finish()
    assert code == 0, output
    assert f"resumed from checkpoint_{status['global_step']}" in output
    assert "pruned" not in trial.status
    assert whole.here() == 0
    assert_same_outcome(trial, whole)


def test_a_trial_deaf_to_signals_is_ended_by_one_order(tmp_path, data_root):
    honest = (REPOSITORY / "tests" / "cheats" / "honest.py").read_text()
    deaf = tmp_path / "deaf.py"
    deaf.write_text(
        honest.replace("import torch", "import signal\nimport torch").replace(
            "optimizer.step()", "signal.signal(signal.SIGTERM, signal.SIG_IGN)"
        )
    )
    trial = Run(deaf, "pytorch", data_root, tmp_path / "runs", {"max_global_steps": 10**6, "eval_every_steps": 5})
    parent = trial.start()
    wait_until(lambda: list(trial.output.rglob("eval_measurements.csv")))
    (folder,) = (path.parent for path in trial.output.rglob("eval_measurements.csv"))
    wait_until(lambda: len(CsvFile.read(folder / "eval_measurements.csv")) > 0)
    write_order(folder, ORDER)
    assert parent.wait(timeout=PATIENCE_SEC) == 0, trial.log.read_text()
    status = json.loads((folder / "status.json").read_text())
    assert (status["status"], status["message"]) == ("pruned", ORDER.reason)


def test_a_trial_that_is_to_be_pruned_is_not_begun(trials):
    trial, _ = trials
    write_order(trial.trial, ORDER)
    assert trial.here() == 0
    assert (trial.status["status"], trial.status["message"], trial.status["study"]) == ("pruned", ORDER.reason, 1)
    assert not {"eval_measurements.csv", "measurements.csv"} & {path.name for path in trial.trial.iterdir()}
    withdraw_order(trial.trial)
    assert trial.here(max_global_steps=10) == 0
    assert trial.status["status"] == "max_steps_reached"
    assert len(trial.rows) == 1


def test_starting_over_withdraws_the_order(trials):
    trial, _ = trials
    write_order(trial.trial, ORDER)
    assert trial.here(max_global_steps=10, no_resume=True) == 0
    assert trial.status["status"] == "max_steps_reached"
    assert read_order(trial.trial) is None


@pytest.mark.parametrize(
    ("text", "order"),
    [
        ('{"rule": "cut", "reason": "Too slow."}', PruneOrder("Too slow.", "cut")),
        ("{}", PruneOrder("Somebody asked for it, without a reason.")),
        ('{"rule": 3, "reason": " "}', PruneOrder("Somebody asked for it, without a reason.")),
        ("[]", None),
        ("", None),
    ],
)
def test_orders_that_people_write(tmp_path, text, order):
    (tmp_path / "prune.json").write_text(text)
    assert read_order(tmp_path) == order
