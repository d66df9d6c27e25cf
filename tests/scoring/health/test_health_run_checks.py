"""Every check of single runs: what passes, what warns, what fails, and with which evidence."""

from __future__ import annotations

import math

import pytest

from health_runs import FEW_SEC, found, sound_rows, summary, told


def later(records, row, seconds):
    """Everything from a row on happens later; the time goes to the submission."""
    for one in records.rows[row:]:
        for name in ("score", "accumulated_submission_time", "total_duration"):
            one[name] += seconds
    end(records)


def end(records):
    """Make the end of the run fit to its last evaluation again."""
    records.status["num_evaluations"] = len(records.rows)
    records.status["last_evaluation"]["global_step"] = records.rows[-1]["global_step"]
    records.status["seconds"]["submission"] = records.final = records.rows[-1]["score"] + 0.5
    reached = [row["global_step"] for row in records.rows if row["validation/accuracy"] >= 0.97]
    records.status["target_reached_at"] = {"global_step": reached[0]} if reached else None


def rows_of(records, num_rows, **changes):
    records.rows = sound_rows(num_rows)
    for name, value in changes.items():
        for row in records.rows:
            row[name] = value
    end(records)


CLOCKS = ("score", "accumulated_submission_time")


def put(records, row, **values):
    records.rows[row] |= {name.replace("__", "/"): value for name, value in values.items()}


def without_column(records, name):
    for row in records.rows:
        del row[name]


def resumed(records, row, **values):
    put(records, row, **values)
    for one in records.rows[row:]:
        one["preemption_count"] = 1
    records.status["preemption_count"] = 1


def test_a_sound_run_passes_every_check(folder):
    folder.run()
    health = folder.check()
    assert health.level == "pass"
    assert [check.id for check in health.checks if check.level != "pass"] == ["complete"], "of mnist, any number"
    assert all(check.counts["pass"] == 1 for check in health.checks if check.id not in ("folders", "complete"))


