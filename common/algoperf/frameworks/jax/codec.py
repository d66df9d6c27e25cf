"""How JAX arrays and typed keys are saved in checkpoints."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import NamedSharding, PartitionSpec

from algoperf.checkpoint.tree import kinds
from algoperf.checkpoint.tree.leaves import Memory
from algoperf.frameworks.jax import sharding


class JaxCodec:
    """Arrays keep dtype, weak type and placement, so a restored array causes no recompilation."""

    def encode(self, value: Any) -> tuple[np.ndarray, dict[str, Any]] | None:
        """See `state_leaves.LeafCodec`."""
        if not isinstance(value, jax.Array):
            return None
        info = {"codec": "jax", "placement": _placement(value)}
        if jax.dtypes.issubdtype(value.dtype, jax.dtypes.prng_key):
            return np.asarray(jax.random.key_data(value)), {**info, "key": str(jax.random.key_impl(value))}
        array = np.asarray(value)
        info |= {"dtype": str(value.dtype), "weak": bool(value.aval.weak_type)}
        # .npy files do not support bfloat16 and float8: keep their bytes
        native = array.dtype.isbuiltin == 1
        return (array if native else array.view(f"u{array.dtype.itemsize}")), info

    def decode(self, array: np.ndarray, info: dict[str, Any], template: Any) -> Any:
        """See `state_leaves.LeafCodec`."""
        # Copies to devices are asynchronous: the next array is not read before this one's source can be freed.
        return jax.block_until_ready(self._decode(array, info, template))

    def _decode(self, array: np.ndarray, info: dict[str, Any], template: Any) -> jax.Array:
        if "key" in info:
            return _placed(jax.random.wrap_key_data(jnp.asarray(array), impl=info["key"]), info, template)
        typed = array if str(array.dtype) == info["dtype"] else array.view(jnp.dtype(info["dtype"]))
        if not info["weak"]:
            return _placed(typed, info, template)
        # Write into an array made from a Python number, which keeps its weak type.
        number = {"i": 0, "f": 0.0, "c": 0j}[typed.dtype.kind]
        return _placed(jnp.full(typed.shape, number).at[...].set(typed), info, template)

    def memory(self, value: Any) -> Memory | None:
        """JAX arrays are immutable, so shared memory does not matter."""
        del value
        return None

    def share(self, value: Any, info: dict[str, Any]) -> Any:
        """See `state_leaves.LeafCodec`."""
        del info
        return value


def outline(tree: Any) -> Any:
    """The tree with shapes and placements in place of arrays, in dicts, lists and tuples.

    A restored array is made anew, so the memory of its template can be free before. Objects of other classes, and what
    they have, stay as they are.
    """
    if isinstance(tree, jax.Array):
        return jax.ShapeDtypeStruct(tree.shape, tree.dtype, sharding=tree.sharding)
    if type(tree) is dict:
        return {key: outline(item) for key, item in tree.items()}
    if type(tree) in (list, tuple):
        return type(tree)(map(outline, tree))
    if kinds.is_namedtuple(tree):
        return tuple.__new__(type(tree), map(outline, tree))
    return tree


def _placement(value: jax.Array) -> Any:
    """An array's placement as JSON: None if uncommitted, devices, or a split over a mesh."""
    if not value.committed:
        return None
    found = value.sharding
    if not isinstance(found, NamedSharding):
        return {"devices": sorted(device.id for device in value.devices())}
    split = [list(axes) if isinstance(axes, tuple) else axes for axes in found.spec]
    return {"mesh": dict(found.mesh.shape), "split": split}


def _placed(value: Any, info: dict[str, Any], template: Any) -> jax.Array:
    """Put the array where it was. If the devices differ now, put it where the template is, or on all devices."""
    placement = info["placement"]
    if placement is None:
        return jnp.asarray(value)
    is_known = isinstance(template, (jax.Array, jax.ShapeDtypeStruct)) and template.shape == value.shape
    known = template.sharding if is_known else None
    everywhere = sharding.get_replicate_sharding()
    for candidate in (known, everywhere):
        if isinstance(candidate, NamedSharding) and dict(candidate.mesh.shape) == placement.get("mesh"):
            split = (tuple(axes) if isinstance(axes, list) else axes for axes in placement["split"])
            return jax.device_put(value, NamedSharding(candidate.mesh, PartitionSpec(*split)))
    by_id = {device.id: device for device in jax.devices()}
    ids = placement.get("devices", [])
    if len(ids) == 1 and ids[0] in by_id:
        return jax.device_put(value, by_id[ids[0]])
    return jax.device_put(value, known or everywhere)
