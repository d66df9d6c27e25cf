"""Campaigns on a real Slurm: make-believe nodes with GPUs, real accidents. Run by ci/slurm_e2e.sh."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
from pathlib import Path

import psutil
import pytest

from algoperf.campaigns.engines.slurm import Slurm
from algoperf.campaigns.news import news_of
from algoperf.campaigns.used_engine import last_site
from algoperf.datasets.digits import DIGITS
from campaign_case import KINDS, PATIENCE_SEC, STEPS, kill, scripted, wait_until
from places import REPOSITORY

EVALUATIONS = list(range(10, STEPS + 1, 10))
HALF = EVALUATIONS[:3]
pytestmark = pytest.mark.skipif("ALGOPERF_SLURM_STATE" not in os.environ, reason="needs a Slurm: run ci/slurm_e2e.sh")


def name(study):
    return f"momentum_pytorch/study_{study}/digits_pytorch/trial_1"


@pytest.fixture
def slurm(tmp_path, data_root):
    """A campaign on the cluster, whose settings are in a site's file; nothing of it is left in the end."""
    cases = []

    def make(behaviours, *, studies, time_limit="", stage="here", data=None, scratch="", **more):
        case = scripted(tmp_path / "a campaign", data or data_root, behaviours, studies=studies, **more)
        site = tmp_path / "site.toml"
        limit = f'time_limit = "{time_limit}"\nsignal_sec = 50\n' if time_limit else ""
        site.write_text(
            f'scratch = "{scratch}"\n[slurm]\noptions = ["--gres=gpu:v100:8", "--mem=500M"]\n'
            f'poll_sec = 0.5\nstage = "{stage}"\n{limit}'
        )
        case.options = ["--engine", "slurm", "--site", str(site)]
        cases.append(case)
        return case

    yield make
    for case in cases:
        case.call("cancel")


def queue(case):
    """Job, state and node of the campaign's jobs."""
    lines = ask("squeue", "--noheader", "--array", "--format=%j|%F_%K|%T|%N|%r").splitlines()
    rows = [line.split("|") for line in lines]
    return [row[1:] for row in rows if row[0].startswith(f"algoperf-{case.campaign.manifest.campaign}-")]


def ask(*command):
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout


def hurry(case):
    """Slurm lets jobs that are queued again wait for two minutes: not here."""
    for job, state, _, reason in queue(case):
        if state == "PENDING" and reason == "BeginTime":
            with contextlib.suppress(subprocess.CalledProcessError):
                ask("scontrol", "update", f"JobId={job}", "StartTime=now")


def test_failures_a_time_limit_and_a_lost_node(slurm):
    case = slurm(
        {"study_1": ["wait", "go"], "study_2": ["exit=4", "go"], "study_3": ["wait", "go"]},
        studies=6, time_limit="00:01:00",
    )  # fmt: skip
    process = case.begin(*case.options)
    wait_until(lambda: case.evaluations(name(1)) == HALF and case.evaluations(name(3)) == HALF, "half of two runs")
    (lost,) = case.attempts(name(3))
    (node,) = (place for job, _, place, _ in queue(case) if job == lost["job"])
    state = Path(os.environ["ALGOPERF_SLURM_STATE"])
    daemon = int((state / f"slurmd-{node}.pid").read_text())
    worker = psutil.Process(lost["process_id"])
    doomed = [worker.parent(), worker, *worker.children(recursive=True)]
    os.kill(daemon, signal.SIGKILL)
    for each in doomed:  # the machine is gone with all that runs on it
        each.kill()
    try:
        wait_until(lambda: hurry(case) or process.poll() is not None, "the end of the campaign")
    finally:
        ask(str(REPOSITORY / "ci" / "slurm.sh"), "revive", node)
    assert process.returncode == 0, (case.folder / "output.txt").read_text()
    assert [case.evaluations(name(study)) for study in range(1, 7)] == [EVALUATIONS] * 6
    attempts = {study: case.attempts(name(study)) for study in range(1, 7)}
    assert {study: [each["next"] for each in found] for study, found in attempts.items()} == {
        1: ["resume", "finished"], 2: ["retry", "finished"], 3: ["resume", "finished"],
        4: ["finished"], 5: ["finished"], 6: ["finished"],
    }  # fmt: skip
    limited, again = attempts[1]
    assert (limited["exit_code"], limited["asked_to_stop"]) == (130, True)
    assert limited["job"] == again["job"], "the job queued itself again"
    assert attempts[3][0]["cause"] == "its process or machine was lost"
    assert not queue(case)


