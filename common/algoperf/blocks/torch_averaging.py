"""Evaluate parameters other than those in training, such as averages of them, in PyTorch.

`prepare_for_eval` stores the training parameters in the optimizer state, and loads those to evaluate, which the
optimizer provides, into the model. The next training step continues from the stored ones.
"""

from __future__ import annotations

from typing import Any

import torch

from algoperf import spec
from algoperf.blocks import torch_step

ASIDE = "aside"


def train_step(
    workload: spec.Workload,
    optimizer_state: spec.OptimizerState,
    params: spec.ParameterContainer,
    *arguments: Any,
    **options: Any,
) -> tuple[spec.UpdateReturn, dict[str, torch.Tensor]]:
    """Like `torch_step.train_step`, but starts from the stored training parameters, if any."""
    if ASIDE in optimizer_state:
        torch_step.put(params, optimizer_state.pop(ASIDE))
    return torch_step.train_step(workload, optimizer_state, params, *arguments, **options)


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
    """Load `optimizer_state["optimizer"].evaluation_params()`, which are in the model's order, into the model."""
    del workload, current_params_types, hyperparameters, loss_type, eval_results, global_step, rng
    params = current_param_container
    if ASIDE not in optimizer_state:
        optimizer_state[ASIDE] = torch_step.values_of(params)
        torch_step.put(params, optimizer_state["optimizer"].evaluation_params())
    return optimizer_state, params, model_state
