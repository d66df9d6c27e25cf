"""Trials that are killed, again and again, come to exactly the end of those that are not. Real processes."""

import json
import os
import random
import shutil
import signal
import time

import psutil
import pytest

from algoperf.workload.registry import find_workload
from dying import OF_PARENTS, POINTS
from places import BASELINES, TEST_SUBMISSIONS
from trial_runs import Run, assert_same_outcome, content

pytestmark = pytest.mark.usefixtures("optimised_jax")  # as in the processes that `Run` starts
SEED = 2025
PATIENCE_SEC = 250  # what is waited for takes seconds, but another test or job may need the processor, too


@pytest.fixture
def trial(tmp_path, repository, data_root):
    """A trial that takes several seconds, and one that is left alone."""

    def make(framework: str, **options) -> tuple[Run, Run]:
        folder = TEST_SUBMISSIONS / f"many_states_{framework}"
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
        time.sleep(moments.uniform(0.0, 0.15))
        how(process)
    return process.wait(timeout=PATIENCE_SEC)


def kill_all(process) -> None:
    """Only the one that was asked for: nothing may train on without it, and hold the devices."""
    children = psutil.Process(process.pid).children(recursive=True)
    os.killpg(process.pid, signal.SIGKILL)
    assert not psutil.wait_procs(children, timeout=PATIENCE_SEC)[1]


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
    assert "resumes it" in status["message"]
    assert run.checkpoint.name == f"checkpoint_{status['global_step']}", "what was done is lost"


def assert_clocks_went_on(run: Run, stopped: dict, wall_sec: float) -> None:
    """What passed between two processes, and what was done after the last checkpoint, is on no clock."""
    seconds = {name: value - stopped["seconds"][name] for name, value in run.status["seconds"].items()}
    assert all(value >= 0 for value in seconds.values())
    assert 0 < seconds["total"] < wall_sec
    accounts = (run.status["seconds"][name] for name in ("submission", "evaluation", "logging"))
    assert run.status["seconds"]["total"] == pytest.approx(sum(accounts))
    row = next(row for row in run.rows if int(row["global_step"]) > stopped["global_step"])
    assert float(row["total_duration"]) >= stopped["seconds"]["total"]


TWO, TWO_BRIEFLY = {"num_processes": 2}, {"num_processes": 2, "max_global_steps": 100}
DEFAULT = {"evaluation": "auto"}  # as users' trials
STOPS = [
    pytest.param("jax", DEFAULT, [terminate], id="jax"),
    pytest.param("jax", DEFAULT, [kill_all, terminate, kill_all], id="jax, again and again", marks=pytest.mark.full),
    pytest.param("pytorch", DEFAULT, [press_ctrl_c, kill_all], id="pytorch", marks=pytest.mark.full),
    pytest.param("pytorch", TWO_BRIEFLY, [press_ctrl_c, kill_second_process], id="two processes"),
    pytest.param(
        "pytorch", TWO, [kill_all, press_ctrl_c, kill_second_process], id="two processes, again and again",
        marks=pytest.mark.full,
    ),
]  # fmt: skip


@pytest.mark.parametrize(("framework", "options", "stops"), STOPS)
def test_a_trial_that_is_stopped_again_and_again_ends_as_if_it_were_not(trial, framework, options, stops):
    run, reference = trial(framework, **options)
    moments = random.Random(SEED)
    previous, stopped = 0, None
    for count, how in enumerate(stops):
        code = stop(run, how, moments)
        assert code == {kill_all: -signal.SIGKILL}.get(how, 130), run.log.read_text()
        assert run.status["preemption_count"] == count
        if how in (terminate, press_ctrl_c):
            assert_stopped_gracefully(run)
            stopped, stopped_at = run.status, time.monotonic()
        if how is kill_second_process:
            assert run.status["status"] == "interrupted"
            assert run.status["message"].startswith("Process 1 was killed (SIGKILL)")
            assert "interrupted: Process 1 was killed" in run.log.read_text()
        assert len(run.rows) > previous, "no progress"
        previous = len(run.rows)
    assert run.finish()[0] == 0
    if stopped is not None:
        assert_clocks_went_on(run, stopped, time.monotonic() - stopped_at)
    assert (reference.finish()[0] if "num_processes" in options else reference.here()) == 0
    assert len(run.rows) == options.get("max_global_steps", 200) // 10
    assert_same_outcome(run, reference)
    assert run.status["preemption_count"] == len(stops)
    assert int(run.rows[-1]["preemption_count"]) == len(stops)
    for count in range(len(stops) + 1):
        assert json.loads((run.trial / f"meta_data_{count}.json").read_text())["rng_seed"] is not None
        assert (run.trial / f"flags_{count}.json").is_file()
    assert "most recent call last" not in run.log.read_text()


