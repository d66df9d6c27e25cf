"""Every baseline in the real loop: it learns, and goes on after a kill as if there had been none."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from algoperf.blocks import self_tuning
from algoperf.settings import TrialSettings
from algoperf.trial import Trial
from algoperf.tuning import load_search_space
from trial_runs import Run, assert_same_outcome

FRAMEWORKS = ("jax", "pytorch")
BASELINES = Path(__file__).parents[1] / "submissions" / "baselines"
FOLDERS = sorted(path.parent for path in BASELINES.glob("*/submission.py"))
# Beyond all warm-ups, and beyond Shampoo's first roots.
FIRST_EVALUATION, LAST_STEP = 110, 125


@pytest.fixture
def left_by_a_kill(monkeypatch, tmp_path):
    """A copy of the run's folder as it is when the first checkpoint is complete: what a kill then would leave."""
    copy = tmp_path / "killed"
    save = Trial._save_checkpoint

    def save_and_copy(self):
        save(self)
        if not copy.exists():
            shutil.copytree(tmp_path / "whole", copy)

    monkeypatch.setattr(Trial, "_save_checkpoint", save_and_copy)
    return copy


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_it_learns_and_resumes(folder, data_root, tmp_path, left_by_a_kill, monkeypatch, capsys):
    monkeypatch.setattr(TrialSettings, "budget_sec", 1e9)  # steps count here, however slow the machine is
    framework = folder.name.rpartition("_")[2]
    options = {"max_global_steps": LAST_STEP, "eval_every_steps": FIRST_EVALUATION}
    whole = Run(folder, framework, data_root, tmp_path / "whole", options)
    assert whole.here() == 0, capsys.readouterr()
    assert [int(row["global_step"]) for row in whole.rows] == [FIRST_EVALUATION, LAST_STEP]
    assert float(whole.rows[-1]["train/accuracy"]) > 0.7  # by guessing, 0.1
    resumed = Run(folder, framework, data_root, left_by_a_kill, options)
    assert resumed.here() == 0, capsys.readouterr()
    assert f"resumed from checkpoint_{FIRST_EVALUATION}" in capsys.readouterr().out
    assert_same_outcome(resumed, whole)


@pytest.mark.parametrize("name", sorted({folder.name.rpartition("_")[0] for folder in FOLDERS}))
def test_search_spaces(name):
    """The same in both frameworks, with the hyperparameters that self-tuning fixes, and as many points as allowed."""
    files = [BASELINES / f"{name}_{framework}" / "tuning_search_space.json" for framework in FRAMEWORKS]
    jax, torch = (json.loads(file.read_text()) for file in files)
    assert jax == torch
    load_search_space(files[0])
    fixed = set(getattr(self_tuning, name.upper()))
    if isinstance(jax, list):
        assert len(jax) == 5
    names = set(jax[0]) if isinstance(jax, list) else set(jax)
    assert fixed <= names
    assert names - fixed <= {"dropout_rate", "label_smoothing"}
