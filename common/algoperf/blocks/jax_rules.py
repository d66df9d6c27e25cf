"""Update rules in JAX that several baselines share and optax does not have, as optax transformations."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax


class NadamState(NamedTuple):
    """Number of updates, and moving averages of the gradients and their squares."""

    count: Any
    m: Any
    v: Any


def scale_by_nadam(beta1: float, beta2: float, epsilon: float = 1e-8) -> optax.GradientTransformation:
    """The update direction of NAdamW: Adam's, with the first moment applied twice to the new gradient.

    Table 1 of https://arxiv.org/abs/1910.05446. `optax.scale_by_adam(nesterov=True)` uses a bias correction one
    step later for the momentum part, which is a different rule.
    """

    def init(params: Any) -> NadamState:
        return NadamState(jnp.zeros((), jnp.int32), optax.tree.zeros_like(params), optax.tree.zeros_like(params))

    def update(grads: Any, state: NadamState, params: Any = None) -> tuple[Any, NadamState]:
        del params
        count = state.count + 1
        m = optax.tree.update_moment(grads, state.m, beta1, 1)
        v = optax.tree.update_moment(grads, state.v, beta2, 2)
        n = optax.tree.update_moment(grads, m, beta1, 1)
        n_hat = optax.tree.bias_correction(n, beta1, count)
        v_hat = optax.tree.bias_correction(v, beta2, count)
        direction = jax.tree.map(lambda n, v: n / (jnp.sqrt(v) + epsilon), n_hat, v_hat)
        return direction, NadamState(count, m, v)

    return optax.GradientTransformation(init, update)


def cautious(directions: optax.GradientTransformation) -> optax.GradientTransformation:
    """Zero the entries of each direction whose sign disagrees with the gradient, and scale up the rest.

    The scale is 1 / max(share of entries kept, 1e-3). https://arxiv.org/abs/2411.16085
    """

    def update(grads: Any, state: Any, params: Any = None) -> tuple[Any, Any]:
        updates, state = directions.update(grads, state, params)

        def masked(direction: jax.Array, grad: jax.Array) -> jax.Array:
            kept = (direction * grad > 0).astype(direction.dtype)
            return direction * kept / jnp.maximum(kept.mean(), 1e-3)

        return jax.tree.map(masked, updates, grads), state

    return optax.GradientTransformation(directions.init, update)
