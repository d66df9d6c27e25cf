"""As Muon in JAX: labels by lower-cased path and rank, one transformation for each label."""

import functools

import jax
import jax.numpy as jnp
import optax
from submissions.jax_step import jitted, log, zeros_like_params

from algoperf import jax_sharding_utils


def label(path, leaf):
    name = jax.tree_util.keystr(path).lower()
    return "muon" if leaf.ndim >= 2 and "embed" not in name else "adam"


def orthogonalize(x):
    """Newton-Schulz iteration on (first axis, rest)."""
    matrix = x.reshape(x.shape[0], -1)
    matrix = matrix / (jnp.linalg.norm(matrix) + 1e-7)

    def body(_, m):
        a = m @ m.T
        return 3.4445 * m + (-4.7750 * a + 2.0315 * a @ a) @ m

    matrix = jax.lax.fori_loop(0, 5, body, matrix)
    return matrix.reshape(x.shape) * max(1, matrix.shape[1] / matrix.shape[0]) ** 0.5


def scale_by_muon(momentum):
    def update(updates, state, params=None):
        del params
        state = jax.tree.map(lambda m, g: momentum * m + (1 - momentum) * g, state, updates)
        return jax.tree.map(orthogonalize, state), state

    return optax.GradientTransformation(lambda params: jax.tree.map(jnp.zeros_like, params), update)


@functools.cache
def transformation(horizon):
    learning_rate = optax.cosine_decay_schedule(0.01, horizon)
    each = {
        "muon": optax.chain(scale_by_muon(0.95), optax.add_decayed_weights(0.02), optax.scale(4.0)),
        "adam": optax.scale_by_adam(0.96, 0.86),
    }
    labels = functools.partial(jax.tree_util.tree_map_with_path, label)
    return optax.chain(optax.multi_transform(each, labels), optax.scale_by_learning_rate(learning_rate))


def get_batch_size(workload_name):
    if workload_name not in ("digits", "mnist", "cifar", "imagenet_vit"):
        raise ValueError(f"Unsupported workload name: {workload_name}.")
    return 64


def init_optimizer_state(workload, model_params, model_state, hyperparameters, rng):
    del model_params, model_state, hyperparameters, rng
    optimizer = transformation(workload.step_hint)
    state = optimizer.init(zeros_like_params(workload))
    return jax.device_put(state, jax_sharding_utils.get_replicate_sharding()), optimizer.update


def update_params(
    workload, current_param_container, current_params_types, model_state, hyperparameters, batch, loss_type,
    optimizer_state, eval_results, global_step, rng,
):  # fmt: skip
    del current_params_types, hyperparameters, loss_type, eval_results
    state, update = optimizer_state
    labels = jax.tree.leaves(jax.tree_util.tree_map_with_path(label, current_param_container))
    state, params, model_state, loss, _ = jitted()(
        workload, update, model_state, state, current_param_container, batch, rng, None, 0.1, None
    )
    log(workload, global_step, loss=loss, matrices=labels.count("muon"))
    return (state, update), params, model_state


def data_selection(
    workload, input_queue, optimizer_state, current_param_container, model_state, hyperparameters, global_step, rng
):  # fmt: skip
    del workload, optimizer_state, current_param_container, model_state, hyperparameters, global_step, rng
    return next(input_queue)
