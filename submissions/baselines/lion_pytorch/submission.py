"""Lion with linear warm-up and cosine decay, in PyTorch. https://arxiv.org/abs/2302.06675"""

import torch

from algoperf.blocks.batch_sizes import get_batch_size
from algoperf.blocks.data import data_selection
from algoperf.blocks.schedules import warmup_cosine_rate
from algoperf.blocks.self_tuning import LION
from algoperf.blocks.torch_rules import ListRule
from algoperf.blocks.torch_step import make_init_optimizer_state, train_step
from algoperf.blocks.update import make_update_params

__all__ = ["data_selection", "get_batch_size", "init_optimizer_state", "update_params"]


class Lion(ListRule):
    """The sign of a moving average that gives the newest gradient extra weight, and decoupled weight decay."""

    def direction(self, param, grad, group, state):
        if "m" not in state:
            state["m"] = param.map(torch.zeros_like)
        direction = state["m"].lerp(grad, 1.0 - group["beta1"]).sign_()
        state["m"].lerp_(grad, 1.0 - group["beta2"])
        return direction.add_(param, alpha=group["weight_decay"])


def make_optimizer(params, settings):
    return Lion(params, beta1=settings["beta1"], beta2=settings["beta2"], weight_decay=settings["weight_decay"])


init_optimizer_state = make_init_optimizer_state(make_optimizer, LION)
update_params = make_update_params(train_step, LION, warmup_cosine_rate)
