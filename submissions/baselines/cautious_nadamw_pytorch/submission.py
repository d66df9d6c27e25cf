"""Cautious NAdamW with linear warm-up and cosine decay, in PyTorch.

NAdamW without the entries of its direction whose sign disagrees with the gradient. https://arxiv.org/abs/2411.16085
"""

from algoperf.blocks.batch_sizes import get_batch_size
from algoperf.blocks.data import data_selection
from algoperf.blocks.schedules import warmup_cosine_rate
from algoperf.blocks.self_tuning import CAUTIOUS_NADAMW
from algoperf.blocks.torch_rules import NAdamW
from algoperf.blocks.torch_step import make_init_optimizer_state, train_step
from algoperf.blocks.update import make_update_params

__all__ = ["data_selection", "get_batch_size", "init_optimizer_state", "update_params"]


def make_optimizer(params, settings):
    return NAdamW(
        params,
        beta1=1.0 - settings["one_minus_beta1"],
        beta2=settings["beta2"],
        weight_decay=settings["weight_decay"],
        cautious=True,
    )


init_optimizer_state = make_init_optimizer_state(make_optimizer, CAUTIOUS_NADAMW)
update_params = make_update_params(train_step, CAUTIOUS_NADAMW, warmup_cosine_rate)
