"""The parent's own account of a trial: what it makes of messages, and what real trials leave in it."""

import json
import math
from pathlib import Path

import pytest

from algoperf.checkpoint import content_hash
from algoperf.records.csv_file import CsvFile
from algoperf.records.layout import EVAL_FILE, REFEREE_FILE
from algoperf.trial.account import is_same
from algoperf.trial.clock import ACCOUNTS
from algoperf.trial.recorder import Recorder
from algoperf.trial.referee import Referee
from algoperf.versions import Limits, load_version
from algoperf_scoring.health import check_runs
from places import TEST_SUBMISSIONS
from trial_runs import Run

CHEATS = Path(__file__).parents[1] / "cheats"


LIMITS = Limits("accuracy", "max", 0.4, 0.4, 100.0, 10.0, 100)
TRIAL = dict.fromkeys(ACCOUNTS, 1.5)


def heard(folder, *messages) -> Recorder:
    """A recorder after messages `(seconds, kind, step)`; every result has the accuracy 0.5."""
    recorder = Recorder(folder, Referee(folder, LIMITS), dict)
    contents = {
        "evaluated": {"metrics": {"validation/accuracy": 0.5}, "seconds": TRIAL},
        "record": {"preemption_count": 0},
        "resumed": {"preemption_count": 1, "evaluations": [], "seconds": TRIAL},
    }
    for at, kind, step in messages:
        recorder.hear({"kind": kind, "global_step": step, **contents.get(kind, {})}, at)
    return recorder


def concluded(recorder: Recorder) -> dict:
    """The account when all processes have ended."""
    referee = recorder.referee
    referee.conclude()
    return json.loads((referee.directory / REFEREE_FILE).read_text())


def evaluation(begin: float, end: float, step: int, goes_on: float | None = None) -> list[tuple[float, str, int]]:
    goes_on = end if goes_on is None else goes_on
    rest = [(goes_on, kind, step) for kind in ("saving", "record", "clock")]
    return [(begin, "evaluation", step), (end, "evaluated", step), *rest]


def test_time_is_charged_by_the_arrival_of_messages(tmp_path):
    told = heard(
        tmp_path, (100, "clock", 0), *evaluation(110, 114, 5, 115), *evaluation(120, 121, 9), (123, "closing", 9)
    )
    told.referee.stop(500)  # the process takes long to end
    found = concluded(told)
    assert [found[f"{account}_sec"] for account in ACCOUNTS] == [10 + 5 + 2, 4 + 1, 1]
    names = ("global_step", "submission_sec", "evaluation_sec", "logging_sec")
    assert [tuple(each[name] for name in names) for each in found["evaluations"]] == [(5, 10, 4, 1), (9, 15, 1, 0)]
    assert found["problems"] == []


def test_rows_have_the_official_times_and_those_of_the_trial(tmp_path):
    heard(tmp_path, (100, "clock", 0), *evaluation(110, 114, 5, 115), *evaluation(120, 121, 9))
    first, second = CsvFile.read(tmp_path / EVAL_FILE)
    official = ("score", "accumulated_submission_time", "accumulated_eval_time", "accumulated_logging_time")
    assert [float(first[name]) for name in (*official, "total_duration")] == [10, 10, 4, 0, 14]
    assert [float(second[name]) for name in (*official, "total_duration")] == [15, 15, 5, 1, 21]
    assert {second[f"trial_{account}_time"] for account in ACCOUNTS} == {"1.5"}


def test_the_target_is_reached_at_the_official_time(tmp_path):
    told = heard(tmp_path, (0, "clock", 0), *evaluation(10, 12, 5), *evaluation(20, 21, 9))
    content = {"status": "running", "finished": False, "seconds": {**TRIAL, "total": 4.5, "update": 1.0}}
    assert told.hear({"kind": "status", "content": {**content, "target_reached_at": {"global_step": 5}}}, 22) == {}
    assert told.status["target_reached_at"] == {"global_step": 5, "submission_sec": 10}
    assert told.status["seconds"] == {"submission": 18, "evaluation": 3, "logging": 0, "total": 21, "update": 1.0}
    assert told.status["trial_seconds"] == {**TRIAL, "total": 4.5}
    assert told.referee.problems == []
    told.hear({"kind": "status", "content": {**content, "target_reached_at": {"global_step": 3}}}, 23)
    assert "reached its target at {'global_step': 3}" in told.referee.problems[0]


