"""Cautious NAdamW with linear warm-up and cosine decay, in JAX.

NAdamW without the entries of its direction whose sign disagrees with the gradient. https://arxiv.org/abs/2411.16085
"""

import optax

from algoperf.blocks.batch_sizes import get_batch_size
from algoperf.blocks.data import data_selection
from algoperf.blocks.jax_rules import cautious, scale_by_nadam
from algoperf.blocks.jax_step import make_init_optimizer_state, train_step
from algoperf.blocks.schedules import warmup_cosine_rate
from algoperf.blocks.self_tuning import CAUTIOUS_NADAMW
from algoperf.blocks.update import make_update_params

__all__ = ["data_selection", "get_batch_size", "init_optimizer_state", "update_params"]


def make_optimizer(settings):
    nadam = scale_by_nadam(1.0 - settings["one_minus_beta1"], settings["beta2"])
    return optax.chain(cautious(nadam), optax.add_decayed_weights(settings["weight_decay"]))


init_optimizer_state = make_init_optimizer_state(make_optimizer, CAUTIOUS_NADAMW)
update_params = make_update_params(train_step, CAUTIOUS_NADAMW, warmup_cosine_rate)
