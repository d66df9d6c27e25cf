# SPDX-License-Identifier: Apache-2.0
"""Template: AdamW with linear warm-up and cosine decay, in PyTorch.

It runs as it is: change what you like. The harness calls the functions of this file; their names and arguments are
fixed. What they may look at, and what they must not do, is in the rules. Everything from `algoperf.blocks` may be
replaced by code of your own.
"""

from __future__ import annotations

from typing import Any

import torch

from algoperf import spec
from algoperf.blocks.batch_sizes import get_batch_size
from algoperf.blocks.data import data_selection
from algoperf.blocks.logging import log_metrics
from algoperf.blocks.schedules import warmup_cosine
from algoperf.blocks.self_tuning import settings_of
from algoperf.blocks.torch_step import train_step

__all__ = ["data_selection", "get_batch_size", "init_optimizer_state", "prepare_for_eval", "update_params"]

# Under external tuning the harness takes hyperparameters from tuning_search_space.json. These hold if the submission
# is run under self-tuning.
SETTINGS = {
    "learning_rate": 3e-3,
    "weight_decay": 1e-2,
    "warmup_factor": 0.05,  # of the workload's step hint
    "dropout_rate": 0.0,
    "label_smoothing": 0.1,
}


def init_optimizer_state(
    workload: spec.Workload,
    model_params: spec.ParameterContainer,
    model_state: spec.ModelAuxiliaryState,
    hyperparameters: spec.Hyperparameters,
    rng: spec.RandomState,
) -> spec.OptimizerState:
    """Whatever is to be kept between steps: a dict of objects with `state_dict`. Not timed."""
    del workload, model_state, rng
    decay = settings_of(hyperparameters, SETTINGS)["weight_decay"]
    return {"optimizer": torch.optim.AdamW(model_params.parameters(), weight_decay=decay)}


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
    """One step, on the clock. Returns (optimizer state, parameters, model state).

    Raise `spec.TrainingCompleteError` to end training early. An argument `train_state: Mapping[str, Any]` may be
    added: a read-only view of clocks and goals.
    """
    del current_params_types, loss_type, eval_results
    settings = settings_of(hyperparameters, SETTINGS)
    warmup_steps = int(settings["warmup_factor"] * workload.step_hint)
    updated, metrics = train_step(
        workload,
        optimizer_state,
        current_param_container,
        model_state,
        batch,
        rng,
        learning_rate=warmup_cosine(global_step, settings["learning_rate"], warmup_steps, workload.step_hint),
        label_smoothing=settings["label_smoothing"],
        dropout_rate=settings["dropout_rate"],
    )
    log_metrics(workload, global_step, **metrics)
    return updated


def prepare_for_eval(
    workload: spec.Workload,
    current_param_container: spec.ParameterContainer,
    current_params_types: spec.ParameterTypeTree,
    model_state: spec.ModelAuxiliaryState,
    hyperparameters: spec.Hyperparameters,
    loss_type: spec.LossType,
    optimizer_state: spec.OptimizerState,
    eval_results: list[tuple[int, dict[str, float]]],
    global_step: int,
    rng: spec.RandomState,
) -> spec.UpdateReturn:
    """Optional: called before every evaluation, on the clock. What it returns stays (averaged weights, say)."""
    del workload, current_params_types, hyperparameters, loss_type, eval_results, global_step, rng
    return optimizer_state, current_param_container, model_state
