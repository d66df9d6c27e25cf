"""One training step in PyTorch: loss, mean gradient over the global batch, clipping, and any optimizer."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
import torch.distributed as dist

from algoperf import spec
from algoperf.blocks.self_tuning import settings_of
from algoperf.blocks.torch_lists import Tensors, gradients, lists_of
from algoperf.pytorch_utils import pytorch_setup

USE_PYTORCH_DDP = pytorch_setup()[0]


def make_init_optimizer_state(
    make_optimizer: Callable[[Iterable[torch.nn.Parameter], Mapping[str, Any]], torch.optim.Optimizer],
    self_tuning: Mapping[str, Any],
) -> spec.InitOptimizerFn:
    """Make the `init_optimizer_state` of a submission from a function of parameters and settings to an optimizer."""

    def init_optimizer_state(
        workload: spec.Workload,
        model_params: spec.ParameterContainer,
        model_state: spec.ModelAuxiliaryState,
        hyperparameters: spec.Hyperparameters,
        rng: spec.RandomState,
    ) -> spec.OptimizerState:
        del workload, model_state, rng
        return {"optimizer": make_optimizer(model_params.parameters(), settings_of(hyperparameters, self_tuning))}

    return init_optimizer_state


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
    rho: float | None = None,
    scheduled: Mapping[str, float] | None = None,
    measure_norm: bool = True,
) -> tuple[spec.UpdateReturn, dict[str, torch.Tensor]]:
    """Update the model and `optimizer_state["optimizer"]` in place.

    Args:
      workload, optimizer_state, params, model_state, batch, rng: as for `update_params`.
      learning_rate: of this step, for all parameter groups.
      label_smoothing: for `loss_fn`.
      dropout_rate: for `model_fn`; None means the workload's default.
      grad_clip: maximum global gradient norm: the gradient is scaled by min(1, grad_clip / (norm + 1e-6)).
      rho: take the gradient at params + rho * gradient / norm (sharpness-aware minimisation, arXiv:2010.01412). The
        second pass draws new dropout masks, and does not update batch statistics.
      scheduled: further values of this step for all parameter groups.
      measure_norm: whether to return the gradient norm even if the step does not need it.

    Returns:
      The return value for `update_params`, and the loss and gradient norm over the global batch at the given
      parameters, before clipping. The norm is left out if nothing asked for it.
    """
    optimizer: torch.optim.Optimizer = optimizer_state["optimizer"]
    for group in optimizer.param_groups:
        group.update(scheduled or {}, lr=learning_rate)

    def backward(update_batch_norm: bool) -> tuple[torch.Tensor, Any]:
        optimizer.zero_grad()
        logits, new_model_state = workload.model_fn(
            params=params,
            augmented_and_preprocessed_input_batch=batch,
            model_state=model_state,
            mode=spec.ForwardPassMode.TRAIN,
            rng=rng,
            update_batch_norm=update_batch_norm,
            dropout_rate=dropout_rate,
        )
        loss = workload.loss_fn(batch["targets"], logits, batch.get("weights"), label_smoothing)
        return _backward_of_mean(loss), new_model_state

    loss, new_model_state = backward(update_batch_norm=True)
    metrics = {"loss": loss}
    if measure_norm or rho is not None or grad_clip is not None:
        metrics["grad_norm"] = _norm(params)
    if rho is not None:
        trained = _ascend(params, rho, metrics["grad_norm"])
        backward(update_batch_norm=False)
        put(params, trained)
    if grad_clip is not None:
        _clip(params, grad_clip, metrics["grad_norm"] if rho is None else _norm(params))
    optimizer.step()
    return (optimizer_state, params, new_model_state), metrics


def _backward_of_mean(loss: dict[str, torch.Tensor]) -> torch.Tensor:
    """Set the gradients of the parameters to that of the mean loss over the global batch, and return the mean."""
    totals = torch.stack([loss["summed"].detach(), loss["n_valid_examples"].to(loss["summed"].dtype)])
    num_processes = 1
    if USE_PYTORCH_DDP:
        dist.all_reduce(totals)
        num_processes = dist.get_world_size()
    summed, num_valid = totals
    # DDP averages gradients over the processes; the factor turns that into the mean over the global batch.
    (loss["summed"] * (num_processes / num_valid)).backward()
    return summed / num_valid


def _norm(params: torch.nn.Module) -> torch.Tensor:
    """The norm of the gradient over all parameters."""
    return torch.nn.utils.get_total_norm([param.grad for param in params.parameters() if param.grad is not None])


def _clip(params: torch.nn.Module, limit: float, grad_norm: torch.Tensor) -> None:
    """Scale a gradient of norm `grad_norm` to at most norm `limit`."""
    torch.nn.utils.clip_grads_with_norm_(params.parameters(), limit, grad_norm)


@torch.no_grad()
def _ascend(params: torch.nn.Module, rho: float, grad_norm: torch.Tensor) -> list[torch.Tensor]:
    """Move the parameters by `rho` along their gradient, and return their old values."""
    before = values_of(params)
    distance = rho / torch.where(grad_norm > 0, grad_norm, 1.0)
    for some in lists_of(param for param in params.parameters() if param.grad is not None):
        some.add_(gradients(some) * distance)
    return before


def values_of(params: torch.nn.Module) -> list[torch.Tensor]:
    """Copies of a model's parameters."""
    return [param.detach().clone() for param in params.parameters()]


@torch.no_grad()
def put(params: torch.nn.Module, values: Iterable[torch.Tensor]) -> None:
    """Set a model's parameters, in their order, to the given values."""
    Tensors(params.parameters()).copy_(Tensors(values))
