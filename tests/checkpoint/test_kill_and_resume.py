"""Trials that are killed, again and again, come to exactly the end of those that are not. Real processes."""

import json
import os
import random
import signal
import time
from pathlib import Path

import psutil
import pytest
from dying import POINTS
from trial_runs import DYING, TIMES, Run, assert_same_outcome

SEED = 2025
PATIENCE_SEC = 100


@pytest.fixture
def trial(tmp_path, repository, data_root):
    """A trial that takes several seconds, and one that is left alone and runs beside it."""

    def make(framework: str, **options) -> tuple[Run, Run]:
        folder = repository / "tests" / "submissions" / f"many_states_{framework}"
        return tuple(Run(folder, framework, data_root, tmp_path / name, options) for name in ("broken", "whole"))

    return make


def wait_until(happened, process) -> bool:
    """Whether it happened before the process ended."""
    deadline = time.monotonic() + PATIENCE_SEC
    while process.poll() is None:
        if happened():
            return True
        assert time.monotonic() < deadline, "nothing happens"
        time.sleep(0.005)
    return False


def stop(run: Run, how, moments: random.Random) -> int:
    """Start, wait for progress, then a random moment, then `how(process)`; returns the exit code."""
    before = len(run.rows)
    process = run.start()
    if wait_until(lambda: len(run.rows) > before, process):
        time.sleep(moments.uniform(0.0, 0.4))
        how(process)
    return process.wait(timeout=PATIENCE_SEC)


def kill_all(process) -> None:
    os.killpg(process.pid, signal.SIGKILL)


def kill_second_process(process) -> None:
    for child in psutil.Process(process.pid).children():
        if child.environ().get("RANK") == "1":
            child.kill()


def terminate(process) -> None:
    process.terminate()


def press_ctrl_c(process) -> None:
    """A terminal sends the signal to the whole group."""
    os.killpg(process.pid, signal.SIGINT)


def assert_stopped_gracefully(run: Run) -> None:
    status = run.status
    assert status["status"] == "interrupted"
    assert "goes on from here" in status["message"]
    assert run.checkpoint.name == f"checkpoint_{status['global_step']}", "what was done is lost"


@pytest.mark.parametrize(
    ("framework", "options", "stops"),
    [
        ("jax", {}, [kill_all, terminate, kill_all]),
        ("pytorch", {}, [kill_all, press_ctrl_c, kill_all]),
        ("pytorch", {"num_processes": 2}, [kill_all, press_ctrl_c, kill_second_process, terminate]),
    ],
    ids=["jax", "pytorch", "two processes"],
)
def test_a_trial_that_is_stopped_again_and_again_ends_as_if_it_were_not(trial, framework, options, stops):
    run, reference = trial(framework, **options)
    whole = reference.start()
    moments = random.Random(SEED)
    previous = 0
    for count, how in enumerate(stops):
        code = stop(run, how, moments)
        assert code == {kill_all: -signal.SIGKILL}.get(how, 130), run.log.read_text()
        assert run.status["preemption_count"] == count
        if how in (terminate, press_ctrl_c):
            assert_stopped_gracefully(run)
        if how is kill_second_process:
            assert run.status["status"] == "interrupted"
            assert run.status["message"].startswith("Process 1 was killed (SIGKILL)")
        assert len(run.rows) > previous, "no progress"
        previous = len(run.rows)
    assert run.finish()[0] == 0
    assert whole.wait(timeout=PATIENCE_SEC) == 0
    assert len(run.rows) == 10
    assert_same_outcome(run, reference)
    assert run.status["preemption_count"] == len(stops)
    assert int(run.rows[-1]["preemption_count"]) == len(stops)
    for count in range(len(stops) + 1):
        assert json.loads((run.trial / f"meta_data_{count}.json").read_text())["rng_seed"] is not None
        assert (run.trial / f"flags_{count}.json").is_file()
    assert "Traceback" not in run.log.read_text()


def test_killed_at_every_bad_moment_of_an_evaluation(trial):
    """Half a checkpoint, no rows yet, half a row, ...: each next process finds what the last one left."""
    run, reference = trial("jax", max_global_steps=120, eval_every_steps=5)
    whole = reference.start()
    for point in POINTS:
        known = [row["global_step"] for row in run.rows]
        process = run.start(program=(str(DYING), point))
        assert process.wait(timeout=PATIENCE_SEC) == -signal.SIGKILL, run.log.read_text()
        complete = [path for path in run.trial.glob("checkpoint_*") if (path / "model.safetensors").is_file()]
        assert len(complete) == len(list(run.trial.glob("checkpoint_*"))) > 0, f"{point}: a half checkpoint is seen"
        rows = (run.trial / "eval_measurements.csv").read_text().splitlines()[1:]
        assert [row["global_step"] for row in run.rows][: len(known)] == known, f"{point}: rows were lost"
        assert len(rows) > len(known), f"{point}: no progress"
    assert run.finish()[0] == 0
    assert whole.wait(timeout=PATIENCE_SEC) == 0
    assert len(run.rows) == 24
    assert_same_outcome(run, reference)
    assert not [path.name for path in run.trial.iterdir() if path.name.startswith((".checkpoint", ".removed"))]


