"""The `update_params` of submissions that make one training step per call, on a schedule over the step hint."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from algoperf import spec
from algoperf.blocks.logging import log_metrics
from algoperf.blocks.schedules import LearningRate
from algoperf.blocks.self_tuning import settings_of


def make_update_params(
    train_step: Callable[..., tuple[spec.UpdateReturn, dict[str, Any]]],
    self_tuning: Mapping[str, Any],
    learning_rate: LearningRate,
) -> spec.UpdateParamsFn:
    """Make an `update_params` out of a training step (`jax_step.train_step` or `torch_step.train_step`).

    Settings are those of the trial, or `self_tuning`; they must have `label_smoothing` and `dropout_rate`, and may
    have `grad_clip`.
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
        updated, metrics = train_step(
            workload, optimizer_state, current_param_container, model_state, batch, rng,
            learning_rate(settings, global_step, workload.step_hint),
            settings["label_smoothing"], settings["dropout_rate"], settings.get("grad_clip"),
        )  # fmt: skip
        log_metrics(workload, global_step, **metrics)
        return updated

    return update_params
