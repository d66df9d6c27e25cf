"""Prodigy with linear warm-up and cosine decay, in JAX: AdamW that estimates its learning rate.

https://arxiv.org/abs/2306.06101; the schedule multiplies the estimate.
"""

import optax

from algoperf.blocks.batch_sizes import get_batch_size
from algoperf.blocks.data import data_selection
from algoperf.blocks.jax_step import make_init_optimizer_state, train_step
from algoperf.blocks.schedules import warmup_cosine_rate
from algoperf.blocks.self_tuning import PRODIGY
from algoperf.blocks.update import make_update_params

__all__ = ["data_selection", "get_batch_size", "init_optimizer_state", "update_params"]


def make_optimizer(settings):
    def prodigy(learning_rate):
        return optax.contrib.prodigy(
            learning_rate,
            betas=(settings["beta1"], settings["beta2"]),
            estim_lr0=settings["initial_distance"],
            weight_decay=settings["weight_decay"],
            safeguard_warmup=True,  # without it, a learning rate of 0 at the start causes a division by 0
        )

    return prodigy


init_optimizer_state = make_init_optimizer_state(make_optimizer, PRODIGY)
update_params = make_update_params(train_step, PRODIGY, warmup_cosine_rate)
