"""Schedule-Free AdamW in PyTorch: averaging instead of a decay of the learning rate. https://arxiv.org/abs/2405.15682

The rule of the second published submission. Gradients are taken at y, between the average x and the fast iterate z;
evaluations are at x. Batch statistics are those at y. `schedulefree.AdamWScheduleFree` scales the weight decay
differently.
"""

import math

import torch

from algoperf.blocks.batch_sizes import get_batch_size
from algoperf.blocks.data import data_selection
from algoperf.blocks.schedules import warmup_constant_rate
from algoperf.blocks.self_tuning import SCHEDULE_FREE_ADAMW
from algoperf.blocks.torch_averaging import prepare_for_eval, train_step
from algoperf.blocks.torch_rules import ListRule, average
from algoperf.blocks.torch_step import make_init_optimizer_state
from algoperf.blocks.update import make_update_params

__all__ = ["data_selection", "get_batch_size", "init_optimizer_state", "prepare_for_eval", "update_params"]

EPSILON = 1e-8


class ScheduleFreeAdamW(ListRule):
    """The parameters in training are y."""

    def update(self, param, grad, group, state):
        if "x" not in state:
            state.update(weights=0.0, x=param.map(torch.clone), z=param.map(torch.clone))
        x, z, learning_rate = state["x"], state["z"], group["lr"]
        rate = learning_rate * math.sqrt(1.0 - group["beta2"] ** state["step"])
        state["weights"] += learning_rate**2
        v = average(state, "v", grad * grad, group["beta2"])
        z.sub_(param, alpha=rate * group["weight_decay"]).addcdiv_(grad, v.sqrt().add_(EPSILON), value=-rate)
        x.lerp_(z, learning_rate**2 / state["weights"])
        param.copy_(x).lerp_(z, 1.0 - group["beta1"])

    def evaluation_params(self):
        """The averages x, in the order of the parameters."""
        for group in self.param_groups:
            for param in group["params"]:
                yield self.state[param].get("x", param)


def make_optimizer(params, settings):
    return ScheduleFreeAdamW(
        params, beta1=settings["beta1"], beta2=settings["beta2"], weight_decay=settings["weight_decay"]
    )


init_optimizer_state = make_init_optimizer_state(make_optimizer, SCHEDULE_FREE_ADAMW)
update_params = make_update_params(train_step, SCHEDULE_FREE_ADAMW, warmup_constant_rate)
