"""As generalized Adam: named tuples of optax transformations of its own, functions and a schedule in the state."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from submissions.jax_step import jitted, log, zeros_like_params

from algoperf import jax_sharding_utils


class ScaleByAdamState(NamedTuple):
    count: Any
    mu: Any
    nu: Any


class PreconditionBySecondMoment(NamedTuple):
    trace: Any


def scale_by_adam(b1, b2, power):
    def init_fn(params):
        zeros = jax.tree.map(jnp.zeros_like, params)
        return ScaleByAdamState(jnp.zeros([], jnp.int32), zeros, jax.tree.map(jnp.copy, zeros))

    def update_fn(updates, state, params=None):
        del params
        mu = jax.tree.map(lambda m, g: b1 * m + (1 - b1) * g, state.mu, updates)
        nu = jax.tree.map(lambda v, g: b2 * v + (1 - b2) * g**2, state.nu, updates)
        count = state.count + 1
        new = jax.tree.map(
            lambda m, v, g: (b1 * m + (1 - b1) * g) / ((v / (1 - b2**count)) ** (1 / power) + 1e-8), mu, nu, updates
        )
        return new, ScaleByAdamState(count, mu, nu)

    return optax.GradientTransformation(init_fn, update_fn)


def get_batch_size(workload_name):
    sizes = {"digits": 64, "mnist": 64, "cifar": 64, "imagenet_vit": 64, "imagenet_resnet": 64}
    if workload_name not in sizes:
        raise ValueError(f"Unsupported workload name: {workload_name}.")
    return sizes[workload_name]


def init_optimizer_state(workload, model_params, model_state, hyperparameters, rng):
    del model_params, model_state, rng
    horizon = int(hyperparameters.cosine_decay_factor * workload.step_hint)
    warmup_steps = int(hyperparameters.warmup_factor * horizon)
    warmup_fn = optax.linear_schedule(0.0, hyperparameters.learning_rate, transition_steps=warmup_steps)
    cosine_fn = optax.cosine_decay_schedule(hyperparameters.learning_rate, decay_steps=max(horizon - warmup_steps, 1))
    schedule_fn = optax.join_schedules([warmup_fn, cosine_fn], boundaries=[warmup_steps])
    opt_init_fn, opt_update_fn = optax.chain(
        scale_by_adam(1.0 - hyperparameters.one_minus_beta1, hyperparameters.beta2, hyperparameters.power),
        optax.trace(decay=0.5, nesterov=True),
        optax.add_decayed_weights(hyperparameters.weight_decay),
        optax.scale_by_learning_rate(schedule_fn),
    )
    optimizer_state = opt_init_fn(zeros_like_params(workload))
    placed = jax.device_put(optimizer_state, jax_sharding_utils.get_replicate_sharding())
    return placed, opt_update_fn, schedule_fn, {"last": None}


def update_params(
    workload, current_param_container, current_params_types, model_state, hyperparameters, batch, loss_type,
    optimizer_state, eval_results, global_step, rng,
):  # fmt: skip
    del current_params_types, loss_type, eval_results
    optimizer_state, opt_update_fn, schedule_fn, history = optimizer_state
    grad_clip = hyperparameters.grad_clip if hasattr(hyperparameters, "grad_clip") else None
    dropout_rate = hyperparameters.dropout_rate
    new_optimizer_state, new_params, new_model_state, loss, grad_norm = jitted()(
        workload, opt_update_fn, model_state, optimizer_state, current_param_container, batch, rng,
        grad_clip, hyperparameters.label_smoothing, dropout_rate,
    )  # fmt: skip
    last = history["last"]
    log(workload, global_step, loss=loss, grad_norm=grad_norm, learning_rate=schedule_fn(global_step),
        since_last=0 if last is None else global_step - last)  # fmt: skip
    return (new_optimizer_state, opt_update_fn, schedule_fn, {"last": global_step}), new_params, new_model_state


def prepare_for_eval(
    workload, current_param_container, current_params_types, model_state, hyperparameters, loss_type,
    optimizer_state, eval_results, global_step, rng,
):  # fmt: skip
    """A no-op, as in the baseline."""
    del workload, hyperparameters, current_params_types, loss_type, eval_results, global_step, rng
    return (optimizer_state, current_param_container, model_state)


def data_selection(
    workload, input_queue, optimizer_state, current_param_container, model_state, hyperparameters, global_step, rng
):  # fmt: skip
    del workload, optimizer_state, current_param_container, model_state, hyperparameters, global_step, rng
    return next(input_queue)
