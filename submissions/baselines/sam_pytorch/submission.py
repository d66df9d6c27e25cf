"""Sharpness-aware minimisation around AdamW, linear warm-up and cosine decay, in PyTorch.

The gradient is computed at a distance `rho` along the gradient, so a step takes two passes.
https://arxiv.org/abs/2010.01412
"""

import torch

from algoperf.blocks.batch_sizes import get_batch_size
from algoperf.blocks.data import data_selection
from algoperf.blocks.schedules import warmup_cosine_rate
from algoperf.blocks.self_tuning import SAM
from algoperf.blocks.torch_step import make_init_optimizer_state, train_step
from algoperf.blocks.update import make_update_params

__all__ = ["data_selection", "get_batch_size", "init_optimizer_state", "update_params"]


def make_optimizer(params, settings):
    return torch.optim.AdamW(
        params,
        betas=(1.0 - settings["one_minus_beta1"], settings["beta2"]),
        weight_decay=settings["weight_decay"],
    )


init_optimizer_state = make_init_optimizer_state(make_optimizer, SAM)
update_params = make_update_params(train_step, SAM, warmup_cosine_rate)
