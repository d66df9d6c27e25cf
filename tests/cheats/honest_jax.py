"""What the cheats in JAX have in common: the same algorithm as in `honest`."""

import functools

import jax
import optax

from algoperf import spec
from algoperf.blocks.data import data_selection

__all__ = ["data_selection", "get_batch_size", "init_optimizer_state", "update_params"]

optimizer = optax.sgd(0.05, momentum=0.9)


def get_batch_size(workload_name):
    del workload_name
    return 64


def init_optimizer_state(workload, model_params, model_state, hyperparameters, rng):
    del workload, model_state, hyperparameters, rng
    return optimizer.init(model_params)


@functools.partial(jax.jit, static_argnums=0)
def step(workload, params, model_state, state, batch, rng):
    def mean_loss(params):
        logits, new_state = workload.model_fn(
            params, batch, model_state, spec.ForwardPassMode.TRAIN, rng, update_batch_norm=True
        )
        loss = workload.loss_fn(batch["targets"], logits, batch.get("weights"))
        return loss["summed"] / loss["n_valid_examples"], new_state

    gradients, model_state = jax.grad(mean_loss, has_aux=True)(params)
    updates, state = optimizer.update(gradients, state, params)
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
    del current_params_types, hyperparameters, loss_type, eval_results, global_step
    return step(workload, current_param_container, model_state, optimizer_state, batch, rng)