def test_a_killed_campaign_a_cancelled_job_and_a_cancelled_campaign(slurm):
    case = slurm({"study": ["wait", "wait", "go"]}, studies=2)
    process = case.begin(*case.options)
    wait_until(lambda: all(case.evaluations(name(study)) == HALF for study in (1, 2)), "half of both runs")
    kill(process)
    assert case.status()["live"] == 2
    ask("scancel", case.attempts(name(1))[0]["job"])
    wait_until(lambda: len(queue(case)) == 1, "the end of one job")
    process = case.begin()
    wait_until(lambda: len(case.attempts(name(1))) == 2, "a second attempt")
    assert len(case.attempts(name(2))) == 1, "it was begun twice"
    done = case.call("cancel")
    assert done.returncode == 0, done.stderr
    assert "Live runs: 2 before, 0 now" in done.stdout
    assert not queue(case)
    assert process.wait(timeout=PATIENCE_SEC) == 130
    wait_until(lambda: not case.processes(), "the end of all processes")
    for study in (1, 2):
        assert case.evaluations(name(study)) == HALF
        assert {each["next"] for each in case.attempts(name(study))} == {"resume"}


def test_slurm_says_whether_a_run_was_lost_with_its_machine(slurm, tmp_path, monkeypatch):
    """All processes of one job are killed, and it is cancelled: its queue, and later its accounting, know that."""
    case = slurm({"study": ["wait", "go"]}, studies=2)
    process = case.begin(*case.options)
    wait_until(lambda: all(case.evaluations(name(study)) == HALF for study in (1, 2)), "half of both runs")
    kill(process)

    def where():
        return [news_of(case.campaign, case.campaign.states({}))[name(study)].where for study in (1, 2)]

    assert where() == ["running", "running"]
    (lost,) = case.attempts(name(1))
    job, worker = lost["job"], psutil.Process(lost["process_id"])
    for each in (worker.parent(), worker, *worker.children(recursive=True)):
        each.kill()
    wait_until(lambda: where() == ["lost", "running"], "the news")
    engine = Slurm(case.campaign, last_site(case.campaign))
    ask("scancel", job)
    wait_until(lambda: engine.states_of([job]) == {job: "CANCELLED"}, "the end of the job")
    forgetful = tmp_path / "squeue"  # as the queue is some minutes later
    forgetful.write_text("#!/bin/sh\n")
    forgetful.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    wait_until(lambda: engine.states_of([job]) == {job: "CANCELLED"}, "the word of the accounting")
    assert where() == ["lost", "running"]
    monkeypatch.undo()
    assert case.status()["live"] == 1


def test_jobs_wait_for_the_job_that_stages_data(slurm, tmp_path):
    own = tmp_path / "disk of a node"
    case = slurm({}, studies=2, stage="job", data=tmp_path / "data", scratch=own)
    store = tmp_path / "data" / "digits" / "full"
    store.mkdir(parents=True)
    (store / "manifest.json").write_text("{}")
    failed = case.call("run", *case.options)
    assert failed.returncode == 5, failed.stdout + failed.stderr
    assert "is damaged" in failed.stderr
    assert not queue(case)
    (store / "manifest.json").unlink()
    store.rmdir()
    done = case.call("run")
    assert done.returncode == 0, done.stdout + done.stderr
    assert case.campaign.manifest.workloads["digits"]["data_hash"] is not None
    assert len(list(own.glob("*/*/digits/full/manifest.json"))) == 1, "data were copied to the node, once"
    assert [case.evaluations(name(study)) for study in (1, 2)] == [EVALUATIONS] * 2


def test_the_next_step_of_a_ladder_is_only_for_those_that_passed(slurm, prepare):
    prepare(DIGITS, "mini")
    names = ("momentum_pytorch", "lamb_pytorch")
    case = slurm({"mini/lamb_pytorch": ["miss"]}, studies=2, submissions=names, options=["--ladder"])
    done = case.call("run", *case.options)
    assert done.returncode == 0, done.stdout + done.stderr
    phases = case.phases()
    assert [phases[name(study)] for study in (1, 2)] == ["finished"] * 2
    assert sorted(phases.values()) == ["dropped"] * 2 + ["finished"] * 4
    assert not queue(case)


@pytest.mark.full
def test_random_kills_lose_and_repeat_nothing(slurm):
    """The campaign, a job's process or a trial is killed at random moments, over 20 runs."""
    case = slurm({}, studies=20, steps=2000)
    kills = case.kill_at_random(50, random.Random(2026), *case.options)
    print(dict(kills))
    assert set(kills) == set(KINDS)
    assert {tuple(case.evaluations(name(study))) for study in range(1, 21)} == {tuple(range(10, 2001, 10))}
    assert set(case.phases().values()) == {"finished"}
    assert not queue(case)
