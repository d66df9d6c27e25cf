"""Every kind of state that a PyTorch submission may keep; all of it affects training.

Momentum, two schedulers in sequence, slow weights as an attribute of the optimizer, an averaged model, its own
generators and the global ones. Steps are slow, so that there is time to kill it.
"""

import random
import time

import numpy as np
import torch
from torch.optim.lr_scheduler import ExponentialLR, LambdaLR, SequentialLR

from algoperf import spec


def get_batch_size(workload_name):
    del workload_name
    return 64


def init_optimizer_state(workload, model_params, model_state, hyperparameters, rng):
    del workload, model_state, hyperparameters, rng
    optimizer = torch.optim.SGD(model_params.parameters(), 0.002, momentum=0.9, nesterov=True)
    warmup = LambdaLR(optimizer, lambda step: min(1.0, (step + 1) / 10))
    optimizer.slow = list(model_params.parameters())  # the model's parameters until there are slow ones
    return {
        "optimizer": optimizer,
        "scheduler": SequentialLR(optimizer, [warmup, ExponentialLR(optimizer, 0.99)], [20]),
        "noise": torch.Generator().manual_seed(5),
        "numpy": np.random.default_rng(1),
        "history": [],
    }


def update_params(
    workload,
    current_param_container,
    current_params_types,
    model_state,
    hyperparameters,
    batch,
    loss_type,
    optimizer_state,
    eval_results,
    global_step,
    rng,
):
    del current_params_types, hyperparameters, loss_type
    time.sleep(0.015)
    optimizer = optimizer_state["optimizer"]
    optimizer.zero_grad()
    logits, _ = workload.model_fn(
        current_param_container, batch, model_state, spec.ForwardPassMode.TRAIN, rng, True, dropout_rate=0.2
    )
    workload.loss_fn(batch["targets"], logits, batch.get("weights"))["summed"].div(len(logits)).backward()
    drawn = random.random() + np.random.random() + optimizer_state["numpy"].random() + len(eval_results)
    for param in current_param_container.parameters():
        draws = torch.randn(param.shape, generator=optimizer_state["noise"])
        param.grad.add_(draws, alpha=0.001 * drawn)
    optimizer.step()
    optimizer_state["scheduler"].step()
    if global_step % 7 == 6:
        optimizer.slow = [param.detach().clone() for param in optimizer.param_groups[0]["params"]]
        optimizer_state["history"].append(optimizer_state["scheduler"].get_last_lr()[0])
    return optimizer_state, current_param_container, model_state


def prepare_for_eval(
    workload,
    current_param_container,
    current_params_types,
    model_state,
    hyperparameters,
    loss_type,
    optimizer_state,
    eval_results,
    global_step,
    rng,
):
    """Go halfway back to the slow weights. Training continues from the evaluated parameters."""
    del workload, current_params_types, hyperparameters, loss_type, eval_results, global_step, rng
    with torch.no_grad():
        for param, slow in zip(current_param_container.parameters(), optimizer_state["optimizer"].slow, strict=True):
            param.lerp_(slow, 0.5)
    return optimizer_state, current_param_container, model_state


def data_selection(
    workload,
    input_queue,
    optimizer_state,
    current_param_container,
    model_state,
    hyperparameters,
    global_step,
    rng,
):
    del workload, optimizer_state, current_param_container, model_state, hyperparameters, rng
    if global_step % 5 == 0:
        next(input_queue)  # the numbers of steps and batches may differ
    return next(input_queue)
