"""Every kind of state that a JAX submission may keep; all of it affects training.

Momentum with an injected rate, host copies of slow weights, counters in a closure, an enumeration, its own
generators and the global ones. Steps are slow, so that there is time to kill it.
"""

import enum
import functools
import random
import time

import jax
import jax.numpy as jnp
import numpy as np
import optax

from algoperf import spec
from algoperf.jax_sharding_utils import get_replicate_sharding, replicate


class Stage(enum.Enum):
    EARLY = "early"
    LATE = "late"


def get_batch_size(workload_name):
    del workload_name
    return 64


def counting():
    calls = 0

    def call():
        nonlocal calls
        calls += 1
        return calls

    return call


def init_optimizer_state(workload, model_params, model_state, hyperparameters, rng):
    del model_params, model_state, hyperparameters, rng
    transformation = optax.inject_hyperparams(optax.sgd)(0.1, momentum=0.9)
    zeros = jax.tree.map(lambda shape: jnp.zeros(shape.shape_tuple), workload.param_shapes)
    extra = {"slow": None, "stage": Stage.EARLY, "count": counting(), "noise": np.random.default_rng(1)}
    return replicate(transformation.init(zeros)), transformation.update, extra


@functools.cache
def compiled():
    replicated = get_replicate_sharding()
    return jax.jit(step, static_argnums=(0, 1), out_shardings=replicated)


def step(workload, update, state, params, model_state, batch, rng):
    def loss(params):
        logits, new_state = workload.model_fn(
            params, batch, model_state, spec.ForwardPassMode.TRAIN, rng, True, dropout_rate=0.2
        )
        summed = workload.loss_fn(batch["targets"], logits, batch.get("weights"))["summed"]
        return summed / logits.shape[0], new_state

    grads, model_state = jax.grad(loss, has_aux=True)(params)
    updates, state = update(grads, state, params)
    return state, optax.apply_updates(params, updates), model_state


def update_params(
    workload,
    current_param_container,
    current_params_types,
    model_state,
    hyperparameters,
    batch,
    loss_type,
    optimizer_state,
    eval_results,
    global_step,
    rng,
):
    del current_params_types, hyperparameters, loss_type
    time.sleep(0.015)
    state, update, extra = optimizer_state
    factor = 1.0 if extra["stage"] is Stage.EARLY else 0.5
    drawn = random.random() + np.random.random() + extra["noise"].random()
    rate = factor * (0.02 + 0.01 * drawn) / (1 + 0.01 * extra["count"]() + 0.1 * len(eval_results))
    state.hyperparams["learning_rate"] = jnp.asarray(rate, jnp.float32)
    state, params, model_state = compiled()(workload, update, state, current_param_container, model_state, batch, rng)
    if global_step % 7 == 6:
        extra["slow"] = jax.device_get(params)
        extra["stage"] = Stage.LATE
    return (state, update, extra), params, model_state


def prepare_for_eval(
    workload,
    current_param_container,
    current_params_types,
    model_state,
    hyperparameters,
    loss_type,
    optimizer_state,
    eval_results,
    global_step,
    rng,
):
    """Go halfway back to the slow weights. Training continues from the evaluated parameters."""
    del workload, current_params_types, hyperparameters, loss_type, eval_results, global_step, rng
    slow = optimizer_state[2]["slow"]
    if slow is None:
        return optimizer_state, current_param_container, model_state
    params = jax.tree.map(lambda fast, slow: (fast + slow) / 2, current_param_container, replicate(slow))
    return optimizer_state, params, model_state


def data_selection(
    workload,
    input_queue,
    optimizer_state,
    current_param_container,
    model_state,
    hyperparameters,
    global_step,
    rng,
):
    del workload, optimizer_state, current_param_container, model_state, hyperparameters, rng
    if global_step % 5 == 0:
        next(input_queue)  # the numbers of steps and batches may differ
    return next(input_queue)
