"""The rules of the timed loop: when it evaluates, what it times, how it ends."""

from __future__ import annotations

import itertools
import json

import numpy as np
import pytest

from algoperf import spec
from algoperf.errors import UserError
from algoperf.records.status import Status
from scripted import BOTH, NEVER, TEST_ONLY, VALIDATION_ONLY, run_scripted


def unchanged(kwargs):
    return kwargs["optimizer_state"], kwargs["current_param_container"], kwargs["model_state"]


def test_evaluations_come_a_period_after_the_last_one_ended(tmp_path):
    run = run_scripted(tmp_path, [NEVER], max_global_steps=35)
    assert run.evaluated_at == [10, 20, 30, 35]
    assert run.column("accumulated_submission_time") == [10, 20, 30, 35]
    assert run.column("accumulated_eval_time") == [5, 10, 15, 20]
    assert run.column("total_duration") == [15, 30, 45, 55]
    assert run.column("score") == run.column("accumulated_submission_time")
    assert run.status is Status.MAX_STEPS_REACHED


def test_every_step_selects_then_updates_and_prepares_before_an_evaluation(tmp_path):
    run = run_scripted(tmp_path, [BOTH], prepare=lambda **kwargs: unchanged(kwargs), max_global_steps=2)
    assert run.calls == ["data_selection", "update_params"] * 2 + ["prepare_for_eval"]


def test_the_first_step_is_not_followed_by_an_evaluation(tmp_path):
    run = run_scripted(tmp_path, [NEVER], step_sec=itertools.chain([25.0], itertools.repeat(1.0)), max_global_steps=5)
    assert run.evaluated_at == [2, 5]


def test_a_run_ends_when_the_budget_is_spent_without_another_evaluation(tmp_path):
    run = run_scripted(tmp_path, [NEVER], limit_changes={"max_runtime_sec": 24.5})
    assert run.status is Status.BUDGET_SPENT
    assert run.trial.state.global_step == 25
    assert run.evaluated_at == [10, 20]


def test_reaching_the_budget_exactly_spends_it(tmp_path):
    run = run_scripted(tmp_path, [NEVER], limit_changes={"max_runtime_sec": 20.0})
    assert (run.trial.state.global_step, run.evaluated_at) == (20, [10])


def test_self_tuning_has_one_and_a_half_times_the_budget(tmp_path):
    run = run_scripted(tmp_path, [NEVER], limit_changes={"max_runtime_sec": 20.0}, ruleset="self", hyperparameters=None)
    assert run.trial.state.global_step == 30


def test_preparing_is_timed_and_may_spend_the_budget(tmp_path):
    def prepare(time, **kwargs):
        time.pass_(30.0)
        return unchanged(kwargs)

    run = run_scripted(tmp_path, [NEVER], prepare=prepare, limit_changes={"max_runtime_sec": 35.0})
    assert run.status is Status.BUDGET_SPENT
    assert run.evaluated_at == []
    assert run.trial.clock.times.submission == 40.0
    assert run.trial.clock.times.prepare_for_eval == 30.0


def test_what_preparing_returns_is_evaluated_and_stays(tmp_path):
    seen = []

    def update(time, **kwargs):
        seen.append(kwargs["current_param_container"])
        return unchanged(kwargs)

    def prepare(time, **kwargs):
        return kwargs["optimizer_state"], {"weight": kwargs["current_param_container"]["weight"] + 1}, None

    run = run_scripted(tmp_path, [NEVER], update=update, prepare=prepare, max_global_steps=21)
    assert run.workload.evaluated_params == [{"weight": 1}, {"weight": 2}, {"weight": 3}]
    assert (seen[9], seen[10], seen[20]) == ({"weight": 0}, {"weight": 1}, {"weight": 2})


@pytest.mark.parametrize("script", [[VALIDATION_ONLY, NEVER, TEST_ONLY], [TEST_ONLY, NEVER, VALIDATION_ONLY]])
def test_goals_may_be_reached_at_different_evaluations(tmp_path, script):
    run = run_scripted(tmp_path, script)
    assert run.status is Status.TARGET_REACHED
    assert run.evaluated_at == [10, 20, 30]


