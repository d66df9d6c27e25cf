"""SGD with Nesterov momentum, linear warm-up and linear decay, in PyTorch.

d = g + weight_decay * p; m = mu * m + d; p -= learning_rate * (d + mu * m), with mu = 1 - one_minus_beta1.
"""

import torch

from algoperf.blocks.batch_sizes import get_batch_size
from algoperf.blocks.data import data_selection
from algoperf.blocks.schedules import warmup_linear_rate
from algoperf.blocks.self_tuning import NESTEROV
from algoperf.blocks.torch_step import make_init_optimizer_state, train_step
from algoperf.blocks.update import make_update_params

__all__ = ["data_selection", "get_batch_size", "init_optimizer_state", "update_params"]


def make_optimizer(params, settings):
    return torch.optim.SGD(
        params,
        momentum=1.0 - settings["one_minus_beta1"],
        nesterov=True,
        weight_decay=settings["weight_decay"],
    )


init_optimizer_state = make_init_optimizer_state(make_optimizer, NESTEROV)
update_params = make_update_params(train_step, NESTEROV, warmup_linear_rate)
