"""AdamW with linear warm-up and cosine decay, in PyTorch. https://arxiv.org/abs/1711.05101"""

import torch

from algoperf.blocks.batch_sizes import get_batch_size
from algoperf.blocks.data import data_selection
from algoperf.blocks.schedules import warmup_cosine_rate
from algoperf.blocks.self_tuning import ADAMW
from algoperf.blocks.torch_step import make_init_optimizer_state, train_step
from algoperf.blocks.update import make_update_params

__all__ = ["data_selection", "get_batch_size", "init_optimizer_state", "update_params"]


def make_optimizer(params, settings):
    return torch.optim.AdamW(
        params,
        betas=(1.0 - settings["one_minus_beta1"], settings["beta2"]),
        weight_decay=settings["weight_decay"],
    )


init_optimizer_state = make_init_optimizer_state(make_optimizer, ADAMW)
update_params = make_update_params(train_step, ADAMW, warmup_cosine_rate)
