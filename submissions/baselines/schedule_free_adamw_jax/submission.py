"""Schedule-Free AdamW in JAX: averaging instead of a decay of the learning rate. https://arxiv.org/abs/2405.15682

The rule of the second published submission. Gradients are taken at y, between the average x and the fast iterate z;
evaluations are at x. Batch statistics are those at y. `optax.contrib.schedule_free_adamw` scales the weight decay
differently and starts with a learning rate of 0.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from algoperf.blocks.batch_sizes import get_batch_size
from algoperf.blocks.data import data_selection
from algoperf.blocks.jax_averaging import make_init_optimizer_state, make_prepare_for_eval, train_step
from algoperf.blocks.schedules import warmup_constant_rate
from algoperf.blocks.self_tuning import SCHEDULE_FREE_ADAMW
from algoperf.blocks.update import make_update_params

__all__ = ["data_selection", "get_batch_size", "init_optimizer_state", "prepare_for_eval", "update_params"]

EPSILON = 1e-8


class ScheduleFreeState(NamedTuple):
    """Number of updates, sum of the weights of the average, the average, the fast iterate, and squares of gradients."""

    count: Any
    weights: Any
    x: Any
    z: Any
    v: Any


def schedule_free_adamw(learning_rate, beta1, beta2, weight_decay):
    """The optimizer at one learning rate; the parameters in training are y."""

    def init(params):
        weights = jnp.zeros((), optax.tree.dtype(params, "highest"))
        # x and z start as copies of the parameters, in separate memory
        copies = (jax.tree.map(jnp.copy, params) for _ in range(2))
        return ScheduleFreeState(jnp.zeros((), jnp.int32), weights, *copies, optax.tree.zeros_like(params))

    def update(grads, state, params):
        count = state.count + 1
        rate = learning_rate * jnp.sqrt(1.0 - beta2**count)
        weights = state.weights + learning_rate**2
        share = learning_rate**2 / weights
        v = optax.tree.update_moment(grads, state.v, beta2, 2)
        z = jax.tree.map(
            lambda z, y, grad, v: z - rate * (weight_decay * y + grad / (jnp.sqrt(v) + EPSILON)),
            state.z, params, grads, v,
        )  # fmt: skip
        x = jax.tree.map(lambda x, z: (1.0 - share) * x + share * z, state.x, z)
        updates = jax.tree.map(lambda x, z, y: beta1 * x + (1.0 - beta1) * z - y, x, z, params)
        return updates, ScheduleFreeState(count, weights, x, z, v)

    return optax.GradientTransformation(init, update)


def make_optimizer(settings):
    return lambda learning_rate: schedule_free_adamw(
        learning_rate, settings["beta1"], settings["beta2"], settings["weight_decay"]
    )


init_optimizer_state = make_init_optimizer_state(make_optimizer, SCHEDULE_FREE_ADAMW)
update_params = make_update_params(train_step, SCHEDULE_FREE_ADAMW, warmup_constant_rate)
prepare_for_eval = make_prepare_for_eval(lambda state, params: state.x)
