"""Layers that flax lacks in the form the benchmark needs, and activation functions by name."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import flax.linen as nn
import jax
import jax.numpy as jnp

ACTIVATIONS: dict[str, Callable[[jax.Array], jax.Array]] = {
    "relu": nn.relu,
    "silu": nn.silu,
    "gelu": nn.gelu,
    "tanh": jnp.tanh,
}


class Dropout(nn.Module):
    """Dropout whose rate is an argument of the call.

    The rate may be a traced value, so changing it does not recompile. In return there is no shortcut for a rate of
    0, and training always needs a `dropout` key.

    Attributes:
      broadcast_dims: axes along which elements are dropped together.
    """

    broadcast_dims: Sequence[int] = ()

    @nn.compact
    def __call__(self, inputs: jax.Array, rate: float | jax.Array, deterministic: bool) -> jax.Array:
        """Zero each element with probability `rate` and scale the others by 1 / (1 - rate)."""
        if deterministic:
            return inputs
        keep = 1.0 - rate
        shape = [1 if axis in self.broadcast_dims else size for axis, size in enumerate(inputs.shape)]
        mask = jax.random.bernoulli(self.make_rng("dropout"), keep, shape)
        return jnp.where(mask, inputs / keep, jnp.zeros_like(inputs))