def test_nothing_is_evaluated_after_the_budget(tmp_path):
    """The trial learns the official time when an evaluation begins, and ends; a result is none of the harness."""
    told = Recorder(tmp_path, Referee(tmp_path, LIMITS, budget_sec=10.0), dict)
    for at, kind in ((0, "clock"), (11, "evaluation")):
        told.hear({"kind": kind, "global_step": 0}, at)
    answer = told.hear({"kind": "evaluated", "global_step": 0, "metrics": {}, "seconds": TRIAL}, 12)
    assert "after the budget" in answer["error"]
    assert told.referee.evaluations == []


def test_a_process_that_dies_is_charged_until_then(tmp_path):
    told = heard(tmp_path, (0, "clock", 0), (1, "saving", 3))
    told.referee.stop(4)
    assert concluded(told)["submission_sec"] == 4


def test_an_interrupted_trial_ends_at_its_checkpoint(tmp_path):
    told = heard(tmp_path, (0, "clock", 0), *evaluation(10, 12, 5), (15, "saving", 7))
    told.hear({"kind": "status", "content": {"status": "interrupted", "global_step": 7}}, 40)
    assert told.status["seconds"] == {"submission": 13, "evaluation": 2, "logging": 0, "total": 15}


def test_a_resumed_trial_goes_on_from_its_checkpoint(tmp_path):
    heard(tmp_path, (0, "clock", 0), *evaluation(10, 12, 5), *evaluation(20, 21, 9), (30, "evaluation", 12))
    (tmp_path / EVAL_FILE).unlink()
    told = heard(tmp_path, (999, "resumed", 5), (1000, "clock", 5), *evaluation(1003, 1004, 9))
    found = concluded(told)
    assert (found["submission_sec"], found["evaluation_sec"]) == (13, 3)
    assert [each["global_step"] for each in found["evaluations"]] == [5, 9]


def test_what_happened_without_a_parent_is_not_known(tmp_path):
    (tmp_path / "checkpoint_5").mkdir()
    (tmp_path / "checkpoint_5" / "manifest.json").touch()
    told = heard(tmp_path, (0, "resumed", 5), (1, "clock", 5), *evaluation(3, 4, 9))
    found = concluded(told)
    assert (found["known_from"], found["problems"]) == (5, [])
    assert [found[f"{account}_sec"] for account in ACCOUNTS] == [1.5 + 2, 1.5 + 1, 1.5]


