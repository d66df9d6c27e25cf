"""NAdamW with linear warm-up and cosine decay, in JAX: the benchmark's baseline.

Table 1 of https://arxiv.org/abs/1910.05446, which is not Dozat's momentum schedule: `optax.nadamw` differs.
"""

from collections import namedtuple

import jax
import jax.numpy as jnp
import optax

from algoperf.blocks.batch_sizes import get_batch_size
from algoperf.blocks.data import data_selection
from algoperf.blocks.jax_step import init_state, train_step
from algoperf.blocks.schedules import warmup_cosine_rate
from algoperf.blocks.self_tuning import NADAMW, settings_of
from algoperf.blocks.update import make_update_params

__all__ = ["data_selection", "get_batch_size", "init_optimizer_state", "update_params"]

EPSILON = 1e-8
NadamState = namedtuple("NadamState", ["count", "m", "v"])


def scale_by_nadam(beta1, beta2, epsilon):
    """The direction of NAdamW: Adam's, with the first moment applied a second time to the new gradient."""

    def init(params):
        return NadamState(jnp.zeros((), jnp.int32), *(jax.tree.map(jnp.zeros_like, params) for _ in range(2)))

    def update(grads, state, params=None):
        del params
        count = state.count + 1
        m = optax.tree.update_moment(grads, state.m, beta1, 1)
        v = optax.tree.update_moment(grads, state.v, beta2, 2)
        n = optax.tree.update_moment(grads, m, beta1, 1)
        n_hat = optax.tree.bias_correction(n, beta1, count)
        v_hat = optax.tree.bias_correction(v, beta2, count)
        direction = jax.tree.map(lambda n, v: n / (jnp.sqrt(v) + epsilon), n_hat, v_hat)
        return direction, NadamState(count, m, v)

    return optax.GradientTransformation(init, update)


def init_optimizer_state(workload, model_params, model_state, hyperparameters, rng):
    del model_params, model_state, rng
    settings = settings_of(hyperparameters, NADAMW)
    nadam = scale_by_nadam(1.0 - settings["one_minus_beta1"], settings["beta2"], EPSILON)
    return init_state(workload, optax.chain(nadam, optax.add_decayed_weights(settings["weight_decay"])))


update_params = make_update_params(train_step, NADAMW, warmup_cosine_rate)
