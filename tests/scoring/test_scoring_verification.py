"""A time to target is shown as verified, unverified or refuted, and strict scoring refuses all but the first."""

from __future__ import annotations

import json

import pytest

import algoperf_scoring
from algoperf.errors import UserError
from algoperf.versions import load_version
from algoperf_scoring import wording

REACHED = {"status": "target_reached", "finished": True, "target_reached_at": {"global_step": 1, "submission_sec": 10}}
SAME = {"checkpoint": "checkpoint_1", "recorded": {"validation/x": 1.0}, "mismatches": []}
OTHER = {**SAME, "mismatches": ["validation/x"]}
LATER = {**SAME, "checkpoint": "checkpoint_2"}


def board(runs, *records, status=REACHED):
    """A leaderboard of a trial of mnist for each `records`, the content of its evaluation.json."""
    for study, checkpoints in enumerate(records):
        folder = runs.reaching("a", "mnist", 10, study=study, status=status)
        if checkpoints is not None:
            (folder / "evaluation.json").write_text(json.dumps({"checkpoints": checkpoints}))
    return algoperf_scoring.score(runs.root, load_version(), "self")


@pytest.mark.parametrize(
    ("checkpoints", "expected"),
    [
        ([SAME], "agrees"),
        ([LATER, SAME], "agrees"),
        ([OTHER], "differs"),
        ([LATER], "missing"),
        ([{"checkpoint": "checkpoint_1", "error": "damaged"}], "missing"),
        ([{**SAME, "recorded": None}], "missing"),
        ("nonsense", "missing"),
        (None, "missing"),
    ],
)
def test_only_the_checkpoint_of_the_target_counts(runs, checkpoints, expected):
    found = board(runs, checkpoints)
    assert [trial.facts.verification for trial in found.comparison.trials] == [expected]


def test_logs_that_cannot_say_it_are_left_alone(runs):
    found = board(runs, [SAME], status=None)
    assert wording.verification_in_words(found.comparison.trials) == []


def test_it_is_counted_and_told(runs):
    found = board(runs, [SAME], [SAME], [OTHER], None)
    told = "\n".join(wording.verification_in_words(found.comparison.trials))
    assert told.startswith("2 of 4: ")
    assert "a: mnist study 2, trial 1 has OTHER metrics" in told
    assert "`algoperf evaluate` verifies the others" in told
    assert algoperf_scoring.to_json(found)["verified"] == {"a": {"agrees": 2, "differs": 1, "missing": 1}}


@pytest.mark.parametrize(
    ("checkpoints", "said"), [([OTHER], "its metrics differ"), (None, "is not verified: run `algoperf evaluate`")]
)
def test_strict_scoring_refuses_what_is_not_verified(runs, checkpoints, said):
    board(runs, checkpoints)
    with pytest.raises(UserError, match=said):
        algoperf_scoring.score(runs.root, load_version(), "self", strict=True)
