"""A time to target is shown as verified, unverified or refuted, and strict scoring refuses all but the first."""

from __future__ import annotations

import json

import pytest

import algoperf_scoring
from algoperf.errors import UserError
from algoperf.records.verification import SWAPPED
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
        ([{**SAME, "mismatches": [SWAPPED]}], "swapped"),
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


def test_a_model_is_the_submissions_code_and_is_evaluated_again_without_labels(runs):
    for track, again in (
        ("algorithm", "evaluated again without the submission's code"),
        ("model", "evaluated again, with a submitted model in a process that has no labels"),
    ):
        folder = type(runs)(runs.root / track)
        found = board(folder, [SAME], [OTHER], status={**REACHED, "track": track})
        told = wording.verification_in_words(found.comparison.trials)
        assert told[0] == f"1 of 2: their checkpoints have the recorded metrics when they are {again}."
        (problem,) = found.comparison.problems
        assert f"{again}, it has OTHER metrics" in problem.reason


@pytest.mark.parametrize(
    ("checkpoints", "said"),
    [
        ([OTHER], "its metrics differ"),
        ([{**SAME, "mismatches": [SWAPPED]}], "its checkpoint was replaced afterwards"),
        (None, "is not verified: run `algoperf evaluate`"),
    ],
)
def test_strict_scoring_refuses_what_is_not_verified(runs, checkpoints, said):
    board(runs, checkpoints)
    with pytest.raises(UserError, match=said):
        algoperf_scoring.score(runs.root, load_version(), "self", strict=True)


HONEST = {"problems": [], "known_from": 0, "evaluations": [{"global_step": 1, "submission_sec": 10.1}]}


@pytest.mark.parametrize(
    ("account", "expected"),
    [
        (HONEST, False),
        ({**HONEST, "problems": ["a row was rewritten"]}, True),
        ({**HONEST, "evaluations": [{"global_step": 1, "submission_sec": 12.0}]}, True),
        ({**HONEST, "evaluations": [{"global_step": 1, "submission_sec": 8.0}]}, False),
        ({**HONEST, "evaluations": [{"global_step": 1, "submission_sec": 10.0, "trial_sec": 8.0}]}, True),
        ({**HONEST, "evaluations": [{"global_step": 1, "submission_sec": 12.0, "trial_sec": 11.9}]}, False),
        ({**HONEST, "known_from": 1, "evaluations": [{"global_step": 1, "submission_sec": 12.0}]}, False),
        ({"evaluations": "nonsense"}, False),
        ({**HONEST, "files": None}, False),
        ({**HONEST, "files": {"eval_measurements.csv": "0" * 64}}, True),
        ({**HONEST, "files": {"no_such.csv": "0" * 64}}, False),
    ],
)
def test_a_parent_that_measured_more_contradicts(runs, account, expected):
    folder = runs.reaching("a", "mnist", 10, status=REACHED)
    (folder / "referee.json").write_text(json.dumps(account))
    (folder / "evaluation.json").write_text(json.dumps({"checkpoints": [SAME]}))
    found = algoperf_scoring.score(runs.root, load_version(), "self")
    assert [trial.facts.contradicted for trial in found.comparison.trials] == [expected]
    told = dict(wording.remarks(found)).get("Contradicted by the parent of the trial", [])
    assert len(told) == len(algoperf_scoring.to_json(found)["contradicted"]) == expected
    with pytest.raises(UserError) as refused:
        algoperf_scoring.score(runs.root, load_version(), "self", strict=True)
    assert ("measured, was told or wrote something else" in str(refused.value)) == expected


def test_a_trial_of_this_harness_is_not_counted_without_its_status(runs):
    """Else whoever removes `status.json` removes a breach, too. Published logs have none."""
    ours, published = (runs.reaching(name, "mnist", 10) for name in ("ours", "published"))
    (ours / "meta_data_0.json").write_text(json.dumps({"submission_hash": "s", "rng_seed": 1}))
    (published / "meta_data_0.json").write_text(json.dumps({"rng_seed": 1}))
    found = algoperf_scoring.score(runs.root, load_version(), "self")
    assert [trial.folder for trial in found.comparison.trials] == [published]
    (problem,) = found.comparison.problems
    assert problem.reason.startswith("trial ignored: it has no status.json, but meta_data_0.json says")


def time_to_target(found) -> float:
    (study,) = found.comparison.results.studies["a", "mnist"].values()
    return study[0].approach[-1].seconds


@pytest.mark.parametrize("refuted", [OTHER, {**SAME, "mismatches": [SWAPPED]}])
def test_a_refuted_trial_has_no_time_to_target(runs, refuted):
    found = board(runs, [SAME], [refuted])
    trials = {study: trial for study, (trial,) in found.comparison.results.studies["a", "mnist"].items()}
    assert (bool(trials[0].approach), bool(trials[1].approach)) == (True, False)
    (problem,) = found.comparison.problems
    assert "its evaluations do not count: evaluated again without the submission's code" in problem.reason


def test_evaluations_that_are_longer_than_allowed_are_charged(runs):
    folder = runs.reaching("a", "mnist", 10, status={**REACHED, "machine": {"shared": False}})
    (folder / "evaluation.json").write_text(json.dumps({"checkpoints": [SAME]}))
    assert time_to_target(algoperf_scoring.score(runs.root, load_version(), "self")) == 10
    evaluations = [{"global_step": step, "submission_sec": 10.0, "evaluation_sec": 100.0} for step in (0, 1)]
    (folder / "referee.json").write_text(json.dumps({**HONEST, "clean_sec": 4.0, "evaluations": evaluations}))
    charged = algoperf_scoring.score(runs.root, load_version(), "self")
    assert time_to_target(charged) == 30
    assert algoperf_scoring.to_json(charged)["charged"][0]["seconds"] == 20.0
    (told,) = dict(wording.remarks(charged))["Charged for long evaluations"]
    assert "took 20.0 s longer than allowed" in told


def test_a_parent_that_stood_still_is_believed_less(runs):
    status = {**REACHED, "machine": {"sessions": [{"parent_stopped_sec": 5.0}]}}
    folder = runs.reaching("a", "mnist", 10, status=status)
    (folder / "referee.json").write_text(
        json.dumps({**HONEST, "evaluations": [{"global_step": 1, "submission_sec": 14.0}]})
    )
    found = algoperf_scoring.score(runs.root, load_version(), "self")
    assert [trial.facts.contradicted for trial in found.comparison.trials] == [False]
