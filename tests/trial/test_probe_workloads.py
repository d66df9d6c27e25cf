"""Trials of the probe workloads: the NAdamW baseline learns, and goes on after a kill as if there had been none."""

from __future__ import annotations

import shutil

import pytest

from algoperf.trial.loop import Trial
from algoperf.workload.registry import find_workload
from places import BASELINES, PROBE_CUBES
from trial_runs import Run, assert_same_outcome, copy_first_checkpoint

FIRST_EVALUATION, LAST_STEP = 30, 40
BATCH_SIZE = """

def get_batch_size(workload_name):
    return 20
"""
TRIALS = [("rows", "pytorch"), ("pairs", "jax"), ("tokens", "pytorch"), ("needs_data", "jax")]


@pytest.mark.parametrize(("name", "framework"), TRIALS)
def test_it_learns_and_resumes(name, framework, prepare, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("ALGOPERF_CUBES", str(PROBE_CUBES))
    monkeypatch.setattr(Trial, "_note_goals", lambda self, metrics: None)  # a target does not end the trial
    folder = tmp_path / f"nadamw_{framework}"
    shutil.copytree(BASELINES / folder.name, folder)
    (folder / "submission.py").write_text((folder / "submission.py").read_text() + BATCH_SIZE)
    options = {
        "workload": name,
        "scale": "mini",
        "max_global_steps": LAST_STEP,
        "eval_every_steps": FIRST_EVALUATION,
    }
    data_root = prepare(find_workload(name).dataset, "mini")
    whole, resumed = (Run(folder, framework, data_root, tmp_path / part, options) for part in ("whole", "killed"))
    copy_first_checkpoint(monkeypatch, whole.output, resumed.output)
    assert whole.here() == 0, capsys.readouterr()
    first, last = whole.rows
    assert (int(first["global_step"]), int(last["global_step"])) == (FIRST_EVALUATION, LAST_STEP)
    assert float(last["train/loss"]) < float(first["train/loss"])
    assert resumed.here() == 0, capsys.readouterr()
    assert f"resumed from checkpoint_{FIRST_EVALUATION}" in capsys.readouterr().out
    assert_same_outcome(resumed, whole)
