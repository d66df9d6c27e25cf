"""Campaigns on this machine: what follows from how runs end, accidents, signals, and what is left. Real processes."""

from __future__ import annotations

import json
import os
import random
import signal
import time
from datetime import datetime

import psutil
import pytest

from algoperf.campaigns.folder import MANIFEST
from algoperf.campaigns.overview import overview
from algoperf.commands.campaign_status import _plain as as_text
from algoperf.datasets.digits import DIGITS
from algoperf.datasets.mnist.dataset import MNIST
from algoperf.records.json_file import read_object
from algoperf.trial.devices import Line, devices
from campaign_case import KINDS, PATIENCE_SEC, STEPS, Case, kill, plan, scripted, wait_until

EVALUATIONS = list(range(10, STEPS + 1, 10))
SEED = 2026


def name(study=1, submission="momentum_pytorch", workload="digits"):
    return f"{submission}/study_{study}/{workload}_pytorch/trial_1"


def test_exit_codes_decide_what_happens_next(tmp_path, data_root):
    """Retries are counted; interrupted runs go on while they get on; a killed one too."""
    case = scripted(
        tmp_path, data_root, studies=5,
        behaviours={
            "study_1": ["exit=4", "go"],
            "study_2": ["exit=130", "die", "go"],
            "study_3": ["exit=1", "exit=7", "go"],
            "study_4": ["idle=130"] * 3 + ["go"],
        },
    )  # fmt: skip
    done = case.call("run", "--engine", "local", "--at-once", "2")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "5 of 5 runs ended by the rules." in done.stdout
    ends = {study: [each["next"] for each in case.attempts(name(study))] for study in range(1, 6)}
    assert ends == {
        1: ["retry", "finished"], 2: ["resume", "resume", "finished"], 3: ["retry", "retry", "finished"],
        4: ["resume", "resume", "resume", "finished"], 5: ["finished"],
    }  # fmt: skip
    assert [each["exit_code"] for each in case.attempts(name(2))] == [130, 137, 0]
    assert case.attempts(name(1))[0]["cause"] == "out_of_memory: out_of_memory at step 30"
    assert all(case.evaluations(name(study)) == EVALUATIONS for study in range(1, 6))
    again = case.call("run")
    assert again.returncode == 0
    assert all(len(case.attempts(name(study))) == len(ends[study]) for study in ends)


def test_a_submissions_own_error_is_final_for_its_runs_of_the_workload_until_asked(tmp_path, prepare):
    prepare(DIGITS, "mini")
    case = scripted(
        tmp_path, prepare(MNIST, "mini"), studies=2, workloads="digits,mnist", scale="mini",
        submissions=("momentum_pytorch", "lamb_pytorch"), steps=20,
        behaviours={"momentum_pytorch/study_1/digits": ["exit=3", "go"]},
    )  # fmt: skip
    done = case.call("run")
    assert done.returncode == 3, done.stdout + done.stderr
    phases = case.phases()
    assert phases.pop(name(1)) == "failed"
    assert phases.pop(name(2)) == "not_run"
    assert set(phases.values()) == {"finished"}
    assert f"{name(1)}: FAILED, exit code 3, submission_error: submission_error at step 10" in done.stdout
    assert "\nThe campaign has ended: nothing is left to run.\nExit code 3: the submission's own error" in done.stdout
    assert case.call("run").returncode == 3, "nothing is begun again by itself"
    queued = case.call("execute", "--run", name(2))  # as an engine does that had it in its queue already
    assert (queued.returncode, case.attempts(name(2))) == (76, [])
    assert f"{name(2)} is not begun: same error as {name(1)}" in queued.stdout
    shown = case.call("status")
    assert shown.returncode == 1
    assert f"FAILED: {name(1)}: exit code 3 after 1 attempt," in shown.stdout
    assert f"\nnot run: 1 run, same error as {name(1)}\nThe campaign has ended: nothing is left to run." in shown.stdout
    status = case.status()
    assert (status["ended"], status["failed"], status["not_run"], status["hours_left"]) == (True, 1, 1, 0)
    again = case.call("run", "--again")
    assert again.returncode == 0
    assert f"{name(1)}: target_reached" in again.stdout
    assert f"{name(1)}: stop" not in again.stdout, "an old failure is told as a new one"
    assert f"{name(1)}: attempt 1" not in again.stdout, "an old attempt is told as a new one"
    assert set(case.phases().values()) == {"finished"}
    assert case.evaluations(name(1)) == [10, 20]


@pytest.mark.parametrize(("planned", "found"), [("3", "3"), (None, "1")])
def test_all_runs_have_the_number_of_threads_that_was_planned(tmp_path, data_root, monkeypatch, planned, found):
    monkeypatch.delenv("OMP_NUM_THREADS")
    if planned is not None:
        monkeypatch.setenv("OMP_NUM_THREADS", planned)
    monkeypatch.setattr("algoperf.campaigns.plan.has_gpu_driver", lambda: False)
    case = scripted(tmp_path, data_root, {"study_1": ["exit=3", "go"]}, studies=2, steps=20)
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    assert case.call("run").returncode == 3
    monkeypatch.delenv("OMP_NUM_THREADS")
    assert case.call("run", "--again").returncode == 0
    for study in (1, 2):
        status = read_object(tmp_path / "runs" / name(study) / "status.json")
        assert status["hardware"]["omp_num_threads"] == found


