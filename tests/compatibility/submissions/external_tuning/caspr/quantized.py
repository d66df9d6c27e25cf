"""Moments in eight bits with a scale per column, as vendored Shampoo keeps them."""

from typing import Any

import flax
import jax.numpy as jnp


@flax.struct.dataclass
class QuantizedValue:
    quantized: Any
    bucket_size: Any
    shape: Any = flax.struct.field(pytree_node=False)

    @classmethod
    def from_float_value(cls, value):
        scale = jnp.max(jnp.abs(value), axis=0, keepdims=value.ndim > 0) / 127.0 if value.ndim else jnp.abs(value)
        codes = jnp.round(value / jnp.where(scale > 0, scale, 1.0)).astype(jnp.int8)
        return cls(codes, scale, list(value.shape))

    def to_float(self):
        return self.quantized.astype(jnp.float32) * self.bucket_size
