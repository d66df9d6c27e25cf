"""LAMB with linear warm-up and cosine decay, in PyTorch. https://arxiv.org/abs/1904.00962"""

import torch

from algoperf.blocks.batch_sizes import get_batch_size
from algoperf.blocks.data import data_selection
from algoperf.blocks.schedules import warmup_cosine_rate
from algoperf.blocks.self_tuning import LAMB
from algoperf.blocks.torch_rules import ListRule, adam_direction
from algoperf.blocks.torch_step import make_init_optimizer_state, train_step
from algoperf.blocks.update import make_update_params

__all__ = ["data_selection", "get_batch_size", "init_optimizer_state", "update_params"]


class Lamb(ListRule):
    """AdamW's direction, including weight decay, scaled to the norm of the parameter, per tensor."""

    def direction(self, param, grad, group, state):
        direction = adam_direction(grad, group, state).add_(param, alpha=group["weight_decay"])
        ratios = param.norm().stack() / direction.norm().stack()
        # Do not scale if a norm is 0, such as that of a bias at the start. Decided on the device.
        return direction.mul_(torch.where((ratios > 0) & ratios.isfinite(), ratios, 1.0).unbind())


def make_optimizer(params, settings):
    return Lamb(
        params,
        beta1=1.0 - settings["one_minus_beta1"],
        beta2=settings["beta2"],
        epsilon=1e-8,
        weight_decay=settings["weight_decay"],
    )


init_optimizer_state = make_init_optimizer_state(make_optimizer, LAMB)
update_params = make_update_params(train_step, LAMB, warmup_cosine_rate)
