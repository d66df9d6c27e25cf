"""Placement of arrays over all devices: a one-dimensional mesh with the axis `batch`."""

from __future__ import annotations

import functools
from typing import Any

import jax
from jax.sharding import Mesh, NamedSharding, PartitionSpec


@functools.cache
def _mesh() -> Mesh:
    return jax.make_mesh((jax.device_count(),), ("batch",), axis_types=(jax.sharding.AxisType.Auto,))


def get_replicate_sharding() -> NamedSharding:
    """The whole array on every device."""
    return NamedSharding(_mesh(), PartitionSpec())


def get_batch_dim_sharding() -> NamedSharding:
    """The leading axis split over the devices."""
    return NamedSharding(_mesh(), PartitionSpec("batch"))


def shard_along_batch_dim(tree: Any) -> Any:
    """Put every leaf on the devices, its leading axis split over them."""
    return jax.device_put(tree, get_batch_dim_sharding())


def replicate(tree: Any) -> Any:
    """Put every leaf on the devices, a copy on each."""
    return jax.device_put(tree, get_replicate_sharding())


def display_shard_info(array: jax.Array) -> None:
    """Print where the parts of an array lie."""
    for shard in array.addressable_shards:
        print(f"device {shard.device}, index {shard.index}, replica {shard.replica_id}")