def test_a_run_that_waits_for_devices_says_so_and_uses_no_time(tmp_path, data_root, monkeypatch):
    monkeypatch.delenv("ALGOPERF_SHARE")
    locks = tmp_path / "locks"
    locks.mkdir()
    monkeypatch.setenv("ALGOPERF_LOCKS", str(locks))
    folder = tmp_path / "campaign"
    done = plan(folder, "--workloads", "digits", "--studies", "1", "--data-dir", str(data_root),
                "--max-global-steps", "2")  # fmt: skip
    assert done.exit_code == 0, done.output
    case = Case(folder)
    with Line(devices(uses_gpus=False), "another trial", locks).alone(print):
        process = case.begin()
        waiting = "waiting for devices"
        wait_until(lambda: waiting in case.call("status").stdout or process.poll() is not None)
        assert case.status()["hours"] == 0
        assert f"live: {name()}: {waiting} on {os.uname().nodename}\n" in case.call("status").stdout
    assert process.wait(timeout=PATIENCE_SEC) == 0
    log = (folder / "jobs" / name() / "log.txt").read_text()
    assert "; `share = true` under [local] in the campaign's site file would train beside it" in log
    (attempt,) = case.attempts(name())
    assert attempt["waited_sec"] > 0
    took = datetime.fromisoformat(attempt["ended"]) - datetime.fromisoformat(attempt["began"])
    assert case.status()["hours"] == pytest.approx((took.total_seconds() - attempt["waited_sec"]) / 3600)


def test_what_waits_in_a_queue_is_not_live(tmp_path, data_root):
    case = scripted(tmp_path, data_root, {}, studies=4)
    live = {name(1): "running", name(2): "pending (Resources)", name(3): "pending (Resources)"}
    content = overview(case.campaign, live)
    assert [content[phase] for phase in ("waiting", "queued", "live")] == [1, 2, 1]
    assert [run["run"] for run in content["live_runs"]] == [name(1)]
    shown = as_text(content)
    assert "queued: 2 runs, pending (Resources)\n" in shown
    assert shown.splitlines()[-1].split()[2:5] == ["1", "2", "1"]
    assert "queued" not in as_text(overview(case.campaign, {}))


def test_runs_of_an_older_plan_have_the_threads_of_whoever_begins_them(tmp_path, data_root):
    case = scripted(tmp_path, data_root, {}, steps=20)
    content = json.loads((tmp_path / MANIFEST).read_text())
    del content["threads"]
    (tmp_path / MANIFEST).write_text(json.dumps(content))
    case.environment = {"OMP_NUM_THREADS": "7"}
    assert case.call("run").returncode == 0
    status = read_object(tmp_path / "runs" / name() / "status.json")
    assert status["hardware"]["omp_num_threads"] == "7"


@pytest.mark.parametrize(("told", "attempts"), [("exit=4", 3), ("idle=130", 6)])
def test_what_does_not_pass_is_stopped_in_the_end(tmp_path, data_root, told, attempts):
    case = scripted(tmp_path, data_root, {"study_1": [told]}, steps=20)
    done = case.call("run")
    assert done.returncode == int(told.partition("=")[2])
    assert len(case.attempts(name())) == attempts
    assert case.phases() == {name(): "stopped"}


def test_missing_data_hold_all_runs_of_the_workload(tmp_path, data_root):
    case = scripted(
        tmp_path, data_root, studies=2, submissions=("momentum_pytorch", "lamb_pytorch"),
        behaviours={"momentum_pytorch/study_1": ["idle=5"]},
    )  # fmt: skip
    assert case.call("run").returncode == 5
    assert sorted(case.phases().values()) == ["held", "held", "held", "stopped"]


def test_runs_at_the_same_time_have_devices_of_their_own(tmp_path, data_root):
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:
        pytest.skip("needs two cores")
    case = scripted(tmp_path, data_root, {"study": ["wait"]}, studies=2)
    process = case.begin("--at-once", "2")
    files = [tmp_path / "runs" / name(study) / "attempts" for study in (1, 2)]
    wait_until(lambda: all(file.exists() and file.read_text() for file in files), "two runs at a time")
    first, second = (set(eval(file.read_text())) for file in files)  # our own lists of numbers
    assert first
    assert second
    assert not first & second
    assert first | second <= set(cores)
    assert case.call("run").returncode == 2, "only one may begin runs"
    process.terminate()
    assert process.wait(timeout=PATIENCE_SEC) == 130
    refused = case.call("run", "--at-once", str(len(cores) + 1))
    assert refused.returncode == 2
    assert "need devices of their own" in refused.stderr


