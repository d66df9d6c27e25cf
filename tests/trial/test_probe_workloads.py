"""Trials of probe workloads, of clicks, speech and text: the baseline learns, and goes on after a kill.

Then everything is as if there had been none.

Speech has random masks inside the model, and a metric of texts. Translation packs rows, and its positions are those of
sentences.
"""

from __future__ import annotations

import shutil

import pytest

from algoperf.trial.loop import Trial
from algoperf.workload.registry import find_workload
from places import BASELINES, PROBE_CUBES
from trial_runs import Run, assert_same_outcome, copy_first_checkpoint

# Steps: the first evaluation, and the last one; and the batch size.
EVALUATIONS = {"probe": (30, 40, 20), "criteo1tb": (20, 30, 500), "librispeech": (4, 6, 20), "finewebedu": (10, 15, 20),
               "wmt": (4, 6, 20)}  # fmt: skip
BATCH_SIZE = """

def get_batch_size(workload_name):
    return {}
"""
PROBES = [("rows", "pytorch"), ("pairs", "jax"), ("tokens", "pytorch"), ("needs_data", "jax")]
CLICKS = [("criteo1tb", "pytorch"), pytest.param("criteo1tb", "jax", marks=pytest.mark.full)]
SPEECH = [
    ("librispeech_conformer", "pytorch"),
    pytest.param("librispeech_conformer", "jax", marks=pytest.mark.full),
    pytest.param("librispeech_deepspeech", "pytorch", marks=pytest.mark.full),
    ("librispeech_deepspeech", "jax"),
]
TRANSLATION = [("wmt", "pytorch"), pytest.param("wmt", "jax", marks=pytest.mark.full)]
TEXT = [("finewebedu_lm", "pytorch"), ("finewebedu_lm", "jax")]


@pytest.mark.parametrize(("name", "framework"), [*PROBES, *CLICKS, *SPEECH, *TEXT, *TRANSLATION])
def test_it_learns_and_resumes(name, framework, prepare, tmp_path, monkeypatch, capsys):
    first_evaluation, last_step, batch_size = EVALUATIONS.get(name.partition("_")[0], EVALUATIONS["probe"])
    monkeypatch.setenv("ALGOPERF_CUBES", str(PROBE_CUBES))
    monkeypatch.setattr(Trial, "_note_goals", lambda self, metrics: None)  # a target does not end the trial
    folder = tmp_path / f"nadamw_{framework}"
    shutil.copytree(BASELINES / folder.name, folder)
    (folder / "submission.py").write_text((folder / "submission.py").read_text() + BATCH_SIZE.format(batch_size))
    options = {
        "workload": name,
        "scale": "mini",
        "max_global_steps": last_step,
        "eval_every_steps": first_evaluation,
    }
    data_root = prepare(find_workload(name).at("mini").dataset, "mini")
    whole, resumed = (Run(folder, framework, data_root, tmp_path / part, options) for part in ("whole", "killed"))
    copy_first_checkpoint(monkeypatch, whole.output, resumed.output)
    assert whole.here() == 0, capsys.readouterr()
    first, last = whole.rows
    assert (int(first["global_step"]), int(last["global_step"])) == (first_evaluation, last_step)
    loss = "train/ctc_loss" if name.startswith("librispeech") else "train/loss"
    assert float(last[loss]) < float(first[loss])
    assert resumed.here() == 0, capsys.readouterr()
    assert f"resumed from checkpoint_{first_evaluation}" in capsys.readouterr().out
    assert_same_outcome(resumed, whole)
