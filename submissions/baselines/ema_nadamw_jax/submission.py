"""NAdamW with linear warm-up and cosine decay, evaluated at an average of its weights, in JAX.

The average is exponential, and shorter at the start: its decay after update t is min(ema_decay, (1 + t) / (10 + t)).
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from algoperf.blocks.batch_sizes import get_batch_size
from algoperf.blocks.data import data_selection
from algoperf.blocks.jax_averaging import make_init_optimizer_state, make_prepare_for_eval, train_step
from algoperf.blocks.jax_rules import scale_by_nadam
from algoperf.blocks.schedules import warmup_cosine_rate
from algoperf.blocks.self_tuning import EMA_NADAMW
from algoperf.blocks.update import make_update_params

__all__ = ["data_selection", "get_batch_size", "init_optimizer_state", "prepare_for_eval", "update_params"]


class AveragedState(NamedTuple):
    """Number of updates, state of the optimizer, and average of the parameters after them."""

    count: Any
    optimizer: Any
    average: Any


def averaged(optimizer, decay):
    """The same updates, plus an exponential moving average of the resulting parameters."""

    def init(params):
        return AveragedState(jnp.zeros((), jnp.int32), optimizer.init(params), params)

    def update(grads, state, params):
        count = state.count + 1
        updates, inner = optimizer.update(grads, state.optimizer, params)
        kept = jnp.minimum(decay, (1.0 + count) / (10.0 + count))
        average = jax.tree.map(
            lambda average, param, change: kept * average + (1 - kept) * (param + change),
            state.average, params, updates,
        )  # fmt: skip
        return updates, AveragedState(count, inner, average)

    return optax.GradientTransformation(init, update)


def make_optimizer(settings):
    def nadamw(learning_rate):
        return averaged(
            optax.chain(
                scale_by_nadam(1.0 - settings["one_minus_beta1"], settings["beta2"]),
                optax.add_decayed_weights(settings["weight_decay"]),
                optax.scale_by_learning_rate(learning_rate),
            ),
            settings["ema_decay"],
        )

    return nadamw


init_optimizer_state = make_init_optimizer_state(make_optimizer, EMA_NADAMW)
update_params = make_update_params(train_step, EMA_NADAMW, warmup_cosine_rate)
prepare_for_eval = make_prepare_for_eval(lambda state, params: state.average)
