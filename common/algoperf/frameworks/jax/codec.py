"""How JAX arrays and typed keys are saved in checkpoints."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from algoperf.frameworks.jax import sharding


class JaxCodec:
    """Arrays keep dtype, weak type and, where the template has one, placement."""

    def encode(self, value: Any) -> tuple[np.ndarray, dict[str, Any]] | None:
        """See `state_tree.LeafCodec`."""
        if not isinstance(value, jax.Array):
            return None
        if jax.dtypes.issubdtype(value.dtype, jax.dtypes.prng_key):
            data = np.asarray(jax.random.key_data(value))
            return data, {"codec": "jax", "key": str(jax.random.key_impl(value))}
        array = np.asarray(value)
        info = {"codec": "jax", "dtype": str(value.dtype), "weak": bool(value.aval.weak_type)}
        # numpy files know no bfloat16 and float8: keep their bytes
        native = array.dtype.kind in "biufc"
        return (array if native else array.view(f"u{array.dtype.itemsize}")), info

    def decode(self, array: np.ndarray, info: dict[str, Any], template: Any) -> Any:
        """See `state_tree.LeafCodec`."""
        if "key" in info:
            return jax.random.wrap_key_data(jnp.asarray(array), impl=info["key"])
        typed = array if str(array.dtype) == info["dtype"] else array.view(jnp.dtype(info["dtype"]))
        if info["weak"] and typed.ndim == 0:
            return jnp.asarray(typed.item())
        known = isinstance(template, jax.Array) and template.shape == typed.shape
        return jax.device_put(typed, template.sharding if known else sharding.get_replicate_sharding())
