"""Planned runs that failed, or were not run because of that: a result, which never looks like a clean one."""

from __future__ import annotations

import math

import pytest

import algoperf_scoring
from algoperf.errors import UserError
from algoperf.versions import load_version
from algoperf_scoring import to_json, wording
from algoperf_scoring.health.comparison import complete
from algoperf_scoring.plan import Plan, RunProgress
from algoperf_scoring.report import matrix, page

V06 = load_version("v0.6")
FAILED = {"status": "submission_error", "finished": False}


def plan_of(phases, submission="mine", workload="digits", trials=1) -> tuple[RunProgress, ...]:
    """Runs of studies from 0 on, by their phases."""
    places = [divmod(place, trials) for place in range(len(phases))]
    return tuple(
        RunProgress(submission, workload, "jax", study, trial + 1, phase)
        for (study, trial), phase in zip(places, phases, strict=True)
    )


def score(runs, *planned, **options):
    return algoperf_scoring.score(runs.root, V06, "external", plan=Plan(sum(planned, ())), **options)


def test_studies_that_failed_or_were_not_run_do_not_reach_the_target(runs):
    """As published, only the study with an evaluation would count, and its time would be the result."""
    runs.reaching("mine", "digits", 10)
    runs.trial("mine", "digits", None, study=1, status=FAILED)
    assert algoperf_scoring.score(runs.root, V06, "external").entries[0].cells["digits"].outcome == "reached"
    board = score(runs, plan_of(["ended", "failed", "not_run"]))
    cell = board.entries[0].cells["digits"]
    assert (cell.outcome, cell.errors, cell.studies) == ("error", (2, 3), {0: 10, 1: math.inf, 2: math.inf})
    assert wording.times(board) == [["error 2/3"]]
    assert wording.warnings(board) == [
        "Campaign ended with errors of submissions: 1 of 3 planned runs ended by the rules "
        "(1 failed by an error of the submission, 1 not run: same error)."
    ]
    content = to_json(board)
    assert content["plan"]["final"]
    assert (content["plan"]["phases"]["not_run"], content["plan"]["open"]) == (1, [])
    assert content["missing"] == [{"submission": "mine", "workload": "digits", "studies": 1, "expected": 3}]
    assert "UNFINISHED" not in page.render(board)


def test_a_median_counts_all_planned_studies(runs):
    for study in range(3):
        runs.reaching("mine", "digits", 10 + study, study=study)
    board = score(runs, plan_of(["ended"] * 3 + ["failed", "not_run"]))
    assert board.entries[0].cells["digits"].seconds == 12
    board = score(runs, plan_of(["ended"] * 3 + ["failed", "not_run", "not_run"]))
    assert board.entries[0].cells["digits"].outcome == "error"


def test_a_submission_without_any_result_has_an_error_everywhere(runs):
    """It raised before its first trial began, which leaves no records; the page is made all the same."""
    runs.reaching("other", "digits", 10)
    board = score(runs, plan_of(["failed", "not_run"]), plan_of(["ended"], "other"))
    assert [one.submission for one in board.unranked] == ["mine"]
    assert (board.unranked[0].cells["digits"].outcome, board.unranked[0].cells["digits"].errors) == ("error", (2, 2))
    fields = {name: field for name, (field,) in matrix.matrix(board)}
    assert (fields["mine"].main, fields["mine"].detail) == ("error", "in 2 of 2")
    assert "in 2 of 2" in page.render(board)


def test_a_study_of_which_one_trial_ended_has_a_result(runs):
    runs.reaching("mine", "digits", 10)
    runs.trial("mine", "digits", None, trial=2, status=FAILED)
    board = score(runs, plan_of(["ended", "failed", "not_run"], trials=3))
    assert (board.entries[0].cells["digits"].outcome, board.entries[0].cells["digits"].errors) == ("reached", (0, 1))


def test_what_is_open_beside_a_failure_is_unfinished(runs):
    runs.reaching("mine", "digits", 10)
    board = score(runs, plan_of(["ended", "failed", "held"]))
    assert wording.warnings(board)[0].startswith("UNFINISHED CAMPAIGN: 1 of 3 planned runs")


def test_strict_and_checks_see_what_was_not_run(runs):
    runs.reaching("mine", "digits", 10)
    planned = plan_of(["ended", "failed", "not_run"])
    with pytest.raises(UserError, match="digits_jax has 1 study instead of 3"):
        score(runs, planned, strict=True)
    (outcome,) = complete([], V06, Plan(planned))
    assert (outcome.level, outcome.evidence) == (
        "warn",
        "2 of 3 planned runs did not end by the rules: 1 failed by an error of the submission, 1 not run: same error",
    )
