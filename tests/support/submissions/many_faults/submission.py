"""Breaks a different rule on each tiny workload, in PyTorch."""

import torch

from algoperf import spec
from algoperf.spec import LossType

_SIZES = {"criteo1tb": 262_145, "wmt": "128"}


def get_batch_size(workload_name):
    if workload_name == "ogbg":
        raise KeyError(workload_name)
    return _SIZES.get(workload_name, 64)


def get_eval_batch_size(workload_name):
    return 8


def init_optimizer_state(workload, model_params, model_state, hyperparameters, rng):
    state = {"optimizer": torch.optim.SGD(model_params.parameters(), lr=0.01)}
    if any("out_proj" in name for name in workload.param_shapes):  # translation
        state["numbers"] = iter(range(1000))  # a checkpoint cannot hold this
    if workload.loss_type is LossType.SIGMOID_CROSS_ENTROPY:
        state["copies"] = [torch.zeros(13, param.numel()) for param in model_params.parameters()]
    return state


def data_selection(workload, input_queue, optimizer_state, params, model_state, hyperparameters, global_step, rng):
    return next(input_queue)


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
    model = current_param_container
    if loss_type is LossType.MEAN_ABSOLUTE_ERROR:
        raise NotImplementedError("no such loss")
    if "numbers" in optimizer_state:
        next(optimizer_state["numbers"])
    elif loss_type is LossType.SOFTMAX_CROSS_ENTROPY:
        model.head.half()
        return optimizer_state, model, model_state
    model.zero_grad()
    logits, _ = workload.model_fn(model, batch, model_state, spec.ForwardPassMode.TRAIN, rng, update_batch_norm=True)
    workload.loss_fn(batch["targets"], logits)["summed"].backward()
    optimizer_state["optimizer"].step()
    with torch.no_grad():
        if loss_type is LossType.SIGMOID_CROSS_ENTROPY:  # independent noise for each parameter
            for param in model.parameters():
                param.add_(torch.randn_like(param))
        if loss_type is LossType.CTC_LOSS:
            next(model.parameters()).fill_(float("nan"))
    return optimizer_state, model, model_state
