"""Gradient descent as JAX entries of v0.5 had it: parameters, states and batches with an axis of devices, one pmap."""

import functools

import jax
from flax import jax_utils

from algoperf import spec


def get_batch_size(workload_name):
    return 64


def init_optimizer_state(workload, model_params, model_state, hyperparameters, rng):
    return jax_utils.replicate(jax.tree_map(lambda shape: 0.1, workload.param_shapes)), None


@functools.partial(jax.pmap, axis_name="batch", static_broadcasted_argnums=(0,))
def train_step(workload, params, model_state, batch, rng):
    def mean_loss(params):
        logits, new = workload.model_fn(params, batch, model_state, spec.ForwardPassMode.TRAIN, rng, True)
        loss = workload.loss_fn(batch["targets"], logits, batch.get("weights"))
        return loss["summed"] / loss["n_valid_examples"], new

    grad, new = jax.grad(mean_loss, has_aux=True)(params)
    grad = jax.lax.pmean(grad, "batch")
    return jax.tree_map(lambda p, g: p - 0.1 * g, params, grad), new


def update_params(
    workload, current_param_container, current_params_types, model_state, hyperparameters, batch, loss_type,
    optimizer_state, eval_results, global_step, rng,
):  # fmt: skip
    rngs = jax.random.split(rng, jax.local_device_count())
    params, model_state = train_step(workload, current_param_container, model_state, batch, rngs)
    return optimizer_state, params, model_state


def data_selection(
    workload, input_queue, optimizer_state, current_param_container, model_state, hyperparameters, global_step, rng
):
    return next(input_queue)
