"""A campaign that is pruned: what is settled is not begun, and says why. Real processes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from algoperf.commands import campaign_pruning
from algoperf.errors import UserError
from algoperf.records.status import read_status
from campaign_case import Case, plan


@pytest.fixture
def case(tmp_path, data_root) -> Case:
    """Three studies that cannot reach the target in five steps."""
    done = plan(
        tmp_path / "campaign", "--workloads", "digits", "--studies", "3", "--data-dir", str(data_root),
        "--max-global-steps", "5", "--eval-every-steps", "5",
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    return Case(tmp_path / "campaign")


def test_a_study_that_cannot_change_the_median_is_not_begun(case):
    done = case.call("run", "--prune", "exact", "--at-once", "1")
    assert done.returncode == 0, done.stdout + done.stderr
    names = [f"momentum_pytorch/study_{study}/digits_pytorch/trial_1" for study in (1, 2, 3)]
    statuses = [read_status(case.folder / "runs" / name) for name in names]
    assert [status["status"] for status in statuses] == ["max_steps_reached", "max_steps_reached", "pruned"]
    why = "The median over studies is infinite, whatever this run does."
    assert statuses[2]["pruned"] == {"rule": "settled", "reason": why}
    assert f"{names[2]}: pruned (settled). {why}" in done.stdout
    assert [case.evaluations(name) for name in names] == [[5], [5], []]
    assert json.loads((case.folder / "pruning.json").read_text()) == {"prune": "exact"}
    assert set(case.phases().values()) == {"finished"}
    # It is made nevertheless, as docs/pruning.md says.
    (case.folder / "runs" / names[2] / "prune.json").unlink()
    (case.folder / "jobs" / names[2] / "DONE").unlink()
    assert case.call("run", "--prune", "none").returncode == 0
    assert read_status(case.folder / "runs" / names[2])["status"] == "max_steps_reached"
    assert case.evaluations(names[2]) == [5]


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        (("futility", None, None), "name their folder with --references"),
        (("exact", 0.1, None), "--error and --references are for --prune futility"),
        ((None, None, Path("logs")), "--error and --references are for --prune futility"),
        (("futility", 0.1, Path("nowhere")), "is not a folder"),
    ],
)
def test_options_that_do_not_fit_are_refused(case, asked, message):
    with pytest.raises(UserError, match=message):
        campaign_pruning.choose(case.campaign, *asked)
    assert not (case.folder / "pruning.json").exists()


def test_the_rules_are_those_of_the_last_time(case):
    campaign = case.campaign
    assert campaign_pruning.choose(campaign, None, None, None) is None
    assert campaign_pruning.choose(campaign, "exact", None, None) is not None
    assert campaign_pruning.choose(campaign, None, None, None) is not None
    assert campaign_pruning.choose(campaign, "none", None, None) is None
    assert campaign_pruning.choose(campaign, None, None, None) is None
