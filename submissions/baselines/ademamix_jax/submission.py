"""AdEMAMix with linear warm-up and cosine decay, in JAX. https://arxiv.org/abs/2409.03137

AdamW with a second, slow average of gradients, whose weight and decay have a separate warm-up.
"""

import optax

from algoperf.blocks.batch_sizes import get_batch_size
from algoperf.blocks.data import data_selection
from algoperf.blocks.jax_step import make_init_optimizer_state, train_step
from algoperf.blocks.schedules import slow_average, warmup_cosine_rate
from algoperf.blocks.self_tuning import ADEMAMIX
from algoperf.blocks.update import make_update_params

__all__ = ["data_selection", "get_batch_size", "init_optimizer_state", "update_params"]


def make_optimizer(settings):
    def ademamix(learning_rate, alpha=0.0, beta3=0.0):
        return optax.contrib.ademamix(
            learning_rate,
            b1=settings["beta1"],
            b2=settings["beta2"],
            b3=beta3,
            alpha=alpha,
            weight_decay=settings["weight_decay"],
        )

    return ademamix


init_optimizer_state = make_init_optimizer_state(make_optimizer, ADEMAMIX)
update_params = make_update_params(train_step, ADEMAMIX, warmup_cosine_rate, slow_average)
