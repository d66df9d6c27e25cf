"""NAdamW with linear warm-up and cosine decay, evaluated at an average of its weights, in PyTorch.

The average is exponential, and shorter at the start: its decay after update t is min(ema_decay, (1 + t) / (10 + t)).
"""

import torch

from algoperf.blocks.batch_sizes import get_batch_size
from algoperf.blocks.data import data_selection
from algoperf.blocks.schedules import warmup_cosine_rate
from algoperf.blocks.self_tuning import EMA_NADAMW
from algoperf.blocks.torch_averaging import prepare_for_eval, train_step
from algoperf.blocks.torch_rules import NAdamW
from algoperf.blocks.torch_step import make_init_optimizer_state
from algoperf.blocks.update import make_update_params

__all__ = ["data_selection", "get_batch_size", "init_optimizer_state", "prepare_for_eval", "update_params"]


class AveragedNAdamW(NAdamW):
    """NAdamW with an exponential moving average of the parameters."""

    def __init__(self, params, ema_decay, **settings):
        super().__init__(params, **settings)
        self.ema_decay = ema_decay

    def update(self, param, grad, group, state):
        if "average" not in state:
            state["average"] = param.map(torch.clone)
        super().update(param, grad, group, state)
        count = state["step"]
        state["average"].lerp_(param, 1.0 - min(self.ema_decay, (1 + count) / (10 + count)))

    def evaluation_params(self):
        """The averages, in the order of the parameters."""
        for group in self.param_groups:
            for param in group["params"]:
                yield self.state[param].get("average", param)


def make_optimizer(params, settings):
    return AveragedNAdamW(
        params,
        settings["ema_decay"],
        beta1=1.0 - settings["one_minus_beta1"],
        beta2=settings["beta2"],
        weight_decay=settings["weight_decay"],
    )


init_optimizer_state = make_init_optimizer_state(make_optimizer, EMA_NADAMW)
update_params = make_update_params(train_step, EMA_NADAMW, warmup_cosine_rate)
