"""Whether a run that has begun and has not ended still runs: what locks, Slurm and the last records say."""

from __future__ import annotations

import json
import os

import pytest

from algoperf.campaigns.folder import LOCK
from algoperf.campaigns.news import news_of
from algoperf.campaigns.overview import overview
from algoperf.commands.campaign_status import _plain as as_text
from algoperf.commands.planned import plan_of
from algoperf.data.files import open_locked
from algoperf_scoring import sources
from algoperf_scoring.measuring import Unfinished
from algoperf_scoring.wording import unfinished_in_words
from campaign_case import scripted

HOST = os.uname().nodename
MINUTE = 60.0


def name(study):
    return f"momentum_pytorch/study_{study}/digits_pytorch/trial_1"


def begun(case, study, *, minutes=0.0, **attempt):
    """A run that has begun, and last wrote something so long ago; returns the folder of its job."""
    job = case.folder / "jobs" / name(study)
    job.mkdir(parents=True)
    file = job / "attempt_1.json"
    file.write_text(json.dumps({"number": 1, "host": HOST, "job": "", **attempt}))
    written = file.stat().st_mtime - minutes * MINUTE
    os.utime(file, (written, written))
    return job


def where(case):
    return {
        int(run.split("/")[1][-1]): news.where for run, news in news_of(case.campaign, case.campaign.states({})).items()
    }


@pytest.fixture
def slurm(tmp_path, monkeypatch):
    """Stands for Slurm's programs: what queue and accounting print, or how they fail (`test_slurm_engine.py`: real)."""
    folder = tmp_path / "bin"
    folder.mkdir()

    def says(**programs):
        for program in ("sbatch", "scancel", "scontrol", *programs):
            file = folder / program
            file.write_text(f"#!/bin/sh\n{programs.get(program, 'exit 1')}\n")
            file.chmod(0o755)
        monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")

    return says


def test_slurm_is_believed_about_its_jobs(tmp_path, data_root, slurm):
    case = scripted(tmp_path / "campaign", data_root, {}, studies=7)
    prefix = f"algoperf-{case.campaign.manifest.campaign}-"
    for study in range(1, 8):
        begun(case, study, engine="slurm", host="n1", job=f"7_{study}", minutes=34)
    slurm(
        squeue=f"printf '7_1|{prefix}1|RUNNING\\n7_2|{prefix}1|PENDING\\n7_3|algoperf-other-1|RUNNING\\n'",
        sacct=f"printf '7_4|{prefix}1|NODE_FAIL\\n7_5|{prefix}1|CANCELLED by 0\\n7_6|{prefix}1|RUNNING\\n'",
    )
    # 3 is the job of another campaign, with the same number; 7 is not known.
    assert where(case) == {
        1: "running", 2: "lost", 3: "silent", 4: "lost", 5: "lost", 6: "running", 7: "silent",
    }  # fmt: skip


def test_without_an_answer_of_slurm_nothing_is_known(tmp_path, data_root, slurm):
    case = scripted(tmp_path / "campaign", data_root, {}, studies=1)
    begun(case, 1, engine="slurm", host="n1", job="7_0", minutes=34)
    slurm(squeue="echo 'Unable to contact slurm controller' >&2; exit 1")
    assert where(case) == {1: "silent"}
    slurm(squeue="true", sacct="echo 'You are not running a supported accounting_storage plugin' >&2; exit 1")
    assert where(case) == {1: "silent"}


def test_a_lock_tells_of_runs_of_this_machine(tmp_path, data_root):
    case = scripted(tmp_path / "campaign", data_root, {}, studies=4)
    job = begun(case, 1, engine="local")
    begun(case, 2, engine="local")
    begun(case, 3, engine="local", host="elsewhere")
    begun(case, 4, engine="local", ended="now", next="resume")
    lock = open_locked(job / LOCK)
    with lock:
        assert where(case) == {1: "running", 2: "lost", 3: "silent"}


def test_scores_say_which_runs_are_lost_and_how_long_there_is_no_news(tmp_path, data_root):
    case = scripted(tmp_path / "campaign", data_root, {}, studies=5, steps=20)
    assert case.call("execute", "--run", name(1)).returncode == 0
    begun(case, 2, engine="local")
    begun(case, 3, engine="skypilot", host="cloud", job="9", minutes=34)
    told = "1 lost with the machine, 1 running or lost: no news for 34 min, 2 waiting"
    assert f"1 of 5 planned runs ended by the rules ({told})" in plan_of(sources(case.folder / "runs")).in_words()
    begun(case, 4, engine="skypilot", host="cloud", job="10", minutes=300)
    plan = plan_of(sources(case.folder / "runs"))
    assert "2 running or lost: no news for 34 min or more" in plan.in_words()
    trial = Unfinished("momentum_pytorch", "digits", 3, 1, "running", 41.0, 135.0)
    place = "momentum_pytorch: digits study 3, trial 1"
    assert unfinished_in_words([trial], plan)[0] == f"{place} is running or lost: no news for 34 min, 41 of 135 s"
    assert unfinished_in_words([trial], None)[0] == f"{place} is running, or lost with its process, 41 of 135 s"


def test_status_says_how_long_there_is_no_news_while_the_engine_is_away(tmp_path, data_root):
    case = scripted(tmp_path / "campaign", data_root, {}, studies=2)
    begun(case, 1, engine="slurm", host="n1", job="7_0", minutes=34)
    away = as_text(overview(case.campaign, {}, known=False))
    assert f"\nrunning or lost: {name(1)} on n1: no news for 34 min\n" in away
    assert "no news" not in as_text(overview(case.campaign, {}))
