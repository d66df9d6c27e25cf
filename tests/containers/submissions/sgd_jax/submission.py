"""Plain SGD in JAX; says when the first step began."""

import functools
import time

import jax

from algoperf import spec


def get_batch_size(workload_name):
    return 64


def init_optimizer_state(workload, model_params, model_state, hyperparameters, rng):
    return (), step


@functools.partial(jax.jit, static_argnums=0)
def step(workload, params, model_state, batch, rng):
    def mean_loss(params):
        logits, new_state = workload.model_fn(
            params, batch, model_state, spec.ForwardPassMode.TRAIN, rng, update_batch_norm=True
        )
        loss = workload.loss_fn(batch["targets"], logits, batch.get("weights"))
        return loss["summed"] / loss["n_valid_examples"], new_state

    gradients, new_state = jax.grad(mean_loss, has_aux=True)(params)
    return jax.tree.map(lambda value, gradient: value - 0.01 * gradient, params, gradients), new_state


def update_params(
    workload, current_param_container, current_params_types, model_state, hyperparameters, batch, loss_type,
    optimizer_state, eval_results, global_step, rng,
):  # fmt: skip
    if global_step == 0:
        print(f"first step at {time.time()}", flush=True)
    params, model_state = optimizer_state[1](workload, current_param_container, model_state, batch, rng)
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
    return next(input_queue)
