"""What scale mini and digits are for: a sound submission reaches the targets, one with a common mistake does not."""

from __future__ import annotations

import json

import pytest

from places import TEST_SUBMISSIONS
from trial_runs import Run

BROKEN = TEST_SUBMISSIONS / "broken"
# The sound one needs some 60 steps. mask_ignored is for ogbg: digits has no mask (benchmarks/mini_runs.py).
STEPS = {"max_global_steps": 300, "eval_every_steps": 20, "checkpoints": "none"}


@pytest.mark.parametrize(
    ("name", "end"),
    [
        ("sound", "target_reached"),
        ("turned_sign", "max_steps_reached"),
        ("frozen_statistics", "max_steps_reached"),
    ],
)
def test_only_the_sound_one_reaches_the_targets(data_root, tmp_path, capsys, name, end):
    run = Run(BROKEN / f"{name}.py", "pytorch", data_root, tmp_path, STEPS)
    assert run.here() == 0, capsys.readouterr()
    [status] = tmp_path.rglob("status.json")
    assert json.loads(status.read_text())["status"] == end, capsys.readouterr()
