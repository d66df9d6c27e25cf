"""Prodigy with linear warm-up and cosine decay, in PyTorch: AdamW that estimates its learning rate.

https://arxiv.org/abs/2306.06101, as `optax.contrib.prodigy` with `safeguard_warmup`; the schedule multiplies the
estimate, which never leaves the device.
"""

import math

import torch

from algoperf.blocks.batch_sizes import get_batch_size
from algoperf.blocks.data import data_selection
from algoperf.blocks.schedules import warmup_cosine_rate
from algoperf.blocks.self_tuning import PRODIGY
from algoperf.blocks.torch_rules import ListRule, average
from algoperf.blocks.torch_step import make_init_optimizer_state, train_step
from algoperf.blocks.update import make_update_params

__all__ = ["data_selection", "get_batch_size", "init_optimizer_state", "update_params"]

EPSILON = 1e-8


def sums(tensors):
    """The sum of each tensor."""
    return tensors.map(torch.sum).stack()


class Prodigy(ListRule):
    """Adam's direction times an estimate of the distance from the initial parameters to a solution.

    The estimate d is one number for all parameters: the largest quotient so far of two averages. The numerator averages
    products of gradients and distances moved; the denominator is the 1-norm of the average of the gradients.
    """

    def __init__(self, params, beta1, beta2, initial_distance, weight_decay):
        params = list(params)
        super().__init__(params, beta1=beta1, beta2=beta2, weight_decay=weight_decay, d0=initial_distance)
        (group,) = self.param_groups
        group.update(step=0, d=params[0].new_tensor(initial_distance), numerator=params[0].new_tensor(0.0))

    @torch.no_grad()
    def step(self, closure=None):
        """Update the estimate, then every parameter that has a gradient; `closure` is not used."""
        del closure
        (group,) = self.param_groups
        params = [param for param in group["params"] if param.grad is not None]
        for param in params:
            if not self.state[param]:
                zeros = {name: torch.zeros_like(param) for name in ("m", "v", "gradients")}
                self.state[param].update(initial=param.clone(), **zeros)
        lists = [*self.parts(params)]
        group["step"] += 1
        beta1, beta2, d, d0 = group["beta1"], group["beta2"], group["d"], group["d0"]
        correction = math.sqrt(1.0 - beta2 ** group["step"]) / (1.0 - beta1 ** group["step"])
        rate = d * (group["lr"] * correction)
        moved = torch.cat([self._take_in(*some, group) for some in lists]).sum()
        group["numerator"] = math.sqrt(beta2) * group["numerator"] + (d / d0) * rate * moved
        denominator = torch.cat([sums(state["gradients"].abs()) for _, _, state in lists]).sum()
        started = denominator > 0  # before the first gradient there is nothing to divide by, and nothing moves
        group["d"] = torch.maximum(d, torch.where(started, group["numerator"] / denominator, 0.0))
        rate = rate * started
        for param, _, state in lists:
            direction = state["m"] / (state["v"].sqrt().add_(group["d"] * EPSILON))
            param.sub_(direction.add_(param, alpha=group["weight_decay"]).mul_(rate))

    def _take_in(self, param, grad, state, group):
        """Update the averages of parameters; returns the products of their gradients and the distances they moved."""
        d = group["d"]
        scaled = grad * d
        average(state, "m", scaled, group["beta1"])
        average(state, "v", scaled.mul_(scaled), group["beta2"])
        state["gradients"].mul_(math.sqrt(group["beta2"])).add_(grad * (d * d / group["d0"]))
        return sums(grad * (state["initial"] - param))


def make_optimizer(params, settings):
    return Prodigy(params, settings["beta1"], settings["beta2"], settings["initial_distance"], settings["weight_decay"])


init_optimizer_state = make_init_optimizer_state(make_optimizer, PRODIGY)
update_params = make_update_params(train_step, PRODIGY, warmup_cosine_rate)