def test_the_time_to_target_is_that_of_the_validation_target(tmp_path):
    run = run_scripted(tmp_path, [NEVER, VALIDATION_ONLY, BOTH])
    assert run.trial.state.target_reached_at == {"global_step": 20, "submission_sec": 20.0}


def test_a_value_equal_to_the_target_reaches_it(tmp_path):
    equal = {"validation/accuracy": 0.9, "test/accuracy": 0.9}
    assert run_scripted(tmp_path, [equal]).status is Status.TARGET_REACHED


def test_training_complete_counts_as_a_step_and_gets_one_evaluation(tmp_path):
    def update(time, **kwargs):
        raise spec.TrainingCompleteError

    run = run_scripted(tmp_path, [NEVER], update=update)
    assert run.status is Status.TRAINING_COMPLETE
    assert run.evaluated_at == [1]
    assert run.column("score") == [1.0]


def test_training_complete_outside_of_update_is_an_error(tmp_path):
    def prepare(time, **kwargs):
        raise spec.TrainingCompleteError

    assert run_scripted(tmp_path, [NEVER], prepare=prepare).status is Status.SUBMISSION_ERROR


def test_running_out_of_memory_once_in_an_evaluation_is_met_by_a_second_attempt(tmp_path):
    run = run_scripted(tmp_path, [MemoryError(), BOTH])
    assert run.status is Status.TARGET_REACHED
    assert run.evaluated_at == [10]
    assert run.column("accumulated_submission_time") == [10]
    assert run.backend.released == 2


def test_an_evaluation_that_always_runs_out_of_memory_ends_the_trial(tmp_path):
    run = run_scripted(tmp_path, [MemoryError("device full")])
    assert run.status is Status.EVALUATION_ERROR
    assert run.status.exit_code != 0
    status = json.loads((run.trial.settings.directory / "status.json").read_text())
    assert "attempt 2: MemoryError: device full" in status["message"]


def test_any_other_error_in_an_evaluation_ends_the_trial_at_once(tmp_path):
    assert run_scripted(tmp_path, [ValueError("shape")]).backend.released == 1


def test_nan_on_the_validation_split_ends_the_trial(tmp_path):
    run = run_scripted(tmp_path, [NEVER, {**NEVER, "validation/loss": float("nan")}])
    assert run.status is Status.NAN
    assert run.evaluated_at == [10, 20]


def test_nan_on_other_splits_does_not_end_the_trial(tmp_path):
    run = run_scripted(tmp_path, [{**NEVER, "train/loss": float("nan")}], max_global_steps=20)
    assert run.evaluated_at == [10, 20]


def test_without_evaluations_the_budget_still_holds(tmp_path):
    run = run_scripted(tmp_path, [NEVER], skip_evals=True, limit_changes={"max_runtime_sec": 12.0})
    assert run.status is Status.BUDGET_SPENT
    assert run.evaluated_at == []
    assert run.trial.state.global_step == 12


def test_evaluations_by_steps(tmp_path):
    run = run_scripted(tmp_path, [NEVER], eval_every_steps=4, max_global_steps=10)
    assert run.evaluated_at == [4, 8, 10]


def test_train_state_shows_the_end_of_the_previous_step_and_cannot_be_written(tmp_path):
    seen = []

    def update(time, train_state, **kwargs):
        seen.append(dict(train_state))
        with pytest.raises(TypeError):
            train_state["training_complete"] = True
        return unchanged(kwargs)

    run_scripted(tmp_path, [VALIDATION_ONLY], update=update, max_global_steps=12)
    assert [state["accumulated_submission_time"] for state in seen] == list(range(12))
    assert seen[9]["validation_goal_reached"] is False
    assert seen[9]["last_eval_time"] == 0
    assert seen[10]["validation_goal_reached"] is True
    assert seen[10]["last_eval_time"] > 0
    assert seen[10]["accumulated_eval_time"] == 5.0
    assert set(seen[0]) == {
        "validation_goal_reached", "test_goal_reached", "is_time_remaining", "last_eval_time", "training_complete",
        "accumulated_submission_time", "accumulated_eval_time", "accumulated_logging_time", "last_step_end_time",
    }  # fmt: skip


