"""The `update_params` of submissions that do one training step per call, with schedules over the step hint."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from algoperf import spec
from algoperf.blocks.logging import is_logged, log_metrics
from algoperf.blocks.schedules import LearningRate
from algoperf.blocks.self_tuning import settings_of

# Settings that are passed to the training step, if the submission has them.
STEP_SETTINGS = ("label_smoothing", "dropout_rate", "grad_clip", "rho")


def make_update_params(
    train_step: Callable[..., tuple[spec.UpdateReturn, dict[str, Any]]],
    self_tuning: Mapping[str, Any],
    learning_rate: LearningRate,
    scheduled: Callable[[Mapping[str, Any], int], Mapping[str, float]] | None = None,
) -> spec.UpdateParamsFn:
    """Make an `update_params` from a training step: `train_step` of `jax_step`, `torch_step` or an averaging module.

    Args:
      train_step: does one update.
      self_tuning: the settings if the trial has none. Those in `STEP_SETTINGS` are passed to the training step.
      learning_rate: a function of settings, step and horizon; the horizon is the workload's step hint.
      scheduled: functions of settings and step for other hyperparameters that change, by name.
    """

    def update_params(
        workload: spec.Workload,
        current_param_container: spec.ParameterContainer,
        current_params_types: spec.ParameterTypeTree,
        model_state: spec.ModelAuxiliaryState,
        hyperparameters: spec.Hyperparameters,
        batch: dict[str, Any],
        loss_type: spec.LossType,
        optimizer_state: spec.OptimizerState,
        eval_results: list[tuple[int, dict[str, float]]],
        global_step: int,
        rng: spec.RandomState,
    ) -> spec.UpdateReturn:
        del current_params_types, loss_type, eval_results
        settings = settings_of(hyperparameters, self_tuning)
        options = {name: settings[name] for name in STEP_SETTINGS if name in settings}
        options["measure_norm"] = is_logged(workload, global_step)
        if scheduled is not None:
            options["scheduled"] = scheduled(settings, global_step)
        updated, metrics = train_step(
            workload, optimizer_state, current_param_container, model_state, batch, rng,
            learning_rate(settings, global_step, workload.step_hint), **options,
        )  # fmt: skip
        log_metrics(workload, global_step, **metrics)
        return updated

    return update_params
