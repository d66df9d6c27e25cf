"""Which runs count: folders without runs, unfinished trials, copies, runs of different code, impossible values."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

import algoperf_scoring
from algoperf.errors import UserError
from algoperf.versions import load_version
from algoperf_scoring import Leaderboard, to_json, wording
from algoperf_scoring.report import matrix, page

V06 = load_version("v0.6")


def score(runs, ruleset: str | None = "external", **options) -> Leaderboard:
    return algoperf_scoring.score(runs.root, V06, ruleset, **options)


def outcomes(board: Leaderboard, workload: str) -> dict[str, str]:
    return {entry.submission: entry.cells[workload].outcome for entry in board.entries}


def reasons(findings) -> dict[str, str]:
    return {finding.path: finding.reason for finding in findings}


def test_a_folder_without_records_is_neither_submission_nor_study_nor_run(runs):
    """A command that failed before it started may have left a lock."""
    runs.reaching("a", "wmt", 10)
    lock = runs.root / "a" / "study_1" / "wmt_jax" / "trial_1" / ".lock"
    other = runs.root / "mistake" / "study_0" / "wmt_jax" / "trial_1" / ".lock"
    for file in (lock, other):
        file.parent.mkdir(parents=True)
        file.touch()
    (runs.root / "empty" / "study_0" / "wmt_jax" / "trial_1").mkdir(parents=True)
    board = score(runs)
    assert [entry.submission for entry in board.shown] == ["a"]
    assert {missing.submission for missing in board.comparison.missing} == {"a"}
    assert reasons(board.comparison.notes) == {
        f"{name}/wmt_jax/trial_1": "left out: there is no record of a run in it"
        for name in ("a/study_1", "empty/study_0", "mistake/study_0")
    }
    with pytest.raises(UserError, match="a: wmt_jax has 1 study instead of 3") as error:
        score(runs, strict=True)
    assert "mistake" not in str(error.value)
    shutil.rmtree(runs.root / "a")
    with pytest.raises(
        UserError, match=r"No runs found(.|\n)*mistake/study_0/wmt_jax/trial_1: left out: there is no record"
    ):
        score(runs)


def test_a_name_that_begins_like_a_report_is_a_name(runs):
    """Found as ../shared/cases/13-submission-named-report."""
    runs.reaching("alpha", "wmt", 20)
    runs.reaching("reporter_adam", "wmt", 10)
    board = score(runs)
    assert [entry.submission for entry in board.entries] == ["reporter_adam", "alpha"]
    assert board.comparison.notes == ()


def test_a_name_that_is_not_utf8_is_left_out_and_shown_with_replacements(runs):
    runs.reaching("a", "wmt", 10)
    shutil.copytree(runs.root / "a", runs.root / os.fsdecode(b"caf\xe9"))
    odd = runs.root / "a" / "study_0" / os.fsdecode(b"\xe9_jax")
    odd.mkdir()
    board = score(runs)
    assert [entry.submission for entry in board.entries] == ["a"]
    assert set(reasons(board.comparison.notes)) == {"caf\ufffd", "a/study_0/\ufffd_jax"}
    assert "not UTF-8" in reasons(board.comparison.notes)["caf\ufffd"]


def test_the_ruleset_chooses_as_the_scale_does(runs):
    runs.reaching("a", "wmt", 1, status={"ruleset": "self"})
    runs.reaching("a", "wmt", 2, study=1, status={"ruleset": "external"})
    runs.reaching("b", "wmt", 3, status={"ruleset": "external"})
    for ruleset, left in (("self", {"a": 1}), ("external", {"a": 2, "b": 3})):
        board = score(runs, ruleset)
        assert {entry.submission: entry.cells["wmt"].seconds for entry in board.entries} == left
        others = {"self": "external", "external": "self"}[ruleset]
        assert set(reasons(board.comparison.notes).values()) == {f"left out: its ruleset is {others}"}
    only = algoperf_scoring.sources(runs.root, "b", runs.root)
    with pytest.raises(
        UserError, match=r"No runs of ruleset self of b in .*ruleset external \(1 trial\).*--ruleset and --track\.$"
    ):
        algoperf_scoring.score(only, V06, "self")
    with pytest.raises(UserError, match="No runs of scale mini and ruleset self"):
        score(runs, "self", scale="mini")


def mixed_code(runs, **second) -> None:
    for study in range(3):
        code = {"submission_hash": "1" * 64} if study < 2 else second
        runs.reaching("mine", "wmt", 10 + study, study=study, status={"ruleset": "external", **code})


def test_studies_of_different_code_are_no_score_of_one_submission(runs):
    mixed_code(runs, submission_hash="2" * 64)
    runs.reaching("mine", "ogbg", 5, study=2, status={"ruleset": "external", "submission_hash": "2" * 64})
    with pytest.raises(UserError) as error:
        score(runs)
    assert "different code are filed under the name mine" in str(error.value)
    assert "code 11111111: wmt_jax studies 0, 1\n" in str(error.value)
    assert "code 22222222: ogbg_jax study 2; wmt_jax study 2\n" in str(error.value)
    assert "--no-resume" in str(error.value)


def test_runs_without_a_hash_belong_to_any_code_and_other_frameworks_to_their_own(runs):
    mixed_code(runs)
    runs.reaching("mine", "wmt", 3, framework="pytorch", status={"ruleset": "external", "submission_hash": "2" * 64})
    assert [entry.submission for entry in score(runs).entries] == ["mine (pytorch)", "mine (jax)"]


def test_documents_and_tests_of_a_submission_are_not_its_code(runs):
    code = {"submission file submission.py": "a" * 64, "submission file space.json": "b" * 64}
    for study, name in enumerate(("README.md", "submission_info.yml", "tests/test_submission.py", "LICENSE")):
        identity = {"workload": "wmt", **code, f"submission file {name}": str(study) * 64}
        status = {"ruleset": "external", "submission_hash": str(study) * 64, "identity": identity}
        runs.reaching("mine", "wmt", 10 + study, study=study, status=status)
    assert len(score(runs).entries[0].cells["wmt"].studies) == 4
    identity = {**code, "submission file helpers.py": "c" * 64}
    runs.reaching("mine", "wmt", 10, study=4, status={"ruleset": "external", "identity": identity})
    with pytest.raises(UserError, match="different code"):
        score(runs)


def test_a_copied_study_counts_once(runs, tmp_path: Path):
    runs.reaching("a", "wmt", 12.3456789, study=0)
    shutil.copytree(runs.root / "a" / "study_0", runs.root / "a" / "study_1")
    runs.reaching("a", "wmt", 13.3456789, study=2)
    (runs.root / "a" / "study_3").symlink_to(runs.root / "a" / "study_2")
    board = score(runs)
    assert board.entries[0].cells["wmt"].studies == {0: 12.3456789, 2: 13.3456789}
    found = reasons(board.comparison.problems)
    assert "those of a/study_0/wmt_jax/trial_1 to the last digit" in found["a/study_1/wmt_jax/trial_1"]
    assert "those of a/study_2/wmt_jax/trial_1 to the last digit" in found["a/study_3/wmt_jax/trial_1"]


@pytest.mark.parametrize("kept", [slice(0, -1), slice(1, None)], ids=["without its end", "without its beginning"])
def test_a_part_of_a_copy_counts_no_more_than_the_copy(runs, kept):
    limits = V06.limits("wmt")
    rows = [(seconds + 0.123456789012345, limits.validation_target) for seconds in (1.0, 2.0, 3.0)]
    runs.trial("a", "wmt", rows, study=0)
    runs.trial("a", "wmt", rows[kept], study=1)
    runs.trial("a", "wmt", [(1.5, limits.validation_target), *rows[1:2], (4.5, 0.0)], study=2)  # one time of many
    board = score(runs)
    assert list(board.entries[0].cells["wmt"].studies) == [0, 2]
    (reason,) = reasons(board.comparison.problems).values()
    assert "those of a/study_0/wmt_jax/trial_1 to the last digit: a copy, or part of one" in reason


def test_equal_times_of_few_digits_are_no_copy(runs):
    for study in range(3):
        runs.reaching("a", "wmt", 12.5, study=study)
    board = score(runs)
    assert len(board.entries[0].cells["wmt"].studies) == 3
    assert board.comparison.problems == ()


@pytest.mark.parametrize(("workload", "value"), [("digits", 97.0), ("fastmri", 1.5), ("criteo1tb", -0.5), ("wmt", 101)])
def test_an_impossible_value_reaches_no_target(runs, workload: str, value: float):
    target = V06.limits(workload).validation_target
    runs.trial("a", workload, [(10.0, value), (20.0, target)])
    board = score(runs, workloads=[workload])
    assert board.entries[0].cells[workload].seconds == 20
    (reason,) = reasons(board.comparison.problems).values()
    assert f"line 2: validation/{V06.limits(workload).metric} {value:g} does not count: possible is" in reason


@pytest.mark.parametrize(
    "text",
    [
        '{"status": "running", "finished": false, "finished": true}',
        '{"scale": "full", "scale": "mini"}',
        '{"seconds": {"submission": NaN}}',
        "[" * 10000,
        "[]",
        "",
        "\ufeff{",
    ],
)
def test_a_trial_whose_status_can_be_read_in_two_ways_or_none_is_not_scored(runs, text: str):
    runs.reaching("a", "digits", 10)
    folder = runs.reaching("a", "digits", 1, study=1)
    (folder / "status.json").write_text(text)
    board = score(runs)
    assert board.entries[0].cells["digits"].studies == {0: 10}
    (reason,) = reasons(board.comparison.problems).values()
    assert reason.startswith("trial ignored: status.json ")


UNFINISHED = [
    {"status": "interrupted", "finished": False},
    {"status": "running", "finished": False},
    {"status": "running"},
    {"status": "evaluation_error", "finished": False},
    {"status": "a_new_one", "finished": False},
]


@pytest.mark.parametrize("status", UNFINISHED)
@pytest.mark.parametrize("reached", [False, True])
def test_an_unfinished_trial_is_neither_reached_nor_never(runs, status: dict, reached: bool):
    clock = {"seconds": {"submission": 41.2}, "budget_sec": 135.0, "ruleset": "external"}
    (runs.reaching if reached else lambda *a, **k: runs.missing(*a[:2], **k))(
        "good", "digits", 10, status=status | clock
    )
    for study in range(3):
        runs.missing("bad", "digits", study=study, status=None)
        runs.reaching("fast", "digits", 7 + study, study=study)
    runs.reaching("fast", "digits", 1, study=3, status=status | clock)
    board = score(runs)
    assert outcomes(board, "digits") == {"fast": "reached", "bad": "not reached"}
    assert [(one.submission, one.outcome) for one in board.unranked] == [("good", "unfinished")]
    assert board.entries[0].cells["digits"].studies == {0: 7, 1: 8, 2: 9}
    content = to_json(board)
    assert content["outcomes"]["good"] == {"digits": "unfinished"}
    assert "good" not in content["scores"]
    assert content["unfinished"][1] == {
        "submission": "good",
        "workload": "digits",
        "study": 0,
        "trial": 1,
        "status": status["status"],
        "seconds": 41.2,
        "budget_sec": 135.0,
    }
    with pytest.raises(
        UserError, match=f"good/study_0/digits_jax/trial_1 is unfinished: its status is {status['status']}"
    ):
        score(runs, strict=True)


@pytest.mark.parametrize("status", ["submission_error", "out_of_memory"])
def test_a_submission_that_failed_has_a_result(runs, status: str):
    runs.missing("a", "digits", status={"status": status, "finished": False})
    board = score(runs)
    assert outcomes(board, "digits") == {"a": "error"}
    assert wording.times(board) == [["error 1/1"]]
    assert "error 1/3: the submission's own error ended 1 of 3 studies." in " ".join(wording.legend(board))
    assert to_json(board)["studies_ended_by_error"] == {"a": {"digits": 1}}


def test_an_error_is_shown_where_it_leaves_no_time(runs):
    failed = {"status": "submission_error", "finished": False}
    for study in (0, 1, 2):
        status = failed if study == 0 else None
        runs.trial("mixed", "digits", [(5 + study, 0.1), (10 + study, 0.1)], study=study, status=status)
        runs.trial("tuned", "digits", [(5 + study, 0.1), (10 + study, 0.1)], study=study, status=status)
        runs.reaching("reaching", "digits", 9 + study, study=study, status=status)
    runs.trial("tuned", "digits", [(8, 0.1)], trial=2)
    runs.trial("crashed", "digits", None, status=failed)
    runs.trial("crashed", "digits", None, study=1, status={"status": "interrupted", "finished": False})
    runs.trial("early", "digits", None, status=failed)
    board = score(runs)
    assert {one.submission: one.cells["digits"].outcome for one in board.shown} == {
        "crashed": "unfinished", "early": "error", "mixed": "error", "reaching": "reached", "tuned": "not reached"
    }  # fmt: skip
    words = {one.submission: words for one, (words,) in zip(board.shown, wording.times(board), strict=True)}
    assert (words["early"], words["mixed"], words["tuned"]) == ("error 1/1", "error 1/3", "never 0/3")
    assert {row[1]: row[2] for row in wording.ranking(board)}["early"] == "error"
    fields = {name: field for name, (field,) in matrix.matrix(board)}
    assert (fields["mixed"].main, fields["mixed"].detail) == ("error", "in 1 of 3")
    assert "<small>in 1 of 3</small>" in page.render(board)


def test_one_unfinished_trial_makes_its_study_unfinished(runs):
    runs.reaching("a", "wmt", 10, study=0, trial=1)
    runs.missing("a", "wmt", study=0, trial=2, status={"status": "interrupted", "finished": False})
    runs.reaching("a", "wmt", 30, study=1)
    cell = score(runs).entries[0].cells["wmt"]
    assert (cell.studies, cell.outcome, len(cell.unfinished)) == ({1: 30}, "reached", 1)


def test_the_clock_of_a_running_trial_is_the_latest_on_record(runs):
    """A trial that runs has written rows since it last wrote its status."""
    folder = runs.trial("a", "digits", [(50.0, 0.1), (60.0, 0.2)], status={"status": "running", "finished": False})
    board = score(runs)
    (trial,) = board.comparison.unfinished
    assert (trial.seconds, trial.budget_sec) == (60.0, V06.max_runtime_sec("digits", "external", "full"))
    assert board.entries == ()
    assert board.refusal == "no run has a result yet"
    (folder / "measurements.csv").write_text("global_step,score\n9,61.5\n")
    assert score(runs).comparison.unfinished[0].seconds == 61.5


# --- disturbed runs ------------------------------------------------------------------------------------------------

DISTURBED = {
    "shared": {"machine": {"sessions": [{"shared": True}]}},
    "others": {"machine": {"sessions": [{}, {"other_cores": 1.6}]}, "hardware": {"cpus_usable": 2}},
    "heat": {"machine": {"sessions": [{"thermal_throttles": 10**400}]}},
    "quota": {"machine": {"sessions": [{"quota_throttled_sec": 6}]}, "seconds": {"total": 100}},
    "stopped": {"machine": {"sessions": [{}], "stopped_sec": 6.0}},
}
QUIET = (
    {}, {"machine": None}, {"machine": {"sessions": 3}}, {"machine": {"sessions": [{"shared": False}, None]}},
    {"machine": {"sessions": [{"other_cores": 0.2, "quota_throttled_sec": 4}]}, "seconds": {"total": 100}},
)  # fmt: skip


def test_disturbed_runs_are_counted_in_one_line(runs):
    for study, status in enumerate((*DISTURBED.values(), *QUIET)):
        runs.reaching("a", "wmt", 10 + study, study=study, status={"finished": True, **status})
    both = {"machine": {"sessions": [{"shared": True}], "stopped_sec": 1.0}}
    runs.reaching("b", "wmt", 10, status=both)
    board = score(runs)
    (line,) = dict(wording.remarks(board))["Disturbed times"]
    assert line.startswith("Times of 6 of 11 runs were disturbed, and may be too long: 2 shared devices with other")
    assert (
        "1 ran beside other programs, 1 had cores slowed down for heat, 1 had a limit on processor time, 2 st" in line
    )
    listed = to_json(board)["disturbed"]
    assert {kind for run in listed if run["submission"] == "a" for kind in run["by"]} == set(DISTURBED)
    assert [run["by"] for run in listed if run["submission"] == "b"] == [["shared", "stopped"]]
    command = f"algoperf check-runs {runs.root}"
    assert line.endswith(f"`{command}` says which.")
    assert line.replace(f"`{command}`", f"<code>{command}</code>") in page.render(board)


def test_undisturbed_runs_need_no_line(runs):
    runs.reaching("a", "wmt", 10)
    assert "Disturbed times" not in dict(wording.remarks(score(runs)))
