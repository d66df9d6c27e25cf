"""Prodigy with linear warm-up and cosine decay, in JAX: AdamW that estimates its learning rate.

https://arxiv.org/abs/2306.06101; the schedule multiplies the estimate.
"""

import jax
import jax.numpy as jnp
import optax

from algoperf.blocks.batch_sizes import get_batch_size
from algoperf.blocks.data import data_selection
from algoperf.blocks.jax_step import make_init_optimizer_state, train_step
from algoperf.blocks.schedules import warmup_cosine_rate
from algoperf.blocks.self_tuning import PRODIGY
from algoperf.blocks.update import make_update_params

__all__ = ["data_selection", "get_batch_size", "init_optimizer_state", "update_params"]


def waiting_for_gradients(prodigy):
    """Let nothing move before the first gradient: optax divides by the sum of the gradients, which is 0 till then."""

    def update(grads, state, params):
        updates, new = prodigy.update(grads, state, params)
        started = jnp.any(jnp.array([jnp.any(total) for total in jax.tree.leaves(new.grad_sum)]))
        updates = jax.tree.map(lambda change: jnp.where(started, change, 0.0), updates)
        return updates, new._replace(estim_lr=jnp.where(started, new.estim_lr, state.estim_lr))

    return optax.GradientTransformation(prodigy.init, update)


def make_optimizer(settings):
    def prodigy(learning_rate):
        return waiting_for_gradients(
            optax.contrib.prodigy(
                learning_rate,
                betas=(settings["beta1"], settings["beta2"]),
                estim_lr0=settings["initial_distance"],
                weight_decay=settings["weight_decay"],
                safeguard_warmup=True,  # without it, a learning rate of 0 at the start causes a division by 0
            )
        )

    return prodigy


init_optimizer_state = make_init_optimizer_state(make_optimizer, PRODIGY)
update_params = make_update_params(train_step, PRODIGY, warmup_cosine_rate)