@pytest.mark.full
@pytest.mark.parametrize("framework", ["jax", "pytorch"])
def test_batches_of_worker_processes_go_on_where_they_were(prepare, tmp_path, framework):
    """The masks of fastmri's training slices, and dropout of whole channels, are those of an undisturbed trial too."""
    data_root = prepare(find_workload("fastmri").at("mini").dataset, "mini")
    options = {"workload": "fastmri", "scale": "mini", "max_global_steps": 12, "eval_every_steps": 2}
    submission = BASELINES / f"nadamw_{framework}"
    run, reference = (Run(submission, framework, data_root, tmp_path / name, options) for name in ("broken", "whole"))
    assert stop(run, kill_all, random.Random(SEED)) == -signal.SIGKILL, run.log.read_text()
    assert 1 <= len(run.rows) < 6
    for trial in (run, reference):
        code, printed = trial.finish()
        assert code == 0, printed
        assert len(trial.rows) == 6
    assert_same_outcome(run, reference)
    assert run.status["preemption_count"] == 1


@pytest.mark.parametrize(
    "points",
    [
        pytest.param(["half a file", "while old ones go", "in a row"], id="one of each kind"),
        pytest.param(POINTS, id="all", marks=pytest.mark.full),
        pytest.param(OF_PARENTS, id="parents", marks=pytest.mark.full),
    ],
)
def test_killed_at_every_bad_moment_of_an_evaluation(trial, points):
    """Half a checkpoint, no rows yet, half a row, ...: each next process finds what the last one left."""
    run, reference = trial("jax", max_global_steps=120, eval_every_steps=5)
    with run.dying() as die_at:
        for point in points:
            known = [row["global_step"] for row in run.rows]
            assert die_at(point) == -signal.SIGKILL, run.log.read_text()
            for path in run.trial.glob("checkpoint_*"):
                assert (path / "model.safetensors").is_file(), f"{point}: half a checkpoint is seen"
            rows = [row["global_step"] for row in run.rows]
            assert rows[: len(known)] == known, f"{point}: rows were lost"
            assert len(rows) > len(known), f"{point}: no progress"
    assert (run.finish()[0] if points is OF_PARENTS else run.here()) == 0  # times are the parent's, or the trial's own
    assert reference.here() == 0
    assert len(run.rows) == 24
    assert_same_outcome(run, reference)
    assert not [path.name for path in run.trial.iterdir() if path.name.startswith((".checkpoint", ".removed"))]


def test_asked_twice_it_stops_at_once(trial):
    run, _ = trial("jax", max_global_steps=100_000, eval_every_steps=None, skip_evals=True)
    process = run.start()
    assert wait_until((run.trial / "status.json").is_file, process)
    time.sleep(0.5)
    for _ in range(20):
        process.send_signal(signal.SIGINT)
    assert process.wait(timeout=PATIENCE_SEC) == 130
    assert run.status["status"] == "interrupted"
    assert run.status["message"].startswith("Stopped ")
    assert "most recent call last" not in run.log.read_text()


def test_without_checkpoints_a_trial_begins_anew_and_keeps_the_old_rows_apart(trial, capsys):
    run, _ = trial("jax", checkpoints="none", eval_every_steps=50)
    stop(run, kill_all, random.Random(SEED))
    old = run.rows
    assert old
    assert run.here() == 0
    assert "the earlier trial was moved to" in capsys.readouterr().out
    (kept,) = (path for path in run.trial.parent.iterdir() if path.name.startswith(".trial_1.replaced"))
    kept_rows = (kept / "eval_measurements.csv").read_text().splitlines()
    assert len(kept_rows) >= len(old) + 1
    assert [row["global_step"] for row in run.rows] == ["50", "100", "150", "200"]
    assert {row["preemption_count"] for row in run.rows} == {"0"}
    assert not list(run.trial.glob("checkpoint_*"))


def test_resuming_from_an_earlier_checkpoint_drops_the_rows_of_the_later_one(trial, capsys):
    """The newest checkpoint is damaged and removed, as the message advises; the trial makes it again."""
    run, _ = trial("jax", checkpoints="all", eval_every_steps=20)
    process = run.start()
    assert wait_until(lambda: len(run.rows) >= 3, process)
    kill_all(process)
    process.wait()
    newest = max(run.trial.glob("checkpoint_*"), key=lambda path: int(path.name.removeprefix("checkpoint_")))
    first_time, model = content(newest), newest / "model.safetensors"
    model.write_bytes(model.read_bytes()[:-100])
    before = (run.trial / "status.json").read_bytes()
    assert run.here() == 1
    assert f"error: The checkpoint {newest} is damaged" in capsys.readouterr().err
    assert (run.trial / "status.json").read_bytes() == before
    shutil.rmtree(newest)
    assert run.here() == 0
    assert [int(row["global_step"]) for row in run.rows] == list(range(20, 201, 20))
    assert len(list(run.trial.glob(".eval_measurements.csv.replaced-*"))) == 1
    assert content(newest) == first_time
    assert "most recent call last" not in run.log.read_text() + "".join(capsys.readouterr())
