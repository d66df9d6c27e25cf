"""One training step in JAX: loss, mean gradient over the global batch, clipping, and any optax optimizer."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp
import optax

from algoperf import spec
from algoperf.blocks.self_tuning import settings_of
from algoperf.jax_sharding_utils import get_replicate_sharding, replicate

# Either a function of the scheduled values, such as `optax.adam`, or a transformation; see `init_state`.
Optimizer: TypeAlias = optax.GradientTransformation | Callable[..., optax.GradientTransformation]

_PROBE_STEPS = 4  # a schedule may start at 0


def init_state(
    workload: spec.Workload, optimizer: Optimizer, params: spec.ParameterContainer | None = None
) -> spec.OptimizerState:
    """Make the optimizer state of a JAX submission: a replicated pytree, and the update function.

    Args:
      workload: gives the shapes of the parameters.
      optimizer: a function that takes `learning_rate`, and other scheduled values if any, and returns an optimizer,
        such as `optax.adam`; or a transformation whose updates the step scales by `-learning_rate`.
      params: initial parameters, for optimizers whose state starts with them; if omitted, zeros of their shapes.

    Raises ValueError if a transformation is a complete optimizer, such as `optax.adam(1e-3)`: the step would ascend.
    """
    return _init_state(workload, optimizer, params, "init_state was given", "Give it")


def _init_state(
    workload: spec.Workload, optimizer: Optimizer, params: spec.ParameterContainer | None, who: str, instead: str
) -> spec.OptimizerState:
    """See `init_state`; `who` brought the optimizer, and what to do `instead` of a complete one, begin sentences."""
    make: Callable[..., Any] = optimizer if callable(optimizer) else functools.partial(_scaled, optimizer)
    if params is None:
        params = jax.tree.map(lambda shape: jnp.zeros(shape.shape_tuple), workload.param_shapes)
    else:
        params = jax.tree.map(jnp.copy, params)  # a step donates parameters and state, so they must not share memory
    if not callable(optimizer) and _points_downhill(optimizer, params):
        raise ValueError(
            f"{who} a complete optimizer (its updates already point downhill), but the step multiplies by "
            f"-learning_rate. {instead} a function of the learning rate: `functools.partial(optax.adamw, b1=...)`."
        )

    def update(grads: Any, state: Any, params: Any, **scheduled: jax.Array) -> tuple[Any, Any]:
        return make(**scheduled).update(grads, state, params)

    return replicate(make(learning_rate=0.0).init(params)), update


def _scaled(directions: optax.GradientTransformation, learning_rate: float) -> optax.GradientTransformation:
    return optax.chain(directions, optax.scale_by_learning_rate(learning_rate))


def _points_downhill(transformation: optax.GradientTransformation, params: Any) -> bool:
    """Whether the first updates other than 0 are against a positive gradient; False if that cannot be told.

    It is tried on a tree like that of the parameters, because transformations may depend on names and ranks, but with
    2 entries per axis. The parameters are 0, so that weight decay has no say.
    """
    zeros = jax.tree.map(lambda param: jnp.zeros((2,) * param.ndim, param.dtype), params)
    grads = jax.tree.map(jnp.ones_like, zeros)
    try:
        state = transformation.init(zeros)
        for _ in range(_PROBE_STEPS):
            updates, state = transformation.update(grads, state, zeros)
            leaves = jax.tree.leaves(updates)
            if any(bool(jnp.any(leaf != 0)) for leaf in leaves):
                return all(bool(jnp.all(leaf <= 0)) for leaf in leaves)
    except Exception:  # it needs the true shapes, say; if it is wrong, the first step will tell
        return False
    return False


def make_init_optimizer_state(
    make_optimizer: Callable[[Mapping[str, Any]], Optimizer], self_tuning: Mapping[str, Any]
) -> spec.InitOptimizerFn:
    """Make the `init_optimizer_state` of a submission from a function that maps settings to an optimizer."""
    name = getattr(make_optimizer, "__name__", "make_optimizer")
    if (code := getattr(make_optimizer, "__code__", None)) is not None:  # its own frame is gone when this is said
        name = f"{name} ({Path(code.co_filename).name}, line {code.co_firstlineno})"

    def init_optimizer_state(
        workload: spec.Workload,
        model_params: spec.ParameterContainer,
        model_state: spec.ModelAuxiliaryState,
        hyperparameters: spec.Hyperparameters,
        rng: spec.RandomState,
    ) -> spec.OptimizerState:
        del model_state, rng
        optimizer = make_optimizer(settings_of(hyperparameters, self_tuning))
        return _init_state(workload, optimizer, model_params, f"{name} returned", "Return")

    return init_optimizer_state


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
    rho: float | None = None,
    scheduled: Mapping[str, float] | None = None,
    measure_norm: bool = True,
) -> tuple[spec.UpdateReturn, dict[str, jax.Array]]:
    """Do one update.

    Args:
      workload, optimizer_state, params, model_state, batch, rng: as for `update_params`.
      learning_rate: of this step.
      label_smoothing: for `loss_fn`.
      dropout_rate: for `model_fn`; None means the workload's default.
      grad_clip: maximum global gradient norm: the gradient is scaled by min(1, grad_clip / (norm + 1e-6)).
      rho: take the gradient at params + rho * gradient / norm (sharpness-aware minimisation, arXiv:2010.01412). The
        second pass uses the dropout masks of the first, and does not update batch statistics.
      scheduled: further values that the optimizer takes besides `learning_rate`.
      measure_norm: whether to return the gradient norm even if the step does not need it.

    Returns:
      The return value for `update_params`, and the loss and gradient norm at `params`, before clipping. The norm is
      NaN if nothing asked for it.
    """
    state, update = optimizer_state
    options = {
        "label_smoothing": label_smoothing, "dropout_rate": dropout_rate, "grad_clip": grad_clip, "rho": rho,
        "measure_norm": measure_norm,
    }  # fmt: skip
    state, params, model_state, metrics = _compiled_step()(
        workload, update, state, params, model_state, batch, rng,
        {"learning_rate": learning_rate, **(scheduled or {})}, options,
    )  # fmt: skip
    return ((state, update), params, model_state), metrics


@functools.cache
def _compiled_step() -> Callable[..., Any]:
    """Compile on first use: shardings need the devices, and importing a submission should not initialise them."""
    replicated = get_replicate_sharding()
    return jax.jit(_step, static_argnums=(0, 1), donate_argnums=(2, 3, 4), out_shardings=replicated)


def _step(
    workload: spec.Workload,
    update: Callable[..., Any],
    state: Any,
    params: Any,
    model_state: Any,
    batch: dict[str, Any],
    rng: jax.Array,
    scheduled: dict[str, jax.Array],
    options: dict[str, jax.Array | None],
) -> tuple[Any, Any, Any, dict[str, jax.Array]]:
    def gradient(params: Any) -> tuple[Any, jax.Array, Any]:
        return _mean_gradient(workload, params, model_state, batch, rng, options)

    grads, loss, new_model_state = gradient(params)
    if options["rho"] is None and options["grad_clip"] is None:
        # One program for both: the first steps must not compile twice.
        kind = jax.eval_shape(optax.tree.norm, grads).dtype
        grad_norm = jax.lax.cond(options["measure_norm"], optax.tree.norm, lambda _: jnp.array(jnp.nan, kind), grads)
    else:
        grad_norm = optax.tree.norm(grads)
    if options["rho"] is not None:
        distance = options["rho"] / jnp.where(grad_norm > 0, grad_norm, 1.0)
        grads, _, _ = gradient(jax.tree.map(lambda param, grad: param + distance * grad, params, grads))
    if options["grad_clip"] is not None:
        norm = grad_norm if options["rho"] is None else optax.tree.norm(grads)
        factor = jnp.minimum(1.0, options["grad_clip"] / (norm + 1e-6))
        grads = jax.tree.map(lambda grad: grad * factor, grads)
    updates, state = update(grads, state, params, **scheduled)
    metrics = {"loss": loss, "grad_norm": grad_norm}
    return state, optax.apply_updates(params, updates), new_model_state, metrics


def _mean_gradient(
    workload: spec.Workload,
    params: Any,
    model_state: Any,
    batch: dict[str, Any],
    rng: jax.Array,
    options: dict[str, jax.Array | None],
) -> tuple[Any, jax.Array, Any]:
    """Gradient and value of the mean loss over the valid examples of the global batch, and the new model state.

    The loss is divided, not its gradient: XLA would keep both gradients of a table, which are as large as the table.
    """

    def mean_loss(params: Any) -> tuple[jax.Array, Any]:
        logits, new_model_state = workload.model_fn(
            params, batch, model_state, spec.ForwardPassMode.TRAIN, rng,
            update_batch_norm=True, dropout_rate=options["dropout_rate"],  # type: ignore[arg-type]
        )  # fmt: skip
        loss = workload.loss_fn(batch["targets"], logits, batch.get("weights"), options["label_smoothing"])  # type: ignore[arg-type]
        return loss["summed"] / loss["n_valid_examples"], new_model_state

    (mean, model_state), grads = jax.value_and_grad(mean_loss, has_aux=True)(params)
    return grads, mean, model_state