def test_a_signal_lets_runs_save_their_state(tmp_path, data_root):
    case = scripted(tmp_path, data_root, {"study_1": ["wait", "go"]}, studies=2)
    process = case.begin()
    wait_until(lambda: case.evaluations(name(1)) == EVALUATIONS[:3], "half of the run")
    process.terminate()
    assert process.wait(timeout=PATIENCE_SEC) == 130
    (attempt,) = case.attempts(name(1))
    assert (attempt["exit_code"], attempt["asked_to_stop"]) == (130, True)
    assert "\nStopped by a signal; 2 runs wait. To go on: algoperf" in (tmp_path / "output.txt").read_text()
    assert not case.processes()
    assert not case.attempts(name(2))
    assert case.call("run").returncode == 0
    assert [case.evaluations(name(study)) for study in (1, 2)] == [EVALUATIONS] * 2


def test_runs_go_on_when_the_campaign_is_killed_and_the_next_one_waits_for_them(tmp_path, data_root):
    case = scripted(tmp_path, data_root, {"study_1": ["wait", "go"]}, studies=2)
    process = case.begin()
    wait_until(lambda: case.evaluations(name(1)) == EVALUATIONS[:3], "half of the run")
    kill(process)
    (worker,) = (psutil.Process(each["process_id"]) for each in case.attempts(name(1)))
    second = case.begin()
    wait_until(lambda: case.status()["live"] == 1)
    time.sleep(0.5)
    assert len(case.attempts(name(1))) == 1, "it was begun twice"
    worker.terminate()
    assert second.wait(timeout=PATIENCE_SEC) == 0
    assert [len(case.attempts(name(study))) for study in (1, 2)] == [2, 1]
    assert [case.evaluations(name(study)) for study in (1, 2)] == [EVALUATIONS] * 2


def test_a_worker_that_is_killed_takes_its_trial_along_and_the_run_goes_on(tmp_path, data_root):
    case = scripted(tmp_path, data_root, {"study_1": ["wait", "go"]})
    process = case.begin()
    wait_until(lambda: case.evaluations(name()) == EVALUATIONS[:3], "half of the run")
    os.kill(case.attempts(name())[0]["process_id"], signal.SIGKILL)
    assert process.wait(timeout=PATIENCE_SEC) == 0
    lost, last = case.attempts(name())
    assert (lost["next"], lost["cause"], lost["steps"]) == ("resume", "its process or machine was lost", 30)
    assert last["exit_code"] == 0
    assert case.evaluations(name()) == EVALUATIONS


@pytest.mark.parametrize(("told", "grace"), [("wait", "60"), ("deaf", "0.5")])
def test_after_cancel_nothing_is_left(tmp_path, data_root, told, grace):
    case = scripted(tmp_path, data_root, {"study_1": [told, "go"]}, studies=2)
    process = case.begin()
    wait_until(lambda: case.evaluations(name(1)) == EVALUATIONS[:3], "half of the run")
    done = case.call("cancel", "--grace", grace)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Live runs: 1 before, 0 now" in done.stdout
    assert process.wait(timeout=PATIENCE_SEC) == 130
    last = (tmp_path / "output.txt").read_text().splitlines()[-1]
    assert last.startswith("Cancelled; 2 runs wait. To go on: algoperf campaign run ")
    assert not case.processes()
    status = case.status()
    assert (status["cancelled"], status["live"], status["waiting"]) == (True, 0, 2)
    assert case.call("run").returncode == 0
    assert all(case.evaluations(name(study)) == EVALUATIONS for study in (1, 2))


def test_a_run_that_leaves_no_word_is_not_begun_for_ever(tmp_path, data_root):
    case = scripted(tmp_path, data_root, {}, steps=10)
    job = tmp_path / "jobs" / "momentum_pytorch"
    job.parent.mkdir()
    job.write_text("where the folder of its jobs should be")
    done = case.call("run")
    assert done.returncode == 1
    assert f"{name()} was begun 6 times and has left no word in" in done.stderr
    assert done.stderr.count("Cannot write") == 6
    job.unlink()
    assert case.call("run").returncode == 0


@pytest.mark.parametrize(
    ("num_kills", "runs", "steps"),
    [pytest.param(6, 8, 100, id="some"), pytest.param(60, 20, 2000, id="many", marks=pytest.mark.full)],
)
def test_random_kills_lose_and_repeat_nothing(tmp_path, data_root, num_kills, runs, steps):
    """The campaign, a worker or a trial is killed at random moments."""
    case = scripted(tmp_path, data_root, {}, studies=runs, steps=steps)
    kills = case.kill_at_random(num_kills, random.Random(SEED), "--at-once", "2")
    print(dict(kills))
    assert num_kills < 10 or set(kills) == set(KINDS)
    assert {tuple(case.evaluations(name(study))) for study in range(1, runs + 1)} == {tuple(range(10, steps + 1, 10))}
    assert set(case.phases().values()) == {"finished"}
    assert not case.processes()
