"""One training step in PyTorch: loss, mean gradient over the global batch, clipping, and any optimizer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
import torch.distributed as dist

from algoperf import spec
from algoperf.blocks.logging import log_metrics
from algoperf.blocks.schedules import LearningRate
from algoperf.blocks.self_tuning import settings_of
from algoperf.pytorch_utils import pytorch_setup

USE_PYTORCH_DDP = pytorch_setup()[0]


def make_update_params(self_tuning: Mapping[str, Any], learning_rate: LearningRate) -> spec.UpdateParamsFn:
    """The `update_params` of a submission whose optimizer state is `{"optimizer": ...}`, with a schedule.

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
        model_state, metrics = train_step(
            workload, optimizer_state["optimizer"], current_param_container, model_state, batch, rng,
            learning_rate(settings, global_step, workload.step_hint),
            settings["label_smoothing"], settings["dropout_rate"], settings.get("grad_clip"),
        )  # fmt: skip
        log_metrics(workload, global_step, **metrics)
        return optimizer_state, current_param_container, model_state

    return update_params


def train_step(
    workload: spec.Workload,
    optimizer: torch.optim.Optimizer,
    model: torch.nn.Module,
    model_state: spec.ModelAuxiliaryState,
    batch: dict[str, Any],
    rng: spec.RandomState,
    learning_rate: float,
    label_smoothing: float = 0.0,
    dropout_rate: float | None = None,
    grad_clip: float | None = None,
) -> tuple[spec.ModelAuxiliaryState, dict[str, torch.Tensor]]:
    """Update model and optimizer in place, at the given learning rate.

    Returns the model state, and the loss and gradient norm (before clipping) of the global batch.
    """
    for group in optimizer.param_groups:
        group["lr"] = learning_rate
    optimizer.zero_grad()
    logits, model_state = workload.model_fn(
        params=model,
        augmented_and_preprocessed_input_batch=batch,
        model_state=model_state,
        mode=spec.ForwardPassMode.TRAIN,
        rng=rng,
        update_batch_norm=True,
        dropout_rate=dropout_rate,
    )
    loss = workload.loss_fn(batch["targets"], logits, batch.get("weights"), label_smoothing)
    totals = torch.stack([loss["summed"].detach(), loss["n_valid_examples"].to(loss["summed"].dtype)])
    num_processes = 1
    if USE_PYTORCH_DDP:
        dist.all_reduce(totals)
        num_processes = dist.get_world_size()
    summed, num_valid = totals
    # DDP averages gradients over the processes; the factor makes that the mean over the global batch.
    (loss["summed"] * (num_processes / num_valid)).backward()
    # Without a limit this only measures the norm.
    grad_norm = torch.nn.utils.clip_grad_norm_(model.parameters(), grad_clip or float("inf"))
    optimizer.step()
    return model_state, {"loss": summed / num_valid, "grad_norm": grad_norm}
