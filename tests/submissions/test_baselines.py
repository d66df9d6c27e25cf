"""Every baseline in the real loop: it learns, and goes on after a kill as if there had been none."""

from __future__ import annotations

import json
import re

import pytest

from algoperf.blocks import self_tuning
from algoperf.trial.loop import Trial
from algoperf.trial.settings import TrialSettings
from algoperf.tuning.search_space import load_search_space
from algoperf_scoring.submission_info import read_submission_info
from places import BASELINES
from trial_runs import Run, content, copy_first_checkpoint, metrics

FRAMEWORKS = ("jax", "pytorch")
FOLDERS = sorted(path.parent for path in BASELINES.glob("*/submission.py"))
# Beyond Shampoo's first roots, and when Prodigy has found its learning rate.
FIRST_EVALUATION, LAST_STEP = 90, 100

# Their states are optax's, as that of adamw_jax is, and to compile everything again takes seconds.
PLAIN_STATES = {f"{name}_jax" for name in ("cautious_nadamw", "lamb", "lion", "momentum", "nadamw", "nesterov", "sam")}


@pytest.fixture
def left_by_a_kill(monkeypatch, tmp_path):
    """A copy of the run's folder as it is when the first checkpoint is complete: what a kill then would leave."""
    copy_first_checkpoint(monkeypatch, tmp_path / "whole", tmp_path / "killed")
    return tmp_path / "killed"


@pytest.mark.usefixtures("optimised_jax")  # a hundred steps: optimised code is quicker in the end
@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_it_learns_and_resumes(folder, data_root, tmp_path, left_by_a_kill, monkeypatch, capsys):
    # Neither a slow machine nor a fast baseline ends the trial: what is compared is so many steps.
    monkeypatch.setattr(TrialSettings, "budget_sec", 1e9)
    monkeypatch.setattr(Trial, "_note_goals", lambda self, metrics: None)
    framework = folder.name.rpartition("_")[2]
    options = {"max_global_steps": LAST_STEP, "eval_every_steps": FIRST_EVALUATION}
    whole = Run(folder, framework, data_root, tmp_path / "whole", options)
    assert whole.here() == 0, capsys.readouterr()
    assert [int(row["global_step"]) for row in whole.rows] == [FIRST_EVALUATION, LAST_STEP]
    assert float(whole.rows[-1]["train/accuracy"]) > 0.5  # by guessing, 0.1
    if folder.name in PLAIN_STATES:
        return
    resumed = Run(folder, framework, data_root, left_by_a_kill, options)
    assert resumed.here() == 0, capsys.readouterr()
    assert f"resumed from checkpoint_{FIRST_EVALUATION}" in capsys.readouterr().out
    assert [metrics(row) for row in resumed.rows] == [metrics(row) for row in whole.rows]
    found, expected = content(resumed.checkpoint), content(whole.checkpoint)
    assert [name for name in found | expected if found.get(name) != expected.get(name)] == []


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_its_title_tells_its_folder(folder):
    """Tables of the terminal have names of folders, pages have titles: readers go from one to the other."""
    title = read_submission_info(folder / "submission_info.yml").name
    assert re.sub(r"[^a-z]", "", title.lower()) == folder.name.replace("_", "")


@pytest.mark.parametrize("name", sorted({folder.name.rpartition("_")[0] for folder in FOLDERS}))
def test_search_spaces(name):
    """The same in both frameworks, with the hyperparameters that self-tuning fixes, and as many points as allowed."""
    files = [BASELINES / f"{name}_{framework}" / "tuning_search_space.json" for framework in FRAMEWORKS]
    jax, torch = (json.loads(file.read_text()) for file in files)
    assert jax == torch
    load_search_space(files[0])
    settings = self_tuning.of_baseline(f"{name}_jax")
    assert settings is self_tuning.of_baseline(f"{name}_pytorch")
    assert f"self_tuning import {name.upper()}" in (BASELINES / f"{name}_jax" / "submission.py").read_text()
    fixed = set(settings)
    if isinstance(jax, list):
        assert len(jax) == 5
    names = set(jax[0]) if isinstance(jax, list) else set(jax)
    assert fixed <= names
    assert names - fixed <= {"dropout_rate", "label_smoothing"}
