"""SGD with heavy-ball momentum, linear warm-up and linear decay, in PyTorch.

d = g + weight_decay * p; m = (1 - one_minus_beta1) * m + d; p -= learning_rate * m.
"""

import torch

from algoperf.blocks.batch_sizes import get_batch_size
from algoperf.blocks.data import data_selection
from algoperf.blocks.schedules import warmup_linear_rate
from algoperf.blocks.self_tuning import MOMENTUM, settings_of
from algoperf.blocks.torch_step import train_step
from algoperf.blocks.update import make_update_params

__all__ = ["data_selection", "get_batch_size", "init_optimizer_state", "update_params"]


def init_optimizer_state(workload, model_params, model_state, hyperparameters, rng):
    del workload, model_state, rng
    settings = settings_of(hyperparameters, MOMENTUM)
    optimizer = torch.optim.SGD(
        model_params.parameters(),
        lr=0.0,  # set by the schedule at every step
        momentum=1.0 - settings["one_minus_beta1"],
        weight_decay=settings["weight_decay"],
    )
    return {"optimizer": optimizer}


update_params = make_update_params(train_step, MOMENTUM, warmup_linear_rate)
