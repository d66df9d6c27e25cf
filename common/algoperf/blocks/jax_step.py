"""One training step in JAX: loss, mean gradient over the global batch, clipping, and any optax transformation."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import optax

from algoperf import spec
from algoperf.jax_sharding_utils import get_replicate_sharding, replicate


def init_state(workload: spec.Workload, transformation: optax.GradientTransformation) -> spec.OptimizerState:
    """The pair that JAX submissions use as optimizer state: a replicated pytree, and the update function."""
    zeros = jax.tree.map(lambda shape: jnp.zeros(shape.shape_tuple), workload.param_shapes)
    return replicate(transformation.init(zeros)), transformation.update


def train_step(
    workload: spec.Workload,
    optimizer_state: spec.OptimizerState,
    params: spec.ParameterContainer,
    model_state: spec.ModelAuxiliaryState,
    batch: dict[str, Any],
    rng: spec.RandomState,
    learning_rate: float,
    label_smoothing: float = 0.0,
    dropout_rate: float | None = None,
    grad_clip: float | None = None,
) -> tuple[spec.UpdateReturn, dict[str, jax.Array]]:
    """Update once; the transformation's updates are scaled by `-learning_rate`.

    Returns what `update_params` has to return, and the loss and gradient norm (before clipping).
    """
    state, update = optimizer_state
    state, params, model_state, metrics = _compiled_step()(
        workload, update, state, params, model_state, batch, rng,
        learning_rate, label_smoothing, dropout_rate, grad_clip,
    )  # fmt: skip
    return ((state, update), params, model_state), metrics


@functools.cache
def _compiled_step() -> Callable[..., Any]:
    """Compiled on first use: placement needs the devices, which importing a submission should not start."""
    replicated = get_replicate_sharding()
    return jax.jit(_step, static_argnums=(0, 1), donate_argnums=(2, 3, 4), out_shardings=replicated)


def _step(
    workload: spec.Workload,
    update: optax.TransformUpdateFn,
    state: Any,
    params: Any,
    model_state: Any,
    batch: dict[str, Any],
    rng: jax.Array,
    learning_rate: jax.Array,
    label_smoothing: jax.Array,
    dropout_rate: jax.Array | None,
    grad_clip: jax.Array | None,
) -> tuple[Any, Any, Any, dict[str, jax.Array]]:
    def summed_loss(params: Any) -> tuple[jax.Array, tuple[jax.Array, Any]]:
        logits, new_model_state = workload.model_fn(
            params, batch, model_state, spec.ForwardPassMode.TRAIN, rng,
            update_batch_norm=True, dropout_rate=dropout_rate,  # type: ignore[arg-type]
        )  # fmt: skip
        loss = workload.loss_fn(batch["targets"], logits, batch.get("weights"), label_smoothing)  # type: ignore[arg-type]
        return loss["summed"], (loss["n_valid_examples"], new_model_state)

    (summed, (num_valid, model_state)), grads = jax.value_and_grad(summed_loss, has_aux=True)(params)
    grads = jax.tree.map(lambda grad: grad / num_valid, grads)
    grad_norm = optax.tree.norm(grads)
    if grad_clip is not None:
        factor = jnp.minimum(1.0, grad_clip / (grad_norm + 1e-6))
        grads = jax.tree.map(lambda grad: grad * factor, grads)
    updates, state = update(grads, state, params)
    params = jax.tree.map(lambda param, change: param - learning_rate * change, params, updates)
    return state, params, model_state, {"loss": summed / num_valid, "grad_norm": grad_norm}
