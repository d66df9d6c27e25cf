"""As the learned optimizers: weights from a file of flax bytes, relative imports, an object and its own state."""

import jax
import jax.numpy as jnp
import optax
from flax import struct
from submissions.jax_step import jitted, log, zeros_like_params

from algoperf import jax_sharding_utils

from . import inv6
from .inv6 import Inv6


@struct.dataclass
class LearnedState:
    moment: dict
    iteration: jax.Array


def get_batch_size(workload_name):
    return {"digits": 64, "mnist": 64}[workload_name]


def init_optimizer_state(workload, model_params, model_state, hyperparameters, rng):
    del model_params, model_state, rng
    assert hyperparameters is None
    rule = inv6.Inv6(total_steps=int(0.75 * workload.step_hint))
    assert isinstance(rule, Inv6)

    def init(params):
        return LearnedState(jax.tree.map(jnp.zeros_like, params), jnp.zeros((), jnp.int32))

    def update(grads, state, params=None):
        del params
        moment = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, state.moment, grads)
        steps = jax.tree.map(lambda m: rule.step_of(m, state.iteration), moment)
        return steps, LearnedState(moment, state.iteration + 1)

    optimizer = optax.GradientTransformation(init, update)
    state = jax.device_put(init(zeros_like_params(workload)), jax_sharding_utils.get_replicate_sharding())
    return (state, rule), optimizer.update


def update_params(
    workload, current_param_container, current_params_types, model_state, hyperparameters, batch, loss_type,
    optimizer_state, eval_results, global_step, rng,
):  # fmt: skip
    del current_params_types, loss_type, eval_results, hyperparameters
    (state, rule), update = optimizer_state
    state, params, model_state, loss, _ = jitted()(
        workload, update, model_state, state, current_param_container, batch, rng, None, 0.0, None
    )
    log(workload, global_step, loss=loss, weights=len(rule.theta["w"]))
    return ((state, rule), update), params, model_state


def data_selection(
    workload, input_queue, optimizer_state, current_param_container, model_state, hyperparameters, global_step, rng
):  # fmt: skip
    del workload, optimizer_state, current_param_container, model_state, hyperparameters, global_step, rng
    return next(input_queue)
