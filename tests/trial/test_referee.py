"""The parent's own account of a trial: what it makes of messages, and what real trials leave in it."""

import json
from pathlib import Path

import pytest

from algoperf.records.layout import EVAL_FILE, REFEREE_FILE
from algoperf.trial.referee import Referee
from algoperf.versions import load_version
from algoperf_scoring.health import check_runs
from places import TEST_SUBMISSIONS
from trial_runs import Run

CHEATS = Path(__file__).parents[1] / "cheats"


def heard(folder, *messages) -> Referee:
    """A referee after messages `(seconds, kind, step)`; every result has the accuracy 0.5."""
    referee = Referee(folder)
    for at, kind, step in messages:
        content = {"metrics": {"accuracy": 0.5}} if kind == "evaluated" else {}
        referee.hear({"kind": kind, "global_step": step, **content}, at)
    return referee


def evaluation(begin: float, end: float, step: int) -> list[tuple[float, str, int]]:
    return [(begin, "evaluation", step), (end, "evaluated", step), (end, "saving", step), (end, "clock", step)]


def account(folder: Path) -> dict:
    return json.loads((folder / REFEREE_FILE).read_text())


def write_rows(folder, *rows: tuple[int, float]) -> None:
    lines = ["global_step,accuracy", *(f"{step},{accuracy}" for step, accuracy in rows)]
    (folder / EVAL_FILE).write_text("\n".join(lines) + "\n")


def test_time_is_charged_by_the_arrival_of_messages(tmp_path):
    referee = heard(
        tmp_path, (100, "clock", 0), *evaluation(110, 114, 5), *evaluation(120, 121, 9), (123, "closing", 9)
    )
    referee.stop(500)  # the process takes long to end
    write_rows(tmp_path, (5, 0.5), (9, 0.5))
    referee.conclude()
    found = account(tmp_path)
    assert (found["submission_sec"], found["evaluation_sec"]) == (10 + 6 + 2, 4 + 1)
    assert [(each["global_step"], each["submission_sec"]) for each in found["evaluations"]] == [(5, 10), (9, 16)]
    assert found["problems"] == []


def test_a_process_that_dies_is_charged_until_then(tmp_path):
    referee = heard(tmp_path, (0, "clock", 0), (1, "saving", 3))
    referee.stop(4)
    referee.conclude()
    assert account(tmp_path)["submission_sec"] == 4


def test_a_resumed_trial_goes_on_from_its_checkpoint(tmp_path):
    heard(tmp_path, (0, "clock", 0), *evaluation(10, 12, 5), *evaluation(20, 21, 9), (30, "evaluation", 12))
    again = heard(tmp_path, (1000, "clock", 5), *evaluation(1003, 1004, 9))
    write_rows(tmp_path, (5, 0.5), (9, 0.5))
    again.conclude()
    found = account(tmp_path)
    assert (found["submission_sec"], found["evaluation_sec"]) == (13, 3)
    assert [each["global_step"] for each in found["evaluations"]] == [5, 9]
    assert found["problems"] == []


def test_what_happened_without_a_parent_is_not_known(tmp_path):
    referee = heard(tmp_path, (0, "clock", 5), *evaluation(3, 4, 9))
    write_rows(tmp_path, (5, 0.9), (9, 0.5))
    referee.conclude()
    found = account(tmp_path)
    assert (found["known_from"], found["problems"]) == (5, [])


@pytest.mark.parametrize(
    ("messages", "problem"),
    [
        ([(0, "clock", 0), (1, "clock", 3)], "the clock was said to go on, but it had not stopped"),
        ([(0, "clock", 0), (1, "evaluation", 3), (2, "clock", 3)], "without an evaluation"),
        ([(0, "clock", 0), (1, "evaluation", 3), (2, "evaluation", 3)], "begin at step 3 while the clock stood"),
        ([(0, "clock", 0), (1, "evaluated", 3)], "a result of step 3 came that no evaluation was begun for"),
        ([(0, "clock", 0), *evaluation(1, 2, 3)[:2], (3, "evaluated", 3)], "a result of step 3 came"),
        ([(0, "clock", None)], "names the step None"),
        ([(0, "clock", 0), (0, "saving", 0)], "eval_measurements.csv has 2 evaluations, 0 were told"),
        ([(0, "clock", 0), *evaluation(1, 2, 3), *evaluation(4, 5, 6)], "row 2: accuracy is '0.99', but 0.5 was told"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_a_problem(tmp_path, messages, problem):
    write_rows(tmp_path, (3, 0.5), (6, 0.99))
    referee = heard(tmp_path, *messages)
    referee.conclude()
    assert problem in " ".join(account(tmp_path)["problems"])


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
    found = account(run.trial)
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