@pytest.mark.parametrize(
    ("messages", "problem"),
    [
        ([(0, "clock", 0), (1, "clock", 3)], "the clock was said to go on, but it had not stopped"),
        ([(0, "clock", 3)], "said to start at step 3, but nothing was resumed there"),
        ([(0, "clock", 0), (1, "resumed", 3)], "said to go on from step 3, but it had begun"),
        ([(0, "resumed", 0), (1, "clock", 0)], "said to go on from step 0, but there was no checkpoint"),
        ([(0, "clock", 0), (1, "evaluation", 3), (2, "clock", 3)], "without an evaluation"),
        ([(0, "clock", 0), (1, "evaluation", 3), (2, "evaluation", 3)], "begin at step 3 while the clock stood"),
        ([(0, "clock", 0), (1, "evaluated", 3)], "a result of step 3 came that no evaluation was begun for"),
        ([(0, "clock", 0), *evaluation(1, 2, 3)[:2], (3, "evaluated", 3)], "a result of step 3 came"),
        ([(0, "clock", 0), *evaluation(1, 2, 3)[:2], (3, "clock", 3)], "but the evaluation of 3 has no row"),
        ([(0, "clock", 0), (1, "closing", 0), (2, "evaluation", 3)], "a message 'evaluation' came after the end"),
        ([(0, "clock", None)], "names the step None"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_a_problem(tmp_path, messages, problem):
    assert problem in " ".join(heard(tmp_path, *messages).referee.problems)


def test_rows_that_are_not_what_was_told_are_a_problem(tmp_path):
    told = heard(tmp_path, (0, "clock", 0), *evaluation(1, 2, 3), *evaluation(4, 5, 6))
    text = (tmp_path / EVAL_FILE).read_text().splitlines()
    (tmp_path / EVAL_FILE).write_text("\n".join([*text[:2], text[2].replace("0.5", "0.99"), ""]))
    assert "row 2: validation/accuracy is '0.99', but 0.5 was told" in " ".join(concluded(told)["problems"])
    (tmp_path / EVAL_FILE).write_text(text[0] + "\n")
    assert "eval_measurements.csv has 0 evaluations, 2 were told" in " ".join(concluded(told)["problems"])


def test_the_checkpoint_of_the_target_is_hashed_once(tmp_path):
    messages = [(0, "clock", 0), *evaluation(1, 2, 3), *evaluation(4, 5, 6)]
    for step in (3, 6):
        checkpoint = tmp_path / f"checkpoint_{step}"
        checkpoint.mkdir()
        for name in ("manifest.json", "model.json", "model.safetensors"):
            (checkpoint / name).write_text(str(step))
    told = heard(tmp_path, *messages)
    assert [each.saved_bytes for each in told.referee.evaluations] == [3, 3]
    expected = {"checkpoint": "checkpoint_3", "sha256": content_hash(tmp_path / "checkpoint_3")}
    assert concluded(told)["snapshot"] == expected
    (tmp_path / "checkpoint_3" / "model.json").write_text("another")
    again = heard(tmp_path, (9, "resumed", 6), (10, "clock", 6), *evaluation(11, 12, 9))
    assert concluded(again)["snapshot"] == expected, "as it was when the target was reached"


def test_a_trial_without_checkpoints_has_no_hash(tmp_path):
    assert concluded(heard(tmp_path, (0, "clock", 0), *evaluation(1, 2, 3)))["snapshot"] is None


@pytest.mark.parametrize(
    ("text", "value", "expected"),
    [
        ("0.1", 0.1, True), ("0.1", 0.2, False), ("3", 3, True), ("nan", math.nan, True), ("inf", math.inf, True),
        ("nan", None, True), ("inf", None, True), ("0.1", None, False), (None, 0.1, False), ("nan", 0.1, False),
        ("text", "text", True), ("text", 0.1, False),
    ],
)  # fmt: skip
def test_values_that_are_no_numbers_are_equal_to_themselves(text, value, expected):
    """Also in a trial that was resumed, whose account has come from a JSON file."""
    assert is_same(text, value) is expected


def test_an_evaluation_that_was_none_takes_no_time_from_the_submission(tmp_path):
    """A beginning that the submission sent itself, and the time until the next one."""
    told = heard(tmp_path, (0, "clock", 0), (10, "evaluation", 3), *evaluation(30, 31, 5), (40, "closing", 5))
    assert concluded(told)["submission_sec"] == 39
    assert told.referee.problems


def referee_check(run: Run):
    health = check_runs(run.output, load_version())
    return next(check for check in health.checks if check.id == "referee")


def test_an_honest_trial_that_ends_early_and_is_resumed(data_root, tmp_path, monkeypatch):
    run = Run(TEST_SUBMISSIONS / "faulty", "pytorch", data_root, tmp_path, {"max_global_steps": 20})
    for fault, expected in (("update_params 15 raise", 3), ("update_params 500 raise", 0)):
        monkeypatch.setenv("FAULT", fault)
        code, output = run.finish()
        assert code == expected, output
    check = referee_check(run)
    assert check.counts["pass"] == 1, [outcome.evidence for outcome in check.outcomes]
    found = json.loads((run.trial / REFEREE_FILE).read_text())
    assert [each["global_step"] for each in found["evaluations"]] == [int(row["global_step"]) for row in run.rows]


def test_records_that_are_rewritten_at_exit_are_seen(data_root, tmp_path):
    run = Run(CHEATS / "late_records", "pytorch", data_root, tmp_path, {"max_global_steps": 6, "eval_every_steps": 3})
    assert run.finish()[0] == 0
    check = referee_check(run)
    assert check.counts["fail"] == 1
    assert "eval_measurements.csv was changed while the trial ran" in check.outcomes[0].evidence
    assert "0.99" not in [row["validation/accuracy"] for row in run.rows], "the parent puts back what it wrote"


def test_records_that_are_changed_after_the_end_are_seen(data_root, tmp_path):
    run = Run(TEST_SUBMISSIONS / "faulty", "pytorch", data_root, tmp_path, {"max_global_steps": 6})
    assert run.finish()[0] == 0
    assert referee_check(run).counts["pass"] == 1
    assert run.status["referee"] is True
    file = run.trial / EVAL_FILE
    file.write_text(file.read_text().replace("0.", "1.", 1))
    assert referee_check(run).outcomes[0].evidence == "eval_measurements.csv was changed after the trial"
