"""As single-worker DiLoCo: slow weights in host memory, fast ones hidden in the state while the slow are evaluated.

The optimizer state is `(named tuple, None)`: there is no update function in it.
"""

import functools
from collections import namedtuple
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from submissions.jax_step import jitted, log, zeros_like_params

from algoperf import jax_sharding_utils, spec

HPARAMS = {"learning_rate": 0.003, "beta1": 0.9, "beta2": 0.995, "outer_rate": 0.7, "outer_momentum": 0.6}
HPARAMS = namedtuple("Hyperparameters", HPARAMS)(**HPARAMS)
OUTER_PERIOD = 4


class DilocoState(NamedTuple):
    inner: optax.OptState
    slow: spec.ParameterContainer
    velocity: spec.ParameterContainer
    fast: spec.ParameterContainer | None
    outer_steps: int


@functools.cache
def _inner(horizon):
    return optax.adamw(optax.cosine_decay_schedule(HPARAMS.learning_rate, horizon), HPARAMS.beta1, HPARAMS.beta2)


def _to_host(tree):
    """A copy: where the device is the host, device_put alone would share memory that is donated later."""
    return jax.device_put(jax.tree.map(jnp.array, tree), jax.devices("cpu")[0])


def _on_devices(tree):
    return jax.tree.map(lambda x: jax.device_put(np.asarray(x), jax_sharding_utils.get_replicate_sharding()), tree)


def get_batch_size(workload_name):
    return {"digits": 64, "mnist": 64}[workload_name]


def init_optimizer_state(workload, model_params, model_state, hyperparameters, rng):
    del model_state, hyperparameters, rng
    inner = _on_devices(_inner(workload.step_hint).init(zeros_like_params(workload)))
    slow = _to_host(model_params)
    velocity = jax.tree.map(lambda p: np.zeros(p.shape, np.float32), model_params)
    return DilocoState(inner, slow, velocity, None, 0), None


def _outer_step(state, params):
    fast = jax.device_get(params)
    slow = jax.device_get(state.slow)
    difference = jax.tree.map(np.subtract, slow, fast)
    velocity = jax.tree.map(lambda v, d: HPARAMS.outer_momentum * v + d, state.velocity, difference)
    slow = jax.tree.map(
        lambda s, v, d: s - HPARAMS.outer_rate * (d + HPARAMS.outer_momentum * v), slow, velocity, difference
    )
    state = state._replace(slow=_to_host(slow), velocity=velocity, outer_steps=state.outer_steps + 1)
    return state, _on_devices(slow)


def update_params(
    workload, current_param_container, current_params_types, model_state, hyperparameters, batch, loss_type,
    optimizer_state, eval_results, global_step, rng,
):  # fmt: skip
    del current_params_types, hyperparameters, loss_type, eval_results
    state, _ = optimizer_state
    params = current_param_container
    if state.fast is not None:  # an evaluation came between
        params, state = state.fast, state._replace(fast=None)
    inner, params, model_state, loss, grad_norm = jitted()(
        workload, _inner(workload.step_hint).update, model_state, state.inner, params, batch, rng, 1.0, 0.1, 0.0
    )
    state = state._replace(inner=inner)
    if (global_step + 1) % OUTER_PERIOD == 0:
        state, params = _outer_step(state, params)
    log(workload, global_step, loss=jnp.asarray(loss), grad_norm=grad_norm, outer_steps=state.outer_steps)
    return (state, None), params, model_state


def prepare_for_eval(
    workload, current_param_container, current_params_types, model_state, hyperparameters, loss_type,
    optimizer_state, eval_results, global_step, rng,
):  # fmt: skip
    del workload, current_params_types, hyperparameters, loss_type, eval_results, global_step, rng
    state, _ = optimizer_state
    return (state._replace(fast=current_param_container), None), _on_devices(state.slow), model_state


def data_selection(
    workload, input_queue, optimizer_state, current_param_container, model_state, hyperparameters, global_step, rng
):  # fmt: skip
    del workload, optimizer_state, current_param_container, model_state, hyperparameters, global_step, rng
    return next(input_queue)