def test_clocks_go_on_where_they_stood(trial):
    """What passes between two processes, and what was done after the last checkpoint, is on no clock."""
    run, _ = trial("jax")
    stop(run, terminate, random.Random(SEED))
    stopped, pause_sec = run.status, 3.0
    time.sleep(pause_sec)
    begin = time.monotonic()
    assert run.finish()[0] == 0
    wall_sec = time.monotonic() - begin
    seconds = {name: value - stopped["seconds"][name] for name, value in run.status["seconds"].items()}
    assert all(value >= 0 for value in seconds.values())
    assert 0 < seconds["total"] < wall_sec
    accounts = ("submission", "evaluation", "logging")
    assert run.status["seconds"]["total"] == pytest.approx(sum(run.status["seconds"][name] for name in accounts))
    row = next(row for row in run.rows if int(row["global_step"]) > stopped["global_step"])
    assert float(row["total_duration"]) >= stopped["seconds"]["total"]
    assert all(float(row[name]) > 0 for name in TIMES)


def test_asked_twice_it_stops_at_once(trial):
    run, _ = trial("jax", max_global_steps=100_000, eval_every_steps=None, skip_evals=True)
    process = run.start()
    assert wait_until(lambda: (run.trial / "status.json").is_file(), process)
    children = psutil.Process(process.pid).children()
    time.sleep(0.5)
    for _ in range(20):
        process.send_signal(signal.SIGINT)
    assert process.wait(timeout=PATIENCE_SEC) == 130
    assert not children
    assert run.status["status"] == "interrupted"
    assert "Traceback" not in run.log.read_text()


def test_no_process_outlives_the_one_that_was_asked_for(trial):
    """Killing `algoperf` alone, as a scheduler may, leaves nothing that trains on and holds devices and lock."""
    run, _ = trial("pytorch", num_processes=2, max_global_steps=100_000)
    process = run.start()
    assert wait_until(lambda: len(run.rows) > 0, process)
    children = psutil.Process(process.pid).children(recursive=True)
    assert len(children) == 2
    process.kill()
    process.wait()
    gone, alive = psutil.wait_procs(children, timeout=10)
    assert not alive
    assert len(gone) == 2
    assert (run.trial / ".lock").is_file()


def test_without_checkpoints_a_trial_begins_anew_and_keeps_the_old_rows_apart(trial):
    run, reference = trial("jax", checkpoints="none", max_global_steps=40)
    stop(run, kill_all, random.Random(SEED))
    old = run.rows
    assert old
    code, output = run.finish()
    assert code == 0
    assert "the earlier trial was moved to" in output
    (kept,) = (path for path in run.trial.parent.iterdir() if path.name.startswith(".trial_1.replaced"))
    kept_rows = (kept / "eval_measurements.csv").read_text().splitlines()
    assert len(kept_rows) >= len(old) + 1
    assert [row["global_step"] for row in run.rows] == ["20", "40"]
    assert {row["preemption_count"] for row in run.rows} == {"0"}
    assert not list(run.trial.glob("checkpoint_*"))
    del reference


def test_resuming_from_an_earlier_checkpoint_drops_the_rows_of_the_later_one(trial):
    """The newest checkpoint is damaged and removed, as the message advises."""
    run, reference = trial("jax", checkpoints="all", max_global_steps=60)
    assert reference.finish()[0] == 0
    stop(run, kill_all, random.Random(SEED))
    while run.status["num_evaluations"] < 2:
        stop(run, kill_all, random.Random(SEED))
    newest = max(run.trial.glob("checkpoint_*"), key=lambda path: int(path.name.removeprefix("checkpoint_")))
    model = newest / "model.safetensors"
    model.write_bytes(model.read_bytes()[:-100])
    if run.status["finished"]:
        pytest.fail("the trial was too fast to be killed")
    code, output = run.finish()
    assert code == 1
    assert f"error: The checkpoint {newest} is damaged" in output
    assert "Traceback" not in output
    for file in newest.iterdir():
        file.unlink()
    newest.rmdir()
    assert run.finish()[0] == 0
    assert [row["global_step"] for row in run.rows] == ["20", "40", "60"]
    copies = list(Path(run.trial).glob(".eval_measurements.csv.replaced-*"))
    assert len(copies) == 1
    final = run.trial / "checkpoint_60" / "model.safetensors"
    assert final.read_bytes() == (reference.trial / "checkpoint_60" / "model.safetensors").read_bytes()
