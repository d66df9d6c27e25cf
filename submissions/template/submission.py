"""A submission to start from: AdamW at a constant rate, in PyTorch. It runs as it is.

    make train SUBMISSION=submissions/template FRAMEWORK=pytorch WORKLOADS=digits RULESET=external

The harness calls the functions of this file; their names and arguments are fixed. What they may look at, and
what they must not do, is in the rules. `submissions/baselines/nadamw_jax` is a submission in JAX.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
import torch.distributed as dist

from algoperf import spec
from algoperf.pytorch_utils import pytorch_setup

USE_PYTORCH_DDP = pytorch_setup()[0]  # several processes, one per GPU?

# Under the self-tuning ruleset `hyperparameters` is None and these hold. Under external tuning they come from
# tuning_search_space.json, as a namedtuple.
SELF_TUNING = {"learning_rate": 3e-3, "weight_decay": 1e-2, "dropout_rate": 0.0}


def get_batch_size(workload_name: str) -> int:
    """Examples per step, over all devices. The one place where a workload's name may be looked at.

    ValueError for an unknown variant: the harness asks again by the name of its base workload.
    """
    sizes = {"digits": 128, "mnist": 128}
    if workload_name not in sizes:
        raise ValueError(f"No batch size for {workload_name!r}; add one to {__file__}.")
    return sizes[workload_name]


def _settings(hyperparameters: spec.Hyperparameters) -> dict[str, Any]:
    return SELF_TUNING if hyperparameters is None else hyperparameters._asdict()


def init_optimizer_state(
    workload: spec.Workload,
    model_params: spec.ParameterContainer,
    model_state: spec.ModelAuxiliaryState,
    hyperparameters: spec.Hyperparameters,
    rng: spec.RandomState,
) -> spec.OptimizerState:
    """Whatever is to be kept between steps: in PyTorch a dict of objects with `state_dict`. Not timed."""
    del workload, model_state, rng
    settings = _settings(hyperparameters)
    optimizer = torch.optim.AdamW(
        model_params.parameters(), lr=settings["learning_rate"], weight_decay=settings["weight_decay"]
    )
    return {"optimizer": optimizer}


def update_params(
    workload: spec.Workload,
    current_param_container: spec.ParameterContainer,
    current_params_types: spec.ParameterTypeTree,
    model_state: spec.ModelAuxiliaryState,
    hyperparameters: spec.Hyperparameters,
    batch: dict[str, spec.Tensor],
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
    optimizer = optimizer_state["optimizer"]
    optimizer.zero_grad()
    logits, model_state = workload.model_fn(
        params=current_param_container,
        augmented_and_preprocessed_input_batch=batch,
        model_state=model_state,
        mode=spec.ForwardPassMode.TRAIN,
        rng=rng,
        update_batch_norm=True,
        dropout_rate=_settings(hyperparameters)["dropout_rate"],
    )
    # Batches may come with a mask; rows with weight 0 are padding.
    loss = workload.loss_fn(label_batch=batch["targets"], logits_batch=logits, mask_batch=batch.get("weights"))
    num_valid, num_processes = loss["n_valid_examples"].clone(), 1
    if USE_PYTORCH_DDP:  # DDP averages gradients over processes; the mean must be over all valid examples
        dist.all_reduce(num_valid)
        num_processes = dist.get_world_size()
    mean_loss = loss["summed"] * num_processes / num_valid
    mean_loss.backward()
    optimizer.step()
    if workload.metrics_logger is not None and global_step % 100 == 0:
        workload.metrics_logger.append_scalar_metrics({"loss": mean_loss.item()}, global_step)
    return optimizer_state, current_param_container, model_state


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


def data_selection(
    workload: spec.Workload,
    input_queue: Iterator[dict[str, spec.Tensor]],
    optimizer_state: spec.OptimizerState,
    current_param_container: spec.ParameterContainer,
    model_state: spec.ModelAuxiliaryState,
    hyperparameters: spec.Hyperparameters,
    global_step: int,
    rng: spec.RandomState,
) -> dict[str, spec.Tensor]:
    """Which batch to train on: the next one, or whatever you make of several."""
    del workload, optimizer_state, current_param_container, model_state, hyperparameters, global_step, rng
    return next(input_queue)