# What is changed; the checks that do not pass, with their levels; what the first of them says.
CASES = {
    # --- files, and how it ended
    "torn status of a run": (lambda r: r.status.update(status="running", finished=False), {"ended": "fail"}, "killed"),
    "interrupted": (
        lambda r: r.status.update(status="interrupted", finished=False), {"ended": "fail"}, "did not come to its end"
    ),
    "error of the submission": (
        lambda r: r.status.update(status="submission_error", finished=False, message="ValueError: no"),
        {"ended": "warn"}, "an error in the submission: ValueError: no",
    ),
    "out of memory": (lambda r: r.status.update(status="out_of_memory", finished=False), {"ended": "warn"}, "memory"),
    "unknown status": (lambda r: r.status.update(status="odd", finished=False), {"ended": "fail"}, "odd"),
    "no step": (lambda r: without_column(r, "global_step"), {"files": "fail"}, "no column global_step"),
    "no target metric": (
        lambda r: without_column(r, "validation/accuracy"), {"files": "fail"},
        "no column validation/accuracy",
    ),
    "no total": (lambda r: without_column(r, "total_duration"), {"files": "warn"}, "no column total_duration"),
    "no number": (lambda r: put(r, 1, total_duration=""), {"files": "fail"}, "line 3: no number in column"),
    # --- records agree
    "moved": (lambda r: r.status.update(study=2), {"records-agree": "fail"}, "status.json is of study 2"),
    "other point": (lambda r: r.hparams.update(dropout=0.0), {"records-agree": "fail"}, "hparams.json has other"),
    "row too many": (lambda r: r.status.update(num_evaluations=3), {"records-agree": "fail"}, "counts 3 evaluations"),
    "other last step": (
        lambda r: r.status.update(last_evaluation={"global_step": 399}), {"records-agree": "fail"}, "399 in status"
    ),
    "other step of the target": (
        lambda r: r.status.update(target_reached_at={"global_step": 300}), {"records-agree": "fail"},
        "at step 300 by status.json, at step 400.0 by",
    ),
    # --- clock
    "accounted twice": (
        lambda r: [put(r, row, accumulated_eval_time=2.0 * row + 5) for row in range(4)], {"clock-adds-up": "fail"},
        "lines 1 to 2: 15.20 s are accounted for, but only 12.21 s passed",
    ),
    "accounted twice, bit by bit": (
        lambda r: [put(r, row, total_duration=one["total_duration"] - 0.04 * (row + 1))
                   for row, one in enumerate(r.rows)],
        {"clock-adds-up": "fail"}, "49.10 s are accounted for, but only 48.98 s passed",
    ),
    "time lost": (
        lambda r: [put(r, row, total_duration=r.rows[row]["total_duration"] + 61) for row in range(4)],
        {"clock-adds-up": "warn"}, "61.0 s of 110.",
    ),
    "score is less": (
        lambda r: put(r, 2, score=25.0), {"score-is-time": "fail"},
        "line 4: score is 25.00 s, but the submission time is 30.60 s",
    ),
    "ends before its last evaluation": (
        lambda r: (r.status["seconds"].update(submission=30.0), setattr(r, "final", 30.0)), {"final-time": "fail"},
        "status.json ends at 30.00 s, before the last evaluation at 40.80 s",
    ),
    "two ends": (lambda r: setattr(r, "final", 45.0), {"final-time": "fail"}, "measurements.csv ends at 45.00 s"),
    "clock stood still": (
        lambda r: ([put(r, n, **dict.fromkeys(CLOCKS, r.rows[0]["score"] * n)) for n in (1, 2, 3)], end(r)),
        {"steps-take-time": "fail"},
        "line 3: 100 steps were made in 0.00 s",
    ),
    # --- order
    "step back": (lambda r: put(r, 2, global_step=150), {"steps-increase": "fail"}, "line 4: step 150 follows"),
    "step twice": (lambda r: put(r, 2, global_step=200), {"steps-increase": "fail"}, "step 200 follows step 200"),
    "step twice after a resume": (
        lambda r: resumed(r, 2, global_step=200), {"steps-increase": "warn"}, "after the run was resumed"
    ),
    "evaluation time back": (
        lambda r: (put(r, 2, accumulated_eval_time=1.0), put(r, 3, accumulated_eval_time=3.0)),
        {"times-increase": "fail"},
        "line 4: accumulated_eval_time goes back from 4.00 s to 1.00 s",
    ),
    # --- evaluation period
    "too often": (
        lambda r: [put(r, row, score=v, accumulated_submission_time=v, total_duration=v + 2 * (row + 1) + 0.1 * row)
                   for row, v in enumerate((10.2, 15.0, 30.0, 40.8))],
        {"evaluation-period": "fail"},
        "1 evaluation came less than 10 s after the one before, the earliest after 4.9 s",
    ),
    "too seldom": (
        lambda r: (rows_of(r, 3), later(r, 2, 20)), {"evaluation-period": "warn"},
        "1 of 3 evaluations came late, up to 30 s after the one before instead of 10 s: "
        "times are coarse by up to 30 s, the time to target of 51 s by 30 s",
    ),
    # --- limits
    "reached after the budget": (
        lambda r: rows_of(r, 6), {"budget": "fail"}, "line 7: evaluated at 61.2 s, the budget is 60 s; the target was",
    ),
    "twice after the budget": (
        lambda r: (rows_of(r, 7), [put(r, n, **{"validation/accuracy": 0.98}) for n in range(7)], end(r)),
        {"budget": "fail"}, "1 more evaluations follow",
    ),
    "once after the budget": (
        lambda r: (rows_of(r, 6), put(r, 3, **{"validation/accuracy": 0.98}), end(r)), {"budget": "warn"},
        "the last one",
    ),
    "a smaller budget, not used up": (
        lambda r: r.status.update(budget_sec=45.0), {"limits": "warn"},
        "budget 45 instead of 60; both targets were reached at 41.3 s, within either",
    ),
    "a smaller budget than it took": (lambda r: r.status.update(budget_sec=40.0), {"limits": "fail"}, "40 instead"),
    "a smaller budget, used up": (
        lambda r: r.status.update(status="budget_spent", budget_sec=45.0), {"limits": "fail"}, "budget 45 instead of 60"
    ),
    "another budget": (lambda r: r.status.update(budget_sec=90.0), {"limits": "fail"}, "budget 90 instead of 60"),
    "another target": (
        lambda r: r.meta.update({"workload.validation_target_value": 0.9}), {"limits": "fail"}, "0.9 instead of 0.97"
    ),
    "another period": (
        lambda r: r.meta.update({"workload.eval_period_time_sec": 20}), {"limits": "warn"}, "20 instead of 10"
    ),
    "step limit": (
        lambda r: r.status.update(max_global_steps=400), {"official-settings": "warn"}, "max_global_steps was 400"
    ),
    "evaluated by steps": (
        lambda r: r.status.update(eval_every_steps=100), {"official-settings": "warn"}, "eval_every_steps was 100"
    ),
    # --- the machine
    "beside others": (
        lambda r: r.status["machine"]["sessions"][0].update(shared=True), {"machine": "warn"}, "shared its devices"
    ),
    "busy machine": (
        lambda r: r.status["machine"]["sessions"].append({"other_cores": 1.6}),
        {"machine": "warn"},
        "others kept 1.6 of 8 cores busy",
    ),
    "heat": (
        lambda r: r.status["machine"]["sessions"][0].update(thermal_throttles=3), {"machine": "warn"}, "heat 3 times"
    ),
    "stopped": (
        lambda r: r.status["machine"].update(stopped_sec=6.04), {"not-stopped": "warn"}, "for 6.0 s nothing could run"
    ),
    # --- the referee
    "own clock behind": (
        lambda r: r.referee.update(evaluations=[{"submission_sec": 10.2}, {"submission_sec": 25.0}]),
        {"referee": "fail"}, "line 3: 20.40 s by its own clock, 25.00 s by its parent's",
    ),
    "own clock ahead": (
        lambda r: r.referee.update(submission_sec=35.0), {"referee": "warn"},
        "at the end: 41.30 s by its own clock, 35.00 s by its parent's",
    ),
    "told something else": (
        lambda r: r.referee.update(problems=["row 1: score is '1'"]), {"referee": "fail"}, "row 1: score is '1'"
    ),
    # --- metrics
    "fewer examples": (
        lambda r: put(r, 1, validation__num_examples=9999), {"example-counts": "fail"},
        "line 3: 9999 validation examples instead of the version's 10000",
    ),
    "NaN": (lambda r: put(r, 1, train__loss="nan"), {"metrics-finite": "warn"}, "first in line 3: train/loss"),
    "empty": (lambda r: put(r, 3, train__loss=""), {"metrics-finite": "warn"}, "first in line 5: train/loss"),
    "accuracy above one": (
        lambda r: put(r, 3, test__accuracy=97.0), {"metrics-plausible": "fail"},
        "line 5: test/accuracy is 97, possible is 0 to 1",
    ),
    "negative loss": (lambda r: put(r, 0, train__loss=-1), {"metrics-plausible": "fail"}, "train/loss is -1"),
    "re-evaluation differs": (
        lambda r: r.evaluation["checkpoints"][0].update(mismatches=["test/loss"]), {"evaluated-again": "fail"},
        "checkpoint_400: differs in test/loss",
    ),
    "re-evaluation without comparison": (
        lambda r: r.evaluation.update(checkpoints=["?"]), {"evaluated-again": "fail"}, "does not say",
    ),
    # --- points
    "no point": (
        lambda r: (setattr(r, "hparams", None), r.status.pop("hyperparameters")), {"points-recorded": "warn"},
        "no hparams",
    ),
    "point outside": (
        lambda r: r.point(learning_rate=0.2, dropout=0.1), {"points-in-space": "fail"},
        "learning_rate 0.2 is not in [0.001, 0.1]",
    ),
    "point not feasible": (
        lambda r: r.point(learning_rate=0.1, dropout=0.3), {"points-in-space": "fail"},
        "dropout 0.3 is none of [0.0, 0.1]",
    ),
    "point with another dimension": (
        lambda r: r.point(learning_rate=0.1), {"points-in-space": "fail"}, "same dimensions: dropout"
    ),
    "point that is text": (
        lambda r: r.point(learning_rate="0.1", dropout=0.1), {"points-in-space": "fail"}, "cannot be compared"
    ),
    "point beside the list": (
        lambda r: r.flags.update(search_space=[{"learning_rate": 0.1, "dropout": 0.1}] * 5),
        {"points-in-space": "fail"},
        "none of the 5 listed points",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_what_is_wrong_is_found_by_its_check_and_by_no_other(folder, name):
    change, expected, evidence = CASES[name]
    folder.run(change)
    folder.run(submission="sound")
    health = folder.check()
    assert found(health) == expected
    first = next(iter(expected))
    text = told(health, first)
    assert text.startswith("mine/study_1/mnist_jax/trial_1: ")
    assert evidence in text
    assert summary(health, first).counts[expected[first]] == 1


def test_a_step_that_is_much_too_fast_is_told(folder):
    def change(records):
        rows_of(records, 9)
        for row, seconds in enumerate((5, 10, 15, 20, 25, 25.1, 30, 35, 40)):
            put(records, row, score=4 * seconds, accumulated_submission_time=4 * seconds)
            put(records, row, total_duration=4 * seconds + 2 * (row + 1) + 0.1 * row)
        end(records)

    folder.run(change)
    health = folder.check()
    assert "line 7: 100 steps took 0.4 s; at the run's usual 0.2 s per step they take 20.0 s" in told(
        health, "steps-take-time"
    )
    assert summary(health, "steps-take-time").level == "warn"


@pytest.mark.parametrize(
    ("has_parent", "trial_sec", "level"),
    [(True, 0.01, "pass"), (True, 0.0, "fail"), (True, None, "fail"), (False, 0.01, "fail")],
)
def test_steps_that_the_parent_heard_of_in_one_moment_took_the_time_of_the_trials_own_clock(
    folder, has_parent, trial_sec, level
):
    def change(records):
        put(records, 1, **dict.fromkeys(CLOCKS, records.rows[0]["score"]))
        for row, one in enumerate(records.rows if trial_sec is not None else ()):
            one["trial_submission_time"] = one["score"] + (trial_sec if row else 0.0)
        if not has_parent:
            records.referee = None
        end(records)

    folder.run(change)
    health = folder.check()
    assert summary(health, "steps-take-time").level == level
    if level == "fail":
        assert "line 3: 100 steps were made in 0.00 s" in told(health, "steps-take-time")


def test_where_another_process_took_over_total_duration_may_begin_anew(folder):
    def change(records):
        resumed(records, 2)
        for row in (2, 3):
            put(records, row, total_duration=FEW_SEC * (row - 1) + 0.2 * row)

    folder.run(change)
    health = folder.check()
    assert summary(health, "clock-adds-up").level == "fail"  # the last interval is judged all the same
    assert summary(health, "times-increase").level == "warn"
    assert "where the run was resumed" in told(health, "times-increase")


def test_a_resumed_run_may_be_evaluated_early_and_its_rows_are_sound(folder):
    def change(records):
        resumed(records, 2)
        for row in (2, 3):
            for name in ("score", "accumulated_submission_time", "total_duration"):
                records.rows[row][name] -= 6
        end(records)

    folder.run(change)
    assert found(folder.check()) == {}


def test_rounded_times_are_no_failure(folder):
    def change(records):
        for row in records.rows:
            for name in ("accumulated_eval_time", "accumulated_logging_time", "total_duration"):
                row[name] = round(row[name], 2)
            row["total_duration"] -= 0.02

    folder.run(change)
    assert found(folder.check()) == {}


def test_the_last_evaluation_may_come_early(folder):
    folder.run(lambda records: later(records, 3, -8))
    assert found(folder.check()) == {}


def test_equal_points_up_to_rounding_are_in_a_list(folder):
    space = [
        {"learning_rate": 0.011000000000000001, "dropout": 0.1},
        *({"learning_rate": n, "dropout": 0} for n in range(4)),
    ]
    folder.run(lambda records: records.flags.update(search_space=space))
    assert found(folder.check()) == {}


def test_without_records_nothing_is_checked_and_nothing_fails(folder):
    path = folder.run()
    for file in path.iterdir():
        if file.name != "eval_measurements.csv":
            file.unlink()
    health = folder.check()
    assert health.level == "pass"
    silent = [check.id for check in health.checks if check.level == "not_checked"]
    assert "seeds" in silent
    assert "budget" in silent
    assert summary(health, "budget").not_checked == {"the ruleset is not known": 1}
    assert summary(folder.check(ruleset="external"), "budget").level == "pass"


def test_a_published_log_ends_with_its_final_row(folder):
    def only_published(path):
        for name in ("status", "evaluation"):
            (path / f"{name}.json").unlink()

    only_published(folder.run())
    only_published(folder.run(lambda records: setattr(records, "final", None), study=2))
    health = folder.check()
    assert found(health) == {"ended": "warn"}
    assert told(health, "ended").startswith("mine/study_2/mnist_jax/trial_1: measurements.csv does not end with")


def test_infinite_times_do_not_raise(folder):
    folder.run(lambda records: put(records, 1, total_duration=math.inf, accumulated_eval_time=-math.inf))
    assert found(folder.check())["files"] == "fail"


def test_hyperparameters_under_self_tuning_fail(folder):
    def change(records):
        records.status.update(ruleset="self", budget_sec=90.0)
        records.flags["search_space"] = None

    folder.run(change)
    health = folder.check()
    assert found(health) == {"points-recorded": "fail"}
    assert "hparams.json in a self-tuning run" in told(health, "points-recorded")
    folder.run(lambda records: (change(records), records.flags.update(search_space=[{"rate": 1}])), study=2)
    assert "a search space under self-tuning" in told(folder.check(), "search-space")
