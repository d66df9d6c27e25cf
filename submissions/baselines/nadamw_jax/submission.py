"""NAdamW with linear warm-up and cosine decay, in JAX: the benchmark's baseline.

Table 1 of https://arxiv.org/abs/1910.05446, which is not Dozat's momentum schedule: `optax.nadamw` differs.
"""

import optax

from algoperf.blocks.batch_sizes import get_batch_size
from algoperf.blocks.data import data_selection
from algoperf.blocks.jax_rules import scale_by_nadam
from algoperf.blocks.jax_step import make_init_optimizer_state, train_step
from algoperf.blocks.schedules import warmup_cosine_rate
from algoperf.blocks.self_tuning import NADAMW
from algoperf.blocks.update import make_update_params

__all__ = ["data_selection", "get_batch_size", "init_optimizer_state", "update_params"]


def make_optimizer(settings):
    nadam = scale_by_nadam(1.0 - settings["one_minus_beta1"], settings["beta2"])
    return optax.chain(nadam, optax.add_decayed_weights(settings["weight_decay"]))


init_optimizer_state = make_init_optimizer_state(make_optimizer, NADAMW)
update_params = make_update_params(train_step, NADAMW, warmup_cosine_rate)
