"""`algoperf train --to-the-end`: neither targets nor a budget end the trial, and the step hint is its length."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest

from algoperf.errors import UserError
from algoperf.trial.request import Request, settle
from algoperf.trial.settings import identity_differences
from places import BASELINES
from trial_runs import Run


def request(**changes) -> Request:
    given = dict(
        workload="digits", framework="pytorch", submission=BASELINES / "nadamw_pytorch", ruleset="self",
        data_dir=Path("data"), output_dir=Path("runs"), max_global_steps=70,
    )  # fmt: skip
    return Request(**{**given, **changes})


@pytest.mark.parametrize("workload", ["digits", "criteo1tb"])
def test_no_value_reaches_the_target_and_no_time_the_budget(workload):
    plain, endless = (settle(request(workload=workload, to_the_end=each)) for each in (False, True))
    before, after = (each.version.limits(workload) for each in (plain, endless))
    assert after.step_hint == 70
    assert endless.budget_sec > 1e9
    assert not any(after.reached(value) for value in (0.0, 1.0, 100.0))
    changed = {"validation_target", "max_runtime_sec", "step_hint"}
    kept = {each.name for each in dataclasses.fields(before)} - changed
    assert all(getattr(before, name) == getattr(after, name) for name in kept)
    assert endless.version.limits("mnist") == plain.version.limits("mnist")


def test_it_is_another_trial_than_one_that_may_end():
    plain, endless = (settle(request(to_the_end=each)).identity() for each in (False, True))
    assert identity_differences(plain, endless) == ["to_the_end"]
    assert "to_the_end" not in plain, "finished trials of earlier versions still count"


def test_the_end_has_to_be_given():
    with pytest.raises(UserError, match="--max-global-steps"):
        settle(request(max_global_steps=None, to_the_end=True))


def test_a_trial_goes_on_beyond_its_targets(tmp_path, data_root, capsys):
    """The submission plans for the step hint, and the records say what the limits were."""
    options = {"max_global_steps": 150, "eval_every_steps": 50, "to_the_end": True}
    run = Run(BASELINES / "nadamw_pytorch", "pytorch", data_root, tmp_path, options)
    assert run.here() == 0
    shown = capsys.readouterr().out
    assert "validation/accuracy without a target" in shown
    assert "e+09" not in shown
    status = json.loads((run.trial / "status.json").read_text())
    assert (status["status"], status["global_step"]) == ("max_steps_reached", 150)
    assert status["target_reached_at"] is None
    meta_data = json.loads((run.trial / "meta_data_0.json").read_text())
    assert meta_data["workload.step_hint"] == 150
