"""One training step in PyTorch: loss, mean gradient over the global batch, clipping, and any optimizer."""

from __future__ import annotations

from typing import Any

import torch
import torch.distributed as dist

from algoperf import spec
from algoperf.pytorch_utils import pytorch_setup

USE_PYTORCH_DDP = pytorch_setup()[0]


def train_step(
    workload: spec.Workload,
    optimizer_state: spec.OptimizerState,
    params: spec.ParameterContainer,
    model_state: spec.ModelAuxiliaryState,
    batch: dict[str, Any],
    rng: spec.RandomState,
    learning_rate: float,
    label_smoothing: float = 0.0,
    dropout_rate: float | None = None,
    grad_clip: float | None = None,
) -> tuple[spec.UpdateReturn, dict[str, torch.Tensor]]:
    """Update the model and `optimizer_state["optimizer"]` in place, at the given learning rate.

    Returns what `update_params` has to return, and loss and gradient norm (before clipping) over the global batch.
    """
    optimizer: torch.optim.Optimizer = optimizer_state["optimizer"]
    for group in optimizer.param_groups:
        group["lr"] = learning_rate
    optimizer.zero_grad()
    logits, model_state = workload.model_fn(
        params=params,
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
    grad_norm = torch.nn.utils.clip_grad_norm_(params.parameters(), grad_clip or float("inf"))
    optimizer.step()
    return (optimizer_state, params, model_state), {"loss": summed / num_valid, "grad_norm": grad_norm}
