"""Keeps its momentum out of the state that is saved."""

import honest
import torch
from honest import data_selection, get_batch_size

__all__ = ["data_selection", "get_batch_size", "init_optimizer_state", "update_params"]

momentum = {}


def init_optimizer_state(workload, model_params, model_state, hyperparameters, rng):
    return {"optimizer": torch.optim.SGD(model_params.parameters(), lr=0.05)}


def update_params(workload, global_step, **arguments):
    for param in arguments["current_param_container"].parameters():
        if param in momentum:
            param.data.sub_(0.05 * momentum[param])
        momentum[param] = param.detach().clone()
    return honest.update_params(workload=workload, global_step=global_step, **arguments)
