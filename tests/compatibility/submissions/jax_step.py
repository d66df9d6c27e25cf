"""The step that published JAX entries compile. Imported by the long name, `submissions.jax_step`."""

import jax
import jax.numpy as jnp

from algoperf import jax_sharding_utils, spec


def train_step(
    workload, opt_update_fn, model_state, optimizer_state, current_param_container, batch, rng,
    grad_clip, label_smoothing, dropout_rate,
):  # fmt: skip
    """Loss, mean gradient, clipping and an update."""

    def _loss_fn(params):
        logits, new_model_state = workload.model_fn(
            params,
            batch,
            model_state,
            spec.ForwardPassMode.TRAIN,
            rng,
            update_batch_norm=True,
            dropout_rate=dropout_rate,
        )
        loss_dict = workload.loss_fn(
            label_batch=batch["targets"],
            logits_batch=logits,
            mask_batch=batch.get("weights"),
            label_smoothing=label_smoothing,
        )
        return loss_dict["summed"], (loss_dict["n_valid_examples"], new_model_state)

    grad_fn = jax.value_and_grad(_loss_fn, has_aux=True)
    (summed, (n_valid_examples, new_model_state)), grad = grad_fn(current_param_container)
    loss = summed / n_valid_examples
    grad = jax.tree.map(lambda x: x / n_valid_examples, grad)
    grad_norm = jnp.sqrt(sum(jnp.sum(g**2) for g in jax.tree.leaves(grad)))
    if grad_clip is not None:
        factor = jnp.minimum(1.0, grad_clip / (grad_norm + 1e-6))
        grad = jax.tree.map(lambda x: x * factor, grad)
    updates, new_optimizer_state = opt_update_fn(grad, optimizer_state, current_param_container)
    updated_params = jax.tree.map(lambda p, u: p + u, current_param_container, updates)
    return new_optimizer_state, updated_params, new_model_state, loss, grad_norm


def jitted():
    """The step with its placements; entries build it anew at every call and rely on JAX's cache."""
    replicated = jax_sharding_utils.get_replicate_sharding()
    sharded = jax_sharding_utils.get_batch_dim_sharding()
    arguments = (replicated,) * 3 + (sharded,) + (replicated,) * 4
    return jax.jit(
        train_step,
        static_argnums=(0, 1),
        donate_argnums=(2, 3, 4),
        in_shardings=arguments,
        out_shardings=(replicated,) * 5,
    )


def zeros_like_params(workload):
    """The parameters' structure, as entries make it before there are parameters."""
    return jax.tree.map(lambda s: jnp.zeros(s.shape_tuple), workload.param_shapes)


def log(workload, global_step, **metrics):
    """What entries write at times, and these at every step: the tests read it."""
    if workload.metrics_logger is not None:
        workload.metrics_logger.append_scalar_metrics(metrics, global_step)