def test_submissions_see_copies_of_evaluations_without_the_test_split(tmp_path):
    seen = []

    def update(time, eval_results, **kwargs):
        seen.append([step for step, _ in eval_results])
        for _, metrics in eval_results:
            assert "validation/accuracy" in metrics
            assert not [name for name in metrics if name.startswith("test/")]
            metrics["validation/accuracy"] = 1.0  # tampering
        return unchanged(kwargs)

    run = run_scripted(tmp_path, [NEVER], update=update, max_global_steps=20)
    assert seen[9:11] == [[], [10]]
    assert run.column("validation/accuracy") == [0.0, 0.0]
    assert run.status is Status.MAX_STEPS_REACHED


def test_parts_of_submission_time_are_told_apart(tmp_path):
    def prepare(time, **kwargs):
        time.pass_(2.0)
        return unchanged(kwargs)

    steps = itertools.chain([7.0], itertools.repeat(1.0))
    times = run_scripted(tmp_path, [NEVER], step_sec=steps, prepare=prepare, max_global_steps=10).trial.clock.times
    assert (times.first_step, times.update, times.data_wait) == (7.0, 16.0, 0.0)
    assert times.prepare_for_eval == 4.0
    assert times.submission == times.update + times.data_wait + times.prepare_for_eval
    assert times.evaluation == 10.0
    assert times.total == 30.0


def test_the_devices_are_waited_for_at_evaluations_only(tmp_path):
    run = run_scripted(tmp_path, [NEVER], max_global_steps=30)
    assert run.backend.waits == 1 + len(run.evaluated_at)  # once before the clock starts


def test_batch_sizes_are_asked_for_again_by_base_name():
    from scripted import Submission

    asked = []

    def get_batch_size(name):
        asked.append(name)
        if name != "imagenet_resnet":
            raise ValueError(name)
        return 1024

    submission = Submission(None, "s", *[None] * 4, get_batch_size, False)
    assert submission.batch_size("imagenet_resnet_silu", ("criteo1tb", "imagenet_resnet"), 8) == 1024
    assert asked == ["imagenet_resnet_silu", "imagenet_resnet"]


@pytest.mark.parametrize("size", [np.int64(128), np.int32(128), np.array(128)])
def test_integers_of_numpy_are_integers(size):
    from scripted import Submission

    found = Submission(None, "s", *[None] * 4, lambda name: size, False).batch_size("digits", (), 8, 1197)
    assert (found, type(found)) == (128, int)


def test_batches_are_cut_where_a_scale_has_a_largest_size():
    from scripted import Submission

    submission = Submission(None, "s", *[None] * 4, lambda name: 262_144, False)
    assert submission.batch_size("criteo1tb", (), 8, 200_000, 2_048) == 2_048
    assert submission.batch_size("criteo1tb", (), 8, 10**9, None) == 262_144
    with pytest.raises(UserError, match="among 3 devices"):
        submission.batch_size("criteo1tb", (), 3, 200_000, 2_048)


@pytest.mark.parametrize(
    ("size", "complaint"),
    [
        (10, "among 8 devices"),
        *((size, "Allowed: a positive integer") for size in (0, -8, "8", 8.0, True, np.True_, None, np.array([8]))),
        *((size, "at most 1197, the number of training examples") for size in (1200, 10**7, 10**12, np.int64(10**12))),
    ],
)
def test_impossible_batch_sizes_are_refused(size, complaint):
    from scripted import Submission

    submission = Submission(None, "s", *[None] * 4, lambda name: size, False)
    with pytest.raises(UserError, match=complaint):
        submission.batch_size("digits", (), 8, 1197)


def test_a_finished_trial_leaves_the_final_time_as_its_last_row(tmp_path):
    run = run_scripted(tmp_path, [NEVER], max_global_steps=12)
    last = (run.trial.settings.directory / "measurements.csv").read_text().splitlines()[-1]
    assert "12.0" in last
