"""One training step in JAX: loss, mean gradient over the global batch, clipping, and any optax transformation."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import optax

from algoperf import spec
from algoperf.blocks.logging import log_metrics
from algoperf.blocks.schedules import LearningRate
from algoperf.blocks.self_tuning import settings_of
from algoperf.jax_sharding_utils import get_replicate_sharding, replicate


def init_state(workload: spec.Workload, transformation: optax.GradientTransformation) -> spec.OptimizerState:
    """The pair that JAX submissions use as optimizer state: a replicated pytree, and the update function."""
    zeros = jax.tree.map(lambda shape: jnp.zeros(shape.shape_tuple), workload.param_shapes)
    return replicate(transformation.init(zeros)), transformation.update


def make_update_params(self_tuning: Mapping[str, Any], learning_rate: LearningRate) -> spec.UpdateParamsFn:
    """The `update_params` of a submission that trains by `train_step` with a schedule over the step hint.

    Settings are those of the trial, or `self_tuning`; they must have `label_smoothing` and `dropout_rate`, and may
    have `grad_clip`.
    """

    def update_params(
        workload: spec.Workload,
        current_param_container: spec.ParameterContainer,
        current_params_types: spec.ParameterTypeTree,
        model_state: spec.ModelAuxiliaryState,
        hyperparameters: spec.Hyperparameters,
        batch: dict[str, Any],
        loss_type: spec.LossType,
        optimizer_state: spec.OptimizerState,
        eval_results: list[tuple[int, dict[str, float]]],
        global_step: int,
        rng: spec.RandomState,
    ) -> spec.UpdateReturn:
        del current_params_types, loss_type, eval_results
        settings = settings_of(hyperparameters, self_tuning)
        updated, metrics = train_step(
            workload, optimizer_state, current_param_container, model_state, batch, rng,
            learning_rate(settings, global_step, workload.step_hint),
            settings["label_smoothing"], settings["dropout_rate"], settings.get("grad_clip"),
        )  # fmt: skip
        log_metrics(workload, global_step, **metrics)
        return updated

    return update_params


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
    grad_norm = optax.global_norm(grads)
    if grad_clip is not None:
        factor = jnp.minimum(1.0, grad_clip / (grad_norm + 1e-6))
        grads = jax.tree.map(lambda grad: grad * factor, grads)
    updates, state = update(grads, state, params)
    params = jax.tree.map(lambda param, change: param - learning_rate * change, params, updates)
    return state, params, model_state, {"loss": summed / num_valid, "grad_norm": grad_norm}
